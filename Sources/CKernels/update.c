#include <math.h>

#include "lanes.h"

CK_CLONES double ck_sum_of_squares(long n, const float *x) {
  double sum = 0;
  {
    CK_LANES
    for (long i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  }
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
