#include <math.h>

#include "lanes.h"

/// Elements that share an absolute maximum.
enum { block = 256 };

/// How the positive half of a dynamic map is laid out: decade d has `first` << d bins and begins at number
/// `first` << d; `edge` is where a decade's numbers begin, halfway between its first value and the last one below.
typedef struct {
  float edge[8];
  float slope[7];
  float start[7];
} decades;

/// The numbers of a map's decades, `bins` in the lowest.
CK_INLINE decades map_decades(int bins) {
  static const double power[7] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};
  decades d;
  for (int i = 0; i < 7; i++) {
    double n = (double)(bins << i), width = 0.9 / n;
    double first = (0.1 + 0.5 * width) * power[i];
    double last = i > 0 ? (1 - 0.5 * (2 * width)) * power[i - 1] : 0;
    d.edge[i] = (float)((first + last) / 2);
    // Bin k of the decade holds [0.1 + k width, 0.1 + (k + 1) width] times its power.
    d.slope[i] = (float)(1 / (width * power[i]));
    d.start[i] = (float)(n - 0.1 / width);
  }
  d.edge[7] = (float)((1 + 1 - 0.5 * 0.9 / (double)(bins << 6)) / 2);
  return d;
}

/// The number of the value nearest to x in [0, 1]: 0 for 0, `bins` << d for the first of decade d, up to
/// `bins` << 7, which is 1.
CK_INLINE int32_t nearest_number(float x, const decades *d, int bins) {
  float slope = d->slope[0], start = d->start[0];
  int32_t low = bins;
  for (int i = 1; i < 7; i++) {
    slope = x >= d->edge[i] ? d->slope[i] : slope;
    start = x >= d->edge[i] ? d->start[i] : start;
    low = x >= d->edge[i] ? bins << i : low;
  }
  int32_t number = (int32_t)(x * slope + start);
  int32_t high = 2 * low - 1;
  // A decade's edge is not quite where its bins begin.
  number = number < low ? low : number > high ? high : number;
  number = x >= d->edge[7] ? bins << 7 : number;
  return x < d->edge[0] ? 0 : number;
}

CK_CLONES void ck_adamw_blocks(long n, float *weight, const float *gradient, uint8_t *mCodes, uint8_t *vCodes,
                               float *mMaxima, float *vMaxima, const float *mMap, const float *vMap,
                               const ck_adamw_numbers *numbers) {
  const ck_adamw_numbers k = *numbers;
  const decades mDecades = map_decades(1), vDecades = map_decades(2);
  float m[block], v[block];
  for (long b = 0; b * block < n; b++) {
    long start = b * block, count = n - start < block ? n - start : block;
    float *w = weight + start;
    const float *gradients = gradient + start;
    uint8_t *mCode = mCodes + start, *vCode = vCodes + start;
    float mScale = mMaxima[b], vScale = vMaxima[b];
    CK_INDEPENDENT
    for (long i = 0; i < count; i++) m[i] = mMap[mCode[i]];
    CK_INDEPENDENT
    for (long i = 0; i < count; i++) v[i] = vMap[vCode[i]];
    CK_INDEPENDENT
    for (long i = 0; i < count; i++) {
      float g = gradients[i] * k.clip;
      float first = k.beta1 * (m[i] * mScale) + k.rest1 * g;
      float second = k.beta2 * (v[i] * vScale) + k.rest2 * (g * g);
      m[i] = first;
      v[i] = second;
      w[i] = w[i] * k.keep - k.rate * first / (sqrtf(second) * k.correction + k.epsilon);
    }
    float mPeak[lanes] = {0}, vPeak[lanes] = {0};
    long i = 0;
    for (; i + lanes <= count; i += lanes)
      for (int l = 0; l < lanes; l++) {
        float size = fabsf(m[i + l]);
        mPeak[l] = size > mPeak[l] ? size : mPeak[l];
        vPeak[l] = v[i + l] > vPeak[l] ? v[i + l] : vPeak[l];
      }
    for (; i < count; i++) {
      mPeak[0] = fabsf(m[i]) > mPeak[0] ? fabsf(m[i]) : mPeak[0];
      vPeak[0] = v[i] > vPeak[0] ? v[i] : vPeak[0];
    }
    float mMaximum = 0, vMaximum = 0;
    for (int l = 0; l < lanes; l++) {
      mMaximum = mPeak[l] > mMaximum ? mPeak[l] : mMaximum;
      vMaximum = vPeak[l] > vMaximum ? vPeak[l] : vMaximum;
    }
    mMaxima[b] = mMaximum;
    vMaxima[b] = vMaximum;
    // A block of zeros has nothing to divide by.
    float mDivisor = mMaximum > 0 ? mMaximum : 1, vDivisor = vMaximum > 0 ? vMaximum : 1;
    CK_INDEPENDENT
    for (long i = 0; i < count; i++) {
      int32_t number = nearest_number(fabsf(m[i]) / mDivisor, &mDecades, 1);
      // A negative value stays below zero, and the map has no -1.
      int32_t below = number < 1 ? 1 : number > 127 ? 127 : number;
      mCode[i] = (uint8_t)(m[i] < 0 ? 127 - below : 127 + number);
    }
    CK_INDEPENDENT
    for (long i = 0; i < count; i++) {
      int32_t number = nearest_number(v[i] / vDivisor, &vDecades, 2);
      vCode[i] = (uint8_t)(number < 1 ? 0 : number - 1);
    }
  }
}
