#include <math.h>

#include "lanes.h"

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
