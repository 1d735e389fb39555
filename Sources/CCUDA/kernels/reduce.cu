// sum_of_squares: out (1,1) f64 = [out +] sum of squares of x (R,C), in f64. A block sums a piece of PIECE elements in
// one order; the block that ends last adds the pieces' sums in order, so parts of whole pieces add up like the whole.
extern "C" __global__ void sum_of_squares(
    const X *x, i64 stride, i64 columns, i64 count, double *sums, u32 *ended, double *out, int accumulate) {
  i64 start = (i64)blockIdx.x * PIECE;
  i64 end = start + PIECE < count ? start + PIECE : count;
  double sum = 0;
  for (i64 i = start + threadIdx.x * VEC; i < end; i += blockDim.x * VEC) {
    float value[VEC];
    load(value, x + (stride == columns ? i : i / columns * stride + i % columns));
#pragma unroll
    for (int j = 0; j < VEC; j++) sum += (double)value[j] * value[j];
  }
  sum = block_sum(sum);
  __shared__ bool isLast;
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = sum;
    __threadfence();
    isLast = atomicInc(ended, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!isLast) return;
  __threadfence();
  __shared__ double batch[256];
  double total = accumulate ? *out : 0;
  for (u32 first = 0; first < gridDim.x; first += 256) {
    u32 left = gridDim.x - first < 256 ? gridDim.x - first : 256;
    if (threadIdx.x < left) batch[threadIdx.x] = __ldcg(sums + first + threadIdx.x);
    __syncthreads();
    if (threadIdx.x == 0) {
      for (u32 i = 0; i < left; i++) total += batch[i];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *out = total;
}

// clip_factor: norm = sqrt(sum of squares (n,1)); clip = min(1, maximum / (norm + 1e-6)), 1 without a maximum (0 here),
// NaN when the norm is not finite. One warp.
extern "C" __global__ void clip_factor(
    const double *squares, i64 stride, int count, double *norm, double *clip, double maximum) {
  if (threadIdx.x > 0) return;
  double sum = 0;
  for (int i = 0; i < count; i++) sum += squares[i * stride];
  double value = sqrt(sum);
  *norm = value;
  double factor = maximum > 0 ? maximum / (value + 1e-6) : 1;
  *clip = isfinite(value) ? (factor < 1 ? factor : 1) : nan("");
}
