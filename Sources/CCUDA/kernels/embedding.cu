// embed: out (T,H) = table (V,H)[ids (T,1)].
extern "C" __global__ void embed(
    const int *ids, i64 idStride, const W *table, i64 tableStride, X *out, i64 outStride, int columns, int vocabulary,
    u64 *faults, u32 instruction) {
  i64 row = blockIdx.x;
  int id = ids[row * idStride];
  if (id < 0 || id >= vocabulary) {
    if (threadIdx.x == 0) fault(faults, instruction, (u32)row);
    return;
  }
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float x[VEC];
    load(x, table + id * tableStride + c);
    save(out + row * outStride + c, x);
  }
}

// embed_backward: tableGradient (V,H) += rows of outGradient (T,H) at ids, in token order.
// The block of the first token with an id adds the rows of all tokens with it; the others have nothing to do.
extern "C" __global__ void embed_backward(
    const int *ids, i64 idStride, const X *slope, i64 slopeStride, W *table, i64 tableStride, int tokens, int columns,
    int vocabulary, u64 *faults, u32 instruction) {
  __shared__ int places[256];
  __shared__ int counts[8];
  int first = blockIdx.x;
  int id = ids[first * idStride];
  if (id < 0 || id >= vocabulary) {
    if (threadIdx.x == 0) fault(faults, instruction, (u32)first);
    return;
  }
  bool seen = false;
  for (int t = threadIdx.x; t < first; t += blockDim.x) seen |= ids[t * idStride] == id;
  if (__syncthreads_or(seen)) return;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int start = first; start < tokens; start += blockDim.x) {
    int token = start + threadIdx.x;
    bool mine = token < tokens && ids[token * idStride] == id;
    u32 votes = __ballot_sync(0xffffffffu, mine);
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int before = __popc(votes & ((1u << lane) - 1)), total = 0;
    for (int w = 0; w < 8; w++) {
      if (w < warp) before += counts[w];
      total += counts[w];
    }
    if (mine) places[before] = token;
    __syncthreads();
    if (total > 0) {
      for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
        float sum[VEC], x[VEC];
        load(sum, table + id * tableStride + c);
        for (int i = 0; i < total; i++) {
          load(x, slope + places[i] * slopeStride + c);
#pragma unroll
          for (int j = 0; j < VEC; j++) sum[j] += x[j];
        }
        save(table + id * tableStride + c, sum);
      }
    }
    __syncthreads();
  }
}
