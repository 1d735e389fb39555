// append_to_cache: keys and values (T,K·D) go to rows slots[t]·length + positions[t] of the caches. A block a token; a
// slot of -1 is padding.
__device__ __forceinline__ bool is_cache_row(
    int slot, int position, int slotCount, int length, u64 *faults, u32 instruction, i64 row) {
  if (slot < -1 || slot >= slotCount || (slot >= 0 && (position < 0 || position >= length))) {
    if (threadIdx.x == 0) fault(faults, instruction, (u32)row);
    return false;
  }
  return slot >= 0;
}

extern "C" __global__ void append_to_cache(
    const X *k, i64 kStride, const X *v, i64 vStride, X *keys, i64 keyStride, X *values, i64 valueStride,
    const int *slots, i64 slotStride, const int *positions, i64 positionStride, int columns, int slotCount, int length,
    u64 *faults, u32 instruction) {
  i64 token = blockIdx.x;
  int slot = slots[token * slotStride], position = positions[token * positionStride];
  if (!is_cache_row(slot, position, slotCount, length, faults, instruction, token)) return;
  i64 to = (i64)slot * length + position;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    keys[to * keyStride + c] = k[token * kStride + c];
    values[to * valueStride + c] = v[token * vStride + c];
  }
}

// attention_over_cache: out (T,A·D): token t attends rows 0...positions[t] of its slot, the last `window` of them where
// it is not 0. A block of 8 warps a token and head: warp w takes keys in runs of 32, w, w + 8, ..., each with a softmax
// of its own; the eight are joined in order. Shared: q (D), 8 x (D + 2).
extern "C" __global__ void attention_over_cache(
    const X *q, i64 qStride, const X *keys, i64 keyStride, const X *values, i64 valueStride, const int *slots,
    i64 slotStride, const int *positions, i64 positionStride, X *out, i64 outStride, int group, int slotCount,
    int length, float scale, int window, float softCap, u64 *faults, u32 instruction) {
  extern __shared__ float memory[];
  i64 token = blockIdx.x;
  int head = blockIdx.y, shared = head / group;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int slot = slots[token * slotStride], position = positions[token * positionStride];
  X *result = out + token * outStride + (i64)head * D;
  if (!is_cache_row(slot, position, slotCount, length, faults, instruction, token)) {
    for (int d = threadIdx.x; d < D; d += blockDim.x) put(result[d], 0);
    return;
  }
  float *query = memory, *parts = memory + D;
  for (int d = threadIdx.x; d < D; d += blockDim.x) query[d] = get(q[token * qStride + (i64)head * D + d]);
  __syncthreads();
  constexpr int OWN = (D + 31) / 32;
  float sums[OWN] = {}, peak = -INFINITY, total = 0;
  int first = window > 0 && position >= window ? position - window + 1 : 0;
  const X *keyRows = keys + (i64)slot * length * keyStride + (i64)shared * D;
  const X *valueRows = values + (i64)slot * length * valueStride + (i64)shared * D;
  for (int start = first + warp * 32; start <= position; start += 256) {
    int key = start + lane;
    float score = -INFINITY;
    if (key <= position) {
      float dot = 0;
      for (int d = 0; d < D; d++) dot += query[d] * get(keyRows[key * keyStride + d]);
      score = dot * scale;
      if (softCap > 0) score = softCap * tanhf(score / softCap);
    }
    float top = fmaxf(peak, warp_max(score));
    float shrink = expf(peak - top), weight = key <= position ? expf(score - top) : 0;
    total = total * shrink + warp_sum(weight);
    peak = top;
#pragma unroll
    for (int i = 0; i < OWN; i++) sums[i] *= shrink;
    int count = position - start + 1 < 32 ? position - start + 1 : 32;
    for (int j = 0; j < count; j++) {
      float w = __shfl_sync(0xffffffffu, weight, j);
#pragma unroll
      for (int i = 0; i < OWN; i++) {
        int d = lane + 32 * i;
        if (d < D) sums[i] += w * get(valueRows[(start + j) * valueStride + d]);
      }
    }
  }
  float *part = parts + warp * (D + 2);
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    if (lane + 32 * i < D) part[lane + 32 * i] = sums[i];
  }
  if (lane == 0) {
    part[D] = peak;
    part[D + 1] = total;
  }
  __syncthreads();
  float top = -INFINITY;
  for (int w = 0; w < 8; w++) top = fmaxf(top, parts[w * (D + 2) + D]);
  float whole = 0;
  for (int w = 0; w < 8; w++) whole += parts[w * (D + 2) + D + 1] * expf(parts[w * (D + 2) + D] - top);
  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    float sum = 0;
    for (int w = 0; w < 8; w++) sum += parts[w * (D + 2) + d] * expf(parts[w * (D + 2) + D] - top);
    put(result[d], sum / whole);
  }
}
