// The inner loops of the CPU backend: plain C over contiguous rows, no allocation, no globals, no policy.
//
// Lengths and strides are in elements. Pointers may be equal where a comment says "in place"; otherwise they do not
// overlap. Every function that reduces does so in an order that depends on the lengths alone.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// What the processor can do: 4 for AVX-512 (x86-64-v4), 3 for AVX2 with FMA (x86-64-v3), 0 for anything else.
int ck_processor_level(void);

/// A short wait inside a spinning loop.
static inline void ck_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Elementwise, over n elements.

/// out = a + b; out may be a or b.
void ck_add(long n, const float *a, const float *b, float *out);
/// x *= factor, in place.
void ck_scale(long n, float *x, float factor);
/// out = silu(gate) * up; out may be gate or up.
void ck_silu(long n, const float *gate, const float *up, float *out);
/// Gradients of ck_silu; gateGradient and upGradient may be gate and up.
void ck_silu_backward(long n, const float *gate, const float *up, const float *outGradient, float *gateGradient,
                      float *upGradient);
/// out = gelu(gate) * up with the tanh form of gelu; out may be gate or up.
void ck_gelu(long n, const float *gate, const float *up, float *out);
/// Gradients of ck_gelu; gateGradient and upGradient may be gate and up.
void ck_gelu_backward(long n, const float *gate, const float *up, const float *outGradient, float *gateGradient,
                      float *upGradient);
/// x = exp(x) in place; relative error below 2e-7 in [-87.3, 88.3], 0 below.
void ck_exp(long n, float *x);
/// x = tanh(x) in place; absolute error below 2e-7.
void ck_tanh(long n, float *x);

// Norms, over rows of `columns` elements.

/// inverse = 1 / sqrt(mean(x^2) + epsilon), in f64; out = x * inverse * weight.
void ck_rms_norm(long rows, long columns, const float *x, long xStride, const float *weight, float *out, long outStride,
                 float *inverse, long inverseStride, double epsilon);
/// sum = x + delta, then ck_rms_norm of sum; sum may be x.
void ck_add_rms_norm(long rows, long columns, const float *x, long xStride, const float *delta, long deltaStride,
                     float *sum, long sumStride, const float *weight, float *out, long outStride, float *inverse,
                     long inverseStride, double epsilon);
/// xGradient = [xGradient +] the gradient of ck_rms_norm with respect to x.
void ck_rms_norm_backward(long rows, long columns, const float *x, long xStride, const float *weight,
                          const float *inverse, long inverseStride, const float *outGradient, long outGradientStride,
                          float *xGradient, long xGradientStride, bool accumulate);
/// weightGradient[c] += sum over rows, in order, of outGradient * x * inverse.
void ck_rms_norm_weight_backward(long rows, long columns, const float *x, long xStride, const float *inverse,
                                 long inverseStride, const float *outGradient, long outGradientStride,
                                 float *weightGradient);
/// out[c] += sum over rows, in order, of x.
void ck_column_sums(long rows, long columns, const float *x, long stride, float *out);

// Positions.

/// Rotates one row of `heads` heads of `dimension` in place by half-rotation pairs; `sign` -1 rotates back.
void ck_rope(long heads, long dimension, float *x, const float *cosine, const float *sine, float sign);

// Attention, over one tile of scores (rows, columns) with row stride `stride`.

/// One step of the online softmax: the visible part of each row is first[r]..<last[r]. Scores become
/// exp(score - maximum), hidden ones 0; maximum, total and the accumulated out rows are rescaled. cap 0 means none.
void ck_softmax_tile(long rows, long columns, float *scores, long stride, const int32_t *first, const int32_t *last,
                     float cap, float *maximum, float *total, float *out, long outStride, long dimension);
/// out /= total and logSumExp = maximum + log(total); logSumExp may be NULL.
void ck_softmax_finish(long rows, const float *maximum, const float *total, float *out, long outStride, long dimension,
                       float *logSumExp, long logSumExpStride);
/// Scores become probabilities, and the gradients of probabilities become scale * gradients of scores.
void ck_softmax_tile_backward(long rows, long columns, float *scores, float *gradients, long stride,
                              const int32_t *first, const int32_t *last, float cap, float scale,
                              const float *logSumExp, long logSumExpStride, const float *delta, long deltaStride);
/// out (columns,rows) = x (rows,columns), transposed.
void ck_transpose(long rows, long columns, const float *x, long xStride, float *out, long outStride);
/// The sum of a * b over n elements.
float ck_dot(long n, const float *a, const float *b);

