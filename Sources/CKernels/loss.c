#include <math.h>

#include "lanes.h"

CK_CLONES double ck_cross_entropy(long n, float *logits, long target, float scale, bool gradient) {
  float peak = largest(n, logits, -INFINITY);
  double sum = 0;
  float hit = logits[target];
  {
    CK_LANES
    if (gradient) {
      for (long c = 0; c < n; c++) {
        float p = ck_exp1(logits[c] - peak);
        logits[c] = p;
        sum += (double)p;
      }
    } else {
      for (long c = 0; c < n; c++) sum += (double)ck_exp1(logits[c] - peak);
    }
  }
  if (gradient) {
    float factor = (float)((double)scale / sum);
    for (long c = 0; c < n; c++) logits[c] *= factor;
    logits[target] -= scale;
  }
  return log(sum) + (double)peak - (double)hit;
}

CK_CLONES double ck_score(long n, const float *logits, long target, int32_t *best) {
  float peak = largest(n, logits, -INFINITY);
  *best = 0;
  for (long c = 0; c < n; c++) {
    if (logits[c] == peak) {
      *best = (int32_t)c;
      break;
    }
  }
  if (target < 0) return 0;
  double sum = 0;
  {
    CK_LANES
    for (long c = 0; c < n; c++) sum += (double)ck_exp1(logits[c] - peak);
  }
  return (double)logits[target] - (double)peak - log(sum);
}
