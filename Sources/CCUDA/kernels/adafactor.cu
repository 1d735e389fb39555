// Adafactor (Shazeer and Stern, 2018) as Hugging Face's trainer sets it: no relative steps, no scaling by the parameter,
// no momentum. Sums are f64, in one order. A clip that is NaN leaves everything alone.
struct Numbers {
  float keep, beta1, rest1, beta2, rest2, rate, correction, epsilon;
  u64 seed;
  u32 step, stream;
};

// How much of the new means counts.
__device__ __forceinline__ double fresh(const Numbers *n) { return pow((double)n->step, -0.8); }

// adafactor_columns: byColumn (1,C) moves to the column means of (gradient (R,C) · clip)² + 1e-30; factors (C) = one over
// its root. A block of 32 x 8 threads owns 32 columns.
extern "C" __global__ void adafactor_columns(
    const G *gradient, i64 stride, int rows, int columns, float *byColumn, float *factors, const double *clip,
    const Numbers *n) {
  __shared__ double sums[8][32];
  if (isnan(*clip)) return;
  float factor = (float)*clip;
  int lane = threadIdx.x % 32, part = threadIdx.x / 32;
  int column = blockIdx.x * 32 + lane;
  double sum = 0;
  if (column < columns) {
    for (i64 row = part; row < rows; row += 8) {
      double g = (double)(get(gradient[row * stride + column]) * factor);
      sum += g * g + 1e-30;
    }
  }
  sums[part][lane] = sum;
  __syncthreads();
  if (part > 0 || column >= columns) return;
  double total = 0;
  for (int i = 0; i < 8; i++) total += sums[i][lane];
  double rest = fresh(n);
  float value = (float)((1 - rest) * byColumn[column] + rest * (total / rows));
  byColumn[column] = value;
  factors[column] = (float)(1 / sqrt((double)value));
}

// adafactor_rows: byRow (R,1) likewise by row. A block a row.
extern "C" __global__ void adafactor_rows(
    const G *gradient, i64 stride, int columns, float *byRow, i64 byRowStride, const double *clip, const Numbers *n) {
  if (isnan(*clip)) return;
  float factor = (float)*clip;
  i64 row = blockIdx.x;
  double sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    double g = (double)(get(gradient[row * stride + c]) * factor);
    sum += g * g + 1e-30;
  }
  sum = block_sum(sum);
  if (threadIdx.x > 0) return;
  double rest = fresh(n);
  byRow[row * byRowStride] = (float)((1 - rest) * byRow[row * byRowStride] + rest * sum / columns);
}

// adafactor_factors: rowFactors (R) = clip · sqrt(mean of byRow / byRow), or clip without byRow. One block.
extern "C" __global__ void adafactor_factors(
    const float *byRow, i64 byRowStride, int rows, float *rowFactors, const double *clip) {
  if (isnan(*clip)) return;
  float factor = (float)*clip;
  double sum = 0;
  for (int row = threadIdx.x; byRow && row < rows; row += blockDim.x) sum += byRow[row * byRowStride];
  double mean = block_sum(sum) / rows;
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    rowFactors[row] = byRow ? (float)sqrt(mean / byRow[row * byRowStride]) * factor : factor;
  }
}

// adafactor_sizes: sizes (R) = sums of (gradient · factors · rowFactor)². A block a row.
extern "C" __global__ void adafactor_sizes(
    const G *gradient, i64 stride, int columns, const float *factors, const float *rowFactors, double *sizes,
    const double *clip) {
  if (isnan(*clip)) return;
  i64 row = blockIdx.x;
  double sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    double u = (double)(get(gradient[row * stride + c]) * factors[c] * rowFactors[row]);
    sum += u * u;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sizes[row] = sum;
}

// adafactor_rates: rowFactors (R) times the learning rate over the update's root mean square, where that is above 1.
extern "C" __global__ void adafactor_rates(
    const double *sizes, int rows, int columns, float *rowFactors, const double *clip, const Numbers *n) {
  if (isnan(*clip)) return;
  double sum = 0;
  for (int row = threadIdx.x; row < rows; row += blockDim.x) sum += sizes[row];
  double size = sqrt(block_sum(sum) / ((double)rows * columns));
  float rate = (float)((double)n->rate / (size > 1 ? size : 1));
  for (int row = threadIdx.x; row < rows; row += blockDim.x) rowFactors[row] *= rate;
}

// adafactor_step: weight (R,C), f32 or bf16 rounded by chance, = weight · keep - gradient · factors · rowFactor.
extern "C" __global__ void adafactor_step(
    W *weight, i64 weightStride, const G *gradient, i64 gradientStride, int columns, const float *factors,
    const float *rowFactors, const double *clip, const Numbers *numbers, i64 start) {
  if (isnan(*clip)) return;
  Numbers n = *numbers;
  i64 row = blockIdx.x;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    float x = get(weight[row * weightStride + c]) * n.keep
        - get(gradient[row * gradientStride + c]) * factors[c] * rowFactors[row];
    if (sizeof(W) == 2) {
      u64 element = (u64)(start + row * columns + c);
      u32 words[4], half = (u32)(element % 128) / 16;
      philox(element / 128 * 16 + element % 16, n.seed, n.step, n.stream, forWeight, words);
      u32 bits = (half < 2 ? words[0] : half < 4 ? words[1] : half < 6 ? words[2] : words[3]) >> half % 2 * 16 & 0xFFFF;
      u32 raw = __float_as_uint(x);
      if ((raw & 0x7F800000u) != 0x7F800000u) x = __uint_as_float(raw + bits & 0xFFFF0000u);
    }
    put(weight[row * weightStride + c], x);
  }
}
