#include <math.h>

#include "lanes.h"
#include "numbers.h"

#define CK_LANES_SUM(N, X, SUM)                                              \
  {                                                                          \
    CK_LANES                                                                 \
    for (long i = 0; i < (N); i++) SUM += (double)(X)[i] * (double)(X)[i];   \
  }

CK_CLONES double ck_sum_of_squares(long n, const float *x) {
  enum { block = 256, ahead = 1024 };
  double sum = 0;
  long start = 0;
  for (; start + block <= n; start += block) {
    // One stream of reads alone does not fill the memory's pipeline.
    if (start + ahead + block <= n)
      for (long i = 0; i < block; i += 16) __builtin_prefetch(x + start + ahead + i);
    CK_LANES_SUM(block, x + start, sum)
  }
  CK_LANES_SUM(n - start, x + start, sum)
  return sum;
}

CK_CLONES void ck_adamw(long n, float *weight, const float *gradient, float *m, float *v,
                        const ck_adamw_numbers *numbers) {
  const ck_adamw_numbers k = *numbers;
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) {
    float g = gradient[i] * k.clip;
    float first = k.beta1 * m[i] + k.rest1 * g;
    float second = k.beta2 * v[i] + k.rest2 * (g * g);
    m[i] = first;
    v[i] = second;
    weight[i] = weight[i] * k.keep - k.rate * first / (sqrtf(second) * k.correction + k.epsilon);
  }
}

CK_CLONES void ck_sgd(long n, float *weight, const float *gradient, float *momentum, const ck_sgd_numbers *numbers) {
  const ck_sgd_numbers k = *numbers;
  if (!momentum) {
    CK_INDEPENDENT
    for (long i = 0; i < n; i++) weight[i] -= k.rate * (gradient[i] * k.clip + k.decay * weight[i]);
    return;
  }
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) {
    float b = k.momentum * momentum[i] + (gradient[i] * k.clip + k.decay * weight[i]);
    momentum[i] = b;
    weight[i] -= k.rate * b;
  }
}

// Adafactor.

CK_CLONES double ck_sum_plus(long n, const float *x, float factor, double epsilon) {
  double sum = 0;
  {
    CK_LANES
    for (long i = 0; i < n; i++) {
      double g = (double)(x[i] * factor);
      sum += g * g + epsilon;
    }
  }
  return sum;
}

CK_CLONES void ck_add_squares(long n, const float *x, float factor, double epsilon, double *sums) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) {
    double g = (double)(x[i] * factor);
    sums[i] += g * g + epsilon;
  }
}

CK_CLONES double ck_sum_scaled(long n, const float *x, const float *factors, float factor) {
  double sum = 0;
  {
    CK_LANES
    for (long i = 0; i < n; i++) {
      double u = (double)(x[i] * factors[i] * factor);
      sum += u * u;
    }
  }
  return sum;
}

CK_CLONES void ck_step_scaled(long n, float *weight, const float *gradient, const float *factors, float factor,
                              float keep) {
  CK_INDEPENDENT
  for (long i = 0; i < n; i++) weight[i] = weight[i] * keep - gradient[i] * factors[i] * factor;
}
