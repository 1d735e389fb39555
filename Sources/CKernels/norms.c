#include <math.h>

#include "lanes.h"

CK_INLINE float inverse_root(long columns, const float *x, double epsilon) {
  double squares = 0;
  {
    CK_LANES
    for (long c = 0; c < columns; c++) squares += (double)x[c] * (double)x[c];
  }
  return (float)(1.0 / sqrt(squares / (double)columns + epsilon));
}

CK_CLONES void ck_rms_norm(long rows, long columns, const float *x, long xStride, const float *weight, float *out,
                           long outStride, float *inverse, long inverseStride, double epsilon) {
  for (long r = 0; r < rows; r++, x += xStride, out += outStride, inverse += inverseStride) {
    float factor = inverse_root(columns, x, epsilon);
    *inverse = factor;
    CK_INDEPENDENT
    for (long c = 0; c < columns; c++) out[c] = x[c] * factor * weight[c];
  }
}

CK_CLONES void ck_add_rms_norm(long rows, long columns, const float *x, long xStride, const float *delta,
                               long deltaStride, float *sum, long sumStride, const float *weight, float *out,
                               long outStride, float *inverse, long inverseStride, double epsilon) {
  for (long r = 0; r < rows; r++) {
    CK_INDEPENDENT
    for (long c = 0; c < columns; c++) sum[c] = x[c] + delta[c];
    float factor = inverse_root(columns, sum, epsilon);
    *inverse = factor;
    CK_INDEPENDENT
    for (long c = 0; c < columns; c++) out[c] = sum[c] * factor * weight[c];
    x += xStride, delta += deltaStride, sum += sumStride, out += outStride, inverse += inverseStride;
  }
}

// y = x s w with s = (mean(x^2) + e)^(-1/2): dx = s (w dy) - x s^3 / H sum(w dy x).
CK_CLONES void ck_rms_norm_backward(long rows, long columns, const float *x, long xStride, const float *weight,
                                    const float *inverse, long inverseStride, const float *outGradient,
                                    long outGradientStride, float *xGradient, long xGradientStride, bool accumulate) {
  for (long r = 0; r < rows; r++) {
    double product = 0;
    {
      CK_LANES
      for (long c = 0; c < columns; c++) product += (double)(weight[c] * outGradient[c]) * (double)x[c];
    }
    double s = *inverse;
    float direct = *inverse, back = (float)(s * s * s * product / (double)columns);
    if (accumulate) {
      CK_INDEPENDENT
      for (long c = 0; c < columns; c++) xGradient[c] += direct * weight[c] * outGradient[c] - back * x[c];
    } else {
      CK_INDEPENDENT
      for (long c = 0; c < columns; c++) xGradient[c] = direct * weight[c] * outGradient[c] - back * x[c];
    }
    x += xStride, outGradient += outGradientStride, xGradient += xGradientStride, inverse += inverseStride;
  }
}

CK_CLONES void ck_rms_norm_weight_backward(long rows, long columns, const float *x, long xStride, const float *inverse,
                                           long inverseStride, const float *outGradient, long outGradientStride,
                                           float *weightGradient) {
  for (long r = 0; r < rows; r++, x += xStride, outGradient += outGradientStride, inverse += inverseStride) {
    float factor = *inverse;
    CK_INDEPENDENT
    for (long c = 0; c < columns; c++) weightGradient[c] += outGradient[c] * x[c] * factor;
  }
}

CK_CLONES void ck_column_sums(long rows, long columns, const float *x, long stride, float *out) {
  for (long r = 0; r < rows; r++, x += stride) {
    CK_INDEPENDENT
    for (long c = 0; c < columns; c++) out[c] += x[c];
  }
}
