// gather_rows: out (R,H) = x (T,H)[rows (R,1)]; a negative row gives zeros.
extern "C" __global__ void gather_rows(
    const X *x, i64 xStride, const int *rows, i64 rowStride, Y *out, i64 outStride, int columns, int count,
    u64 *faults, u32 instruction) {
  i64 row = blockIdx.x;
  int from = rows[row * rowStride];
  if (from >= count) {
    if (threadIdx.x == 0) fault(faults, instruction, (u32)row);
    return;
  }
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC] = {};
    if (from >= 0) load(value, x + from * xStride + c);
    save(out + row * outStride + c, value);
  }
}

// bias_backward: biasGradient (1,N) += column sums of outGradient (T,N). A block of 32 x 8 threads owns 32 columns;
// thread row y adds rows y, y + 8, ... in f64, then the eight sums follow each other.
extern "C" __global__ void bias_backward(const X *slope, i64 stride, int rows, int columns, Y *bias) {
  __shared__ double sums[8][32];
  int lane = threadIdx.x % 32, part = threadIdx.x / 32;
  int column = blockIdx.x * 32 + lane;
  double sum = 0;
  if (column < columns) {
    for (i64 row = part; row < rows; row += 8) sum += get(slope[row * stride + column]);
  }
  sums[part][lane] = sum;
  __syncthreads();
  if (part == 0 && column < columns) {
    double total = get(bias[column]);
    for (int i = 0; i < 8; i++) total += sums[i][lane];
    put(bias[column], (float)total);
  }
}
