// Causal attention over packed segments on plain arithmetic, for every head dimension D, exact to f32: q (T,A·D),
// k and v (T,K·D). Token t sees keys segments[t]...t, the last `window` of them where it is not 0. The online softmax
// of FlashAttention (Dao et al. 2022): no more than 32 scores a row exist at a time.
//
// A block of 8 warps serves 8 neighbouring rows of one head, a warp a row; tiles of 32 rows of the other side lie in
// shared memory with rows of PITCH elements, so that lanes that read a column meet no bank twice.
#define PITCH (D | 1)
#define OWN ((D + 31) / 32)

struct Heads {
  int tokens, group, window;
  float scale, softCap;
};

// The first key that a token sees.
__device__ __forceinline__ int first_key(
    const int *segments, i64 stride, const Heads &h, int token, u64 *faults, u32 instruction) {
  int start = segments[token * stride];
  if (start < 0 || start > token) {
    fault(faults, instruction, (u32)token);
    start = token;
  }
  return h.window > 0 && token - h.window + 1 > start ? token - h.window + 1 : start;
}

__device__ __forceinline__ float capped(float score, float cap) { return cap > 0 ? cap * tanhf(score / cap) : score; }

// Copies rows start... of x, columns 0..<D, into a tile; rows from `end` on become zeros.
__device__ __forceinline__ void fill_tile(float *tile, const X *x, i64 stride, int start, int end) {
  for (int i = threadIdx.x; i < 32 * D; i += blockDim.x) {
    int row = i / D, d = i % D;
    tile[row * PITCH + d] = start + row < end ? get(x[(i64)(start + row) * stride + d]) : 0;
  }
}

__device__ __forceinline__ float dot(const float *a, const float *b) {
  float sum = 0;
#pragma unroll 8
  for (int d = 0; d < D; d++) sum += a[d] * b[d];
  return sum;
}

// attention: out (T,A·D), logSumExp (T,A). Shared: 8 rows and two tiles.
extern "C" __global__ void attention(
    const X *q, i64 qStride, const X *k, i64 kStride, const X *v, i64 vStride, X *out, i64 outStride, float *logs,
    i64 logStride, const int *segments, i64 segmentStride, Heads h, u64 *faults, u32 instruction) {
  extern __shared__ float memory[];
  float *queries = memory, *keys = queries + 8 * D, *values = keys + 32 * PITCH;
  __shared__ int starts[8];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, head = blockIdx.y;
  int base = blockIdx.x * 8, token = base + warp;
  bool isThere = token < h.tokens;
  q += (i64)head * D;
  k += (i64)(head / h.group) * D;
  v += (i64)(head / h.group) * D;
  int first = isThere ? first_key(segments, segmentStride, h, token, faults, instruction) : h.tokens;
  if (lane == 0) starts[warp] = first;
  for (int d = lane; d < D; d += 32) queries[warp * D + d] = isThere ? get(q[(i64)token * qStride + d]) * h.scale : 0;
  __syncthreads();
  int start = starts[0];
  for (int w = 1; w < 8; w++) start = min(start, starts[w]);
  int end = min(base + 8, h.tokens);
  float sums[OWN] = {}, peak = -INFINITY, total = 0;
  for (; start < end; start += 32) {
    fill_tile(keys, k, kStride, start, end);
    fill_tile(values, v, vStride, start, end);
    __syncthreads();
    int key = start + lane;
    bool isSeen = isThere && key >= first && key <= token;
    float score = isSeen ? capped(dot(queries + warp * D, keys + lane * PITCH), h.softCap) : -INFINITY;
    float top = fmaxf(peak, warp_max(score));
    if (top > -INFINITY) {
      float shrink = expf(peak - top), weight = isSeen ? expf(score - top) : 0;
      total = total * shrink + warp_sum(weight);
      peak = top;
#pragma unroll
      for (int i = 0; i < OWN; i++) sums[i] *= shrink;
      for (int j = 0; j < 32; j++) {
        float w = __shfl_sync(0xffffffffu, weight, j);
#pragma unroll
        for (int i = 0; i < OWN; i++) {
          if (lane + 32 * i < D) sums[i] += w * values[j * PITCH + lane + 32 * i];
        }
      }
    }
    __syncthreads();
  }
  if (!isThere) return;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    if (lane + 32 * i < D) put(out[(i64)token * outStride + (i64)head * D + lane + 32 * i], sums[i] / total);
  }
  if (lane == 0) logs[token * logStride + head] = peak + logf(total);
}

