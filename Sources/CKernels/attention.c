#include <math.h>

#include "lanes.h"

CK_CLONES void ck_softmax_tile(long rows, long columns, float *scores, long stride, const int32_t *first,
                               const int32_t *last, float cap, float *maximum, float *total, float *out,
                               long outStride, long dimension) {
  for (long r = 0; r < rows; r++, scores += stride, out += outStride) {
    long low = first[r] < 0 ? 0 : first[r];
    long high = last[r] > columns ? columns : last[r];
    if (low >= high) {
      for (long c = 0; c < columns; c++) scores[c] = 0;
      continue;
    }
    if (cap > 0) {
      float over = 1.0f / cap;
      for (long c = low; c < high; c++) scores[c] = cap * ck_tanh1(scores[c] * over);
    }
    float peak = largest(high - low, scores + low, maximum[r]);
    float sum = 0;
    for (long c = 0; c < low; c++) scores[c] = 0;
    {
      CK_LANES
      for (long c = low; c < high; c++) {
        float p = ck_exp1(scores[c] - peak);
        scores[c] = p;
        sum += p;
      }
    }
    for (long c = high; c < columns; c++) scores[c] = 0;
    if (peak != maximum[r]) {
      float factor = ck_exp1(maximum[r] - peak);
      total[r] *= factor;
      for (long d = 0; d < dimension; d++) out[d] *= factor;
      maximum[r] = peak;
    }
    total[r] += sum;
  }
}

CK_CLONES void ck_softmax_finish(long rows, const float *maximum, const float *total, float *out, long outStride,
                                 long dimension, float *logSumExp, long logSumExpStride) {
  for (long r = 0; r < rows; r++, out += outStride) {
    float over = 1.0f / total[r];
    for (long d = 0; d < dimension; d++) out[d] *= over;
    if (logSumExp) logSumExp[r * logSumExpStride] = maximum[r] + logf(total[r]);
  }
}

CK_CLONES void ck_softmax_tile_backward(long rows, long columns, float *scores, float *gradients, long stride,
                                        const int32_t *first, const int32_t *last, float cap, float scale,
                                        const float *logSumExp, long logSumExpStride, const float *delta,
                                        long deltaStride) {
  for (long r = 0; r < rows; r++, scores += stride, gradients += stride) {
    long low = first[r] < 0 ? 0 : first[r];
    long high = last[r] > columns ? columns : last[r];
    if (low > high) low = high = 0;
    float log = logSumExp[r * logSumExpStride], row = delta[r * deltaStride];
    for (long c = 0; c < low; c++) scores[c] = gradients[c] = 0;
    if (cap > 0) {
      float over = 1.0f / cap;
      CK_INDEPENDENT
      for (long c = low; c < high; c++) {
        float t = ck_tanh1(scores[c] * over);
        float p = ck_exp1(cap * t - log);
        scores[c] = p;
        gradients[c] = p * (gradients[c] - row) * (1.0f - t * t) * scale;
      }
    } else {
      CK_INDEPENDENT
      for (long c = low; c < high; c++) {
        float p = ck_exp1(scores[c] - log);
        scores[c] = p;
        gradients[c] = p * (gradients[c] - row) * scale;
      }
    }
    for (long c = high; c < columns; c++) scores[c] = gradients[c] = 0;
  }
}

CK_CLONES void ck_transpose(long rows, long columns, const float *x, long xStride, float *out, long outStride) {
  enum { block = 16 };
  long r = 0;
  for (; r + block <= rows; r += block)
    for (long c = 0; c < columns; c++)
      for (int l = 0; l < block; l++) out[c * outStride + r + l] = x[(r + l) * xStride + c];
  for (; r < rows; r++)
    for (long c = 0; c < columns; c++) out[c * outStride + r] = x[r * xStride + c];
}

CK_CLONES float ck_dot(long n, const float *a, const float *b) {
  float sum = 0;
  {
    CK_LANES
    for (long i = 0; i < n; i++) sum += a[i] * b[i];
  }
  return sum;
}
