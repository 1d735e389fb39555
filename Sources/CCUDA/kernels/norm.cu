// rms_norm: inverse (T,1) = 1 / sqrt(mean(x²) + epsilon); out (T,H) = x · inverse · weight (1,H). With a delta first
// sum (T,H) = x + delta, and the norm is that of sum as it is stored. A block a row; the mean is taken in f64.
extern "C" __global__ void rms_norm(
    const X *x, i64 xStride, const X *delta, i64 deltaStride, X *sum, i64 sumStride, const W *weight, X *out,
    i64 outStride, float *inverse, i64 inverseStride, int columns, double epsilon) {
  i64 row = blockIdx.x;
  const X *source = x + row * xStride;
  double squares = 0;
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC];
    load(value, source + c);
    if (delta) {
      float added[VEC];
      load(added, delta + row * deltaStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        X stored;
        put(stored, value[j] + added[j]);
        value[j] = get(stored);
      }
      save(sum + row * sumStride + c, value);
    }
#pragma unroll
    for (int j = 0; j < VEC; j++) squares += (double)value[j] * value[j];
  }
  squares = block_sum(squares);
  float factor = (float)(1 / sqrt(squares / columns + epsilon));
  if (threadIdx.x == 0) inverse[row * inverseStride] = factor;
  if (delta) source = sum + row * sumStride;
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC], scale[VEC];
    load(value, source + c);
    load(scale, weight + c);
#pragma unroll
    for (int j = 0; j < VEC; j++) value[j] = value[j] * factor * scale[j];
    save(out + row * outStride + c, value);
  }
}

// rms_norm_backward: xGradient (T,H) = [xGradient +] r (w · dy) - x r³ mean(w · dy · x). Block b takes rows b,
// b + blocks, ... and leaves its share of the weight's gradient, the sum of dy · x · r, in parts (blocks,H).
extern "C" __global__ void rms_norm_backward(
    const X *x, i64 xStride, const W *weight, const float *inverse, i64 inverseStride, const X *slope, i64 slopeStride,
    X *xGradient, i64 xGradientStride, float *parts, int rows, int columns, int accumulate) {
  extern __shared__ float share[];
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
#pragma unroll
    for (int j = 0; j < VEC; j++) share[c + j] = 0;
  }
  for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
    float r = inverse[row * inverseStride];
    float dot = 0;
    for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
      float value[VEC], dy[VEC], w[VEC];
      load(value, x + row * xStride + c);
      load(dy, slope + row * slopeStride + c);
      load(w, weight + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        dot += w[j] * dy[j] * value[j];
        share[c + j] += dy[j] * value[j] * r;
      }
    }
    float pull = block_sum(dot) / columns * r * r * r;
    for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
      float value[VEC], dy[VEC], w[VEC], result[VEC] = {};
      load(value, x + row * xStride + c);
      load(dy, slope + row * slopeStride + c);
      load(w, weight + c);
      if (accumulate) load(result, xGradient + row * xGradientStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) result[j] += r * w[j] * dy[j] - value[j] * pull;
      save(xGradient + row * xGradientStride + c, result);
    }
  }
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
#pragma unroll
    for (int j = 0; j < VEC; j++) parts[(i64)blockIdx.x * columns + c + j] = share[c + j];
  }
}

// norm_weight_gradient: weightGradient (1,H) += column sums of parts (B,H), block after block. 32 columns a block of
// 32 x 8 threads.
extern "C" __global__ void norm_weight_gradient(const float *parts, int blocks, int columns, Y *gradient) {
  __shared__ float sums[8][32];
  int lane = threadIdx.x % 32, part = threadIdx.x / 32;
  int column = blockIdx.x * 32 + lane;
  float sum = 0;
  if (column < columns) {
    for (i64 block = part; block < blocks; block += 8) sum += parts[block * columns + column];
  }
  sums[part][lane] = sum;
  __syncthreads();
  if (part == 0 && column < columns) {
    float total = get(gradient[column]);
    for (int i = 0; i < 8; i++) total += sums[i][lane];
    put(gradient[column], total);
  }
}
