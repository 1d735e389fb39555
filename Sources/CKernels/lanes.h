// What the kernels share: processor clones, and exp and tanh that vectorise.
#pragma once

#include "CKernels.h"

#if defined(__x86_64__) && defined(__linux__)
#define CK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_CLONES
#endif

#define CK_INLINE static inline __attribute__((always_inline))
/// Iterations of the loop that follows do not depend on each other, even where pointers are equal.
#define CK_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
/// Sums in the block that follows may be split over lanes.
#define CK_LANES _Pragma("clang fp reassociate(on)")

/// exp(x): x = n ln2 + r, a polynomial of degree 7 for r (Cephes' expf), n added to the exponent by its bits.
CK_INLINE float ck_exp1(float x) {
  const float shift = 12582912.0f + 127.0f;  // 1.5 * 2^23 + bias: adding it rounds to a whole number
  float clamped = x > 88.37f ? 88.37f : x;
  clamped = clamped < -87.33654f ? -87.33654f : clamped;
  union { float f; uint32_t u; } whole = {clamped * 1.44269504088896341f + shift}, power;
  float n = whole.f - shift;
  float r = clamped - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  power.u = whole.u << 23;
  y *= power.f;
  return x < -87.33654f ? 0.0f : y;
}

/// tanh(x): an odd polynomial near 0 (Cephes' tanhf), 1 - 2 / (exp(2|x|) + 1) elsewhere.
CK_INLINE float ck_tanh1(float x) {
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  float near = p * z * x + x;
  float size = x < 0 ? -x : x;
  float far = 1.0f - 2.0f / (ck_exp1(2.0f * size) + 1.0f);
  far = x < 0 ? -far : far;
  return size < 0.625f ? near : far;
}

enum { lanes = 16 };

/// The largest of n values, at least `floor`; a NaN does not count.
CK_INLINE float largest(long n, const float *x, float floor) {
  float lane[lanes];
  for (int l = 0; l < lanes; l++) lane[l] = floor;
  long i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int l = 0; l < lanes; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
  float result = floor;
  for (; i < n; i++) result = x[i] > result ? x[i] : result;
  for (int l = 0; l < lanes; l++) result = lane[l] > result ? lane[l] : result;
  return result;
}