// attention_delta: delta (T,A) = row sums of out · outGradient by head. A warp a row and head.
extern "C" __global__ void attention_delta(
    const X *out, i64 outStride, const X *slope, i64 slopeStride, float *delta, i64 deltaStride, int tokens, int heads) {
  i64 item = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
  int lane = threadIdx.x % 32;
  if (item >= (i64)tokens * heads) return;
  i64 token = item / heads, head = item % heads;
  float sum = 0;
  for (int d = lane; d < D; d += 32) {
    sum += get(out[token * outStride + head * D + d]) * get(slope[token * slopeStride + head * D + d]);
  }
  sum = warp_sum(sum);
  if (lane == 0) delta[token * deltaStride + head] = sum;
}

// d score of a probability p = exp(score - log) whose value's product with the slope is `value`.
__device__ __forceinline__ float score_slope(float p, float value, float delta, float score, const Heads &h) {
  float slope = p * (value - delta) * h.scale;
  if (h.softCap > 0) slope *= 1 - score / h.softCap * (score / h.softCap);
  return slope;
}

// attention_q_backward: qGradient (T,A·D). Shared: 16 rows and two tiles.
extern "C" __global__ void attention_q_backward(
    const X *q, i64 qStride, const X *k, i64 kStride, const X *v, i64 vStride, const float *logs, i64 logStride,
    const int *segments, i64 segmentStride, const X *slope, i64 slopeStride, const float *delta, i64 deltaStride,
    X *qGradient, i64 qGradientStride, Heads h, u64 *faults, u32 instruction) {
  extern __shared__ float memory[];
  float *queries = memory, *slopes = queries + 8 * D, *keys = slopes + 8 * D, *values = keys + 32 * PITCH;
  __shared__ int starts[8];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, head = blockIdx.y;
  int base = blockIdx.x * 8, token = base + warp;
  bool isThere = token < h.tokens;
  k += (i64)(head / h.group) * D;
  v += (i64)(head / h.group) * D;
  int first = isThere ? first_key(segments, segmentStride, h, token, faults, instruction) : h.tokens;
  if (lane == 0) starts[warp] = first;
  for (int d = lane; d < D; d += 32) {
    queries[warp * D + d] = isThere ? get(q[(i64)token * qStride + (i64)head * D + d]) * h.scale : 0;
    slopes[warp * D + d] = isThere ? get(slope[(i64)token * slopeStride + (i64)head * D + d]) : 0;
  }
  float log = isThere ? logs[token * logStride + head] : 0;
  float own = isThere ? delta[token * deltaStride + head] : 0;
  __syncthreads();
  int start = starts[0];
  for (int w = 1; w < 8; w++) start = min(start, starts[w]);
  int end = min(base + 8, h.tokens);
  float sums[OWN] = {};
  for (; start < end; start += 32) {
    fill_tile(keys, k, kStride, start, end);
    fill_tile(values, v, vStride, start, end);
    __syncthreads();
    int key = start + lane;
    float ds = 0;
    if (isThere && key >= first && key <= token) {
      float score = capped(dot(queries + warp * D, keys + lane * PITCH), h.softCap);
      ds = score_slope(expf(score - log), dot(slopes + warp * D, values + lane * PITCH), own, score, h);
    }
    for (int j = 0; j < 32; j++) {
      float w = __shfl_sync(0xffffffffu, ds, j);
#pragma unroll
      for (int i = 0; i < OWN; i++) {
        if (lane + 32 * i < D) sums[i] += w * keys[j * PITCH + lane + 32 * i];
      }
    }
    __syncthreads();
  }
  if (!isThere) return;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    if (lane + 32 * i < D) put(qGradient[(i64)token * qGradientStride + (i64)head * D + lane + 32 * i], sums[i]);
  }
}

