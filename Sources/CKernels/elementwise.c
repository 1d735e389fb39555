#include "lanes.h"

int ck_processor_level(void) {
#if defined(__x86_64__) && defined(__linux__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return 4;
  if (__builtin_cpu_supports("x86-64-v3")) return 3;
#endif
  return 0;
}

CK_CLONES void ck_add(long n, const float *a, const float *b, float *out) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) out[i] = a[i] + b[i];
}

CK_CLONES void ck_scale(long n, float *x, float factor) {
  for (long i = 0; i < n; i++) x[i] *= factor;
}

CK_CLONES void ck_exp(long n, float *x) {
  for (long i = 0; i < n; i++) x[i] = ck_exp1(x[i]);
}

CK_CLONES void ck_tanh(long n, float *x) {
  for (long i = 0; i < n; i++) x[i] = ck_tanh1(x[i]);
}

CK_CLONES void ck_silu(long n, const float *gate, const float *up, float *out) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) out[i] = gate[i] / (1.0f + ck_exp1(-gate[i])) * up[i];
}

CK_CLONES void ck_silu_backward(long n, const float *gate, const float *up, const float *outGradient,
                                float *gateGradient, float *upGradient) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) {
    float g = gate[i], u = up[i], d = outGradient[i];
    float s = 1.0f / (1.0f + ck_exp1(-g));
    gateGradient[i] = d * u * s * (1.0f + g * (1.0f - s));
    upGradient[i] = d * g * s;
  }
}

// gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks and Gimpel 2016, tanh form).
static const float gelu_root = 0.7978845608028654f;
static const float gelu_cube = 0.044715f;

CK_CLONES void ck_gelu(long n, const float *gate, const float *up, float *out) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) {
    float g = gate[i];
    float t = ck_tanh1(gelu_root * (g + gelu_cube * g * g * g));
    out[i] = 0.5f * g * (1.0f + t) * up[i];
  }
}

CK_CLONES void ck_gelu_backward(long n, const float *gate, const float *up, const float *outGradient,
                                float *gateGradient, float *upGradient) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) {
    float g = gate[i], u = up[i], d = outGradient[i];
    float t = ck_tanh1(gelu_root * (g + gelu_cube * g * g * g));
    float half = 0.5f * (1.0f + t);
    float slope = half + 0.5f * g * (1.0f - t * t) * gelu_root * (1.0f + 3.0f * gelu_cube * g * g);
    gateGradient[i] = d * u * slope;
    upGradient[i] = d * g * half;
  }
}

CK_CLONES void ck_rope(long heads, long dimension, float *x, const float *cosine, const float *sine, float sign) {
  long half = dimension / 2;
  for (long h = 0; h < heads; h++) {
    float *low = x + h * dimension;
    float *high = low + half;
    CK_INDEPENDENT
    for (long i = 0; i < half; i++) {
      float a = low[i], b = high[i], c = cosine[i], s = sign * sine[i];
      low[i] = a * c - b * s;
      high[i] = b * c + a * s;
    }
  }
}