// Loss.

/// -log softmax(logits)[target] with the log-sum-exp in f64. With `gradient`, logits become
/// scale * (softmax(logits) - onehot(target)).
double ck_cross_entropy(long n, float *logits, long target, float scale, bool gradient);
/// log softmax(logits)[target] in f64 (0 for a negative target); *best is the first index of the largest logit.
double ck_score(long n, const float *logits, long target, int32_t *best);

// Update.

/// The sum of x^2 in f64.
double ck_sum_of_squares(long n, const float *x);

/// The numbers of one AdamW update, ready to use.
typedef struct {
  float clip;         ///< multiplies the gradient
  float keep;         ///< 1 - lr * decay
  float beta1, rest1; ///< b1 and 1 - b1
  float beta2, rest2; ///< b2 and 1 - b2
  float rate;         ///< lr / (1 - b1^t)
  float correction;   ///< 1 / sqrt(1 - b2^t)
  float epsilon;
} ck_adamw_numbers;
/// One AdamW update of n elements.
void ck_adamw(long n, float *weight, const float *gradient, float *m, float *v, const ck_adamw_numbers *numbers);
/// The same with m and v as codes of the maps of 256 values, `DynamicMap.signed` and `.unsigned`, times the largest
/// magnitude of each block of 256 elements. The weight moves by the moments before they become codes again.
void ck_adamw_blocks(long n, float *weight, const float *gradient, uint8_t *mCodes, uint8_t *vCodes, float *mMaxima,
                     float *vMaxima, const float *mMap, const float *vMap, const ck_adamw_numbers *numbers);

/// The numbers of one update by gradient descent.
typedef struct {
  float clip;  ///< multiplies the gradient
  float rate;
  float decay;
  float momentum;
} ck_sgd_numbers;
/// weight -= rate * b of n elements, b = [momentum * b +] clip * gradient + decay * weight; momentum may be NULL.
void ck_sgd(long n, float *weight, const float *gradient, float *momentum, const ck_sgd_numbers *numbers);

/// The sum of (factor x)^2 + epsilon in f64.
double ck_sum_plus(long n, const float *x, float factor, double epsilon);
/// sums += (factor x)^2 + epsilon, element by element.
void ck_add_squares(long n, const float *x, float factor, double epsilon, double *sums);
/// The sum of (x factors factor)^2 in f64.
double ck_sum_scaled(long n, const float *x, const float *factors, float factor);
/// weight = weight keep - gradient factors factor.
void ck_step_scaled(long n, float *weight, const float *gradient, const float *factors, float factor, float keep);

// Random numbers: Philox 4x32-10, so that element i's number is a pure function of the key and i.

/// What a sequence of random numbers is drawn for.
typedef struct {
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
  uint32_t purpose;  ///< below 256
} ck_random;
/// 16 random bits for each of the elements `index`..<`index` + n.
void ck_random_halves(long n, uint64_t index, const ck_random *key, uint16_t *out);
/// out = x * factor, or 0 where the 32 random bits of element `index` + i are below `threshold`; out may be x.
void ck_dropout(long n, uint64_t index, const ck_random *key, uint32_t threshold, float factor, const float *x,
                float *out);

// Number formats. bf16 is the upper half of f32's bits.

/// f32 from bf16.
void ck_widen(long n, const uint16_t *x, float *out);
/// bf16 from f32, to nearest even.
void ck_narrow(long n, const float *x, uint16_t *out);
/// bf16 from f32, rounded stochastically with the random numbers of elements `index`..<`index` + n.
void ck_narrow_by_chance(long n, uint64_t index, const ck_random *key, const float *x, uint16_t *out);
/// out = the values of `blocks` blocks of 64 NF4 codes, two a byte, the first in the high half. Block b's scale is
/// offset + map[scaleCodes[s]] * scaleMaxima[s / 256], s = firstScale + b.
void ck_dequantise_nf4(long blocks, const uint8_t *codes, const uint8_t *scaleCodes, long firstScale,
                       const float *scaleMaxima, float offset, const float *levels, const float *map, float *out);

// Small products, for few rows of a.

/// c (m,n) = scale * a (m,k) b (n,k)^T [+ c]: reads b once.
void ck_product_nt(long m, long n, long k, float scale, const float *a, long aStride, const float *b, long bStride,
                   float *c, long cStride, bool accumulate);
/// c (m,n) = a (m,k) b (k,n) [+ c].
void ck_product_nn(long m, long n, long k, const float *a, long aStride, const float *b, long bStride, float *c,
                   long cStride, bool accumulate);