// attention_kv_backward: kGradient and vGradient (T,K·D). Warps own keys; the heads of a group and the queries that see
// a key follow each other in order. Shared: 16 rows, two tiles.
extern "C" __global__ void attention_kv_backward(
    const X *q, i64 qStride, const X *k, i64 kStride, const X *v, i64 vStride, const float *logs, i64 logStride,
    const int *segments, i64 segmentStride, const X *slope, i64 slopeStride, const float *delta, i64 deltaStride,
    X *kGradient, i64 kGradientStride, X *vGradient, i64 vGradientStride, Heads h, u64 *faults, u32 instruction) {
  extern __shared__ float memory[];
  float *keys = memory, *values = keys + 8 * D, *queries = values + 8 * D, *slopes = queries + 32 * PITCH;
  __shared__ int starts[32];
  __shared__ float logOf[32], deltaOf[32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, shared = blockIdx.y;
  int base = blockIdx.x * 8, key = base + warp;
  bool isThere = key < h.tokens;
  int lastKey = min(base + 8, h.tokens) - 1;
  for (int d = lane; d < D; d += 32) {
    keys[warp * D + d] = isThere ? get(k[(i64)key * kStride + (i64)shared * D + d]) * h.scale : 0;
    values[warp * D + d] = isThere ? get(v[(i64)key * vStride + (i64)shared * D + d]) : 0;
  }
  float keySums[OWN] = {}, valueSums[OWN] = {};
  for (int head = shared * h.group; head < (shared + 1) * h.group; head++) {
    for (int start = base; start < h.tokens; start += 32) {
      bool isSeen = false;
      if (warp == 0) {
        int token = start + lane;
        int first = token < h.tokens ? first_key(segments, segmentStride, h, token, faults, instruction) : h.tokens;
        starts[lane] = first;
        logOf[lane] = token < h.tokens ? logs[token * logStride + head] : 0;
        deltaOf[lane] = token < h.tokens ? delta[token * deltaStride + head] : 0;
        isSeen = first <= lastKey;
      }
      if (!__syncthreads_or(isSeen)) continue;
      fill_tile(queries, q + (i64)head * D, qStride, start, h.tokens);
      fill_tile(slopes, slope + (i64)head * D, slopeStride, start, h.tokens);
      __syncthreads();
      int token = start + lane;
      float p = 0, ds = 0;
      if (isThere && token < h.tokens && key >= starts[lane] && key <= token) {
        float score = capped(dot(keys + warp * D, queries + lane * PITCH), h.softCap);
        p = expf(score - logOf[lane]);
        ds = score_slope(p, dot(values + warp * D, slopes + lane * PITCH), deltaOf[lane], score, h);
      }
      for (int j = 0; j < 32; j++) {
        float a = __shfl_sync(0xffffffffu, p, j), b = __shfl_sync(0xffffffffu, ds, j);
#pragma unroll
        for (int i = 0; i < OWN; i++) {
          if (lane + 32 * i < D) {
            valueSums[i] += a * slopes[j * PITCH + lane + 32 * i];
            keySums[i] += b * queries[j * PITCH + lane + 32 * i];
          }
        }
      }
      __syncthreads();
    }
  }
  if (!isThere) return;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    if (lane + 32 * i < D) {
      put(kGradient[(i64)key * kGradientStride + (i64)shared * D + lane + 32 * i], keySums[i]);
      put(vGradient[(i64)key * vGradientStride + (i64)shared * D + lane + 32 * i], valueSums[i]);
    }
  }
}
