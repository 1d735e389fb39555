// list_targets: the rows of targets (T,1) that have one, in order, and how many: rows (T), count (1). One block of 1024.
extern "C" __global__ void list_targets(
    const int *targets, i64 stride, int tokens, int vocabulary, int *rows, int *count, u64 *faults, u32 instruction) {
  __shared__ int counts[32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, done = 0;
  for (int start = 0; start < tokens; start += blockDim.x) {
    int row = start + threadIdx.x;
    int target = row < tokens ? targets[row * stride] : -100;
    if (target >= vocabulary || (target < 0 && target != -100)) {
      fault(faults, instruction, (u32)row);
      target = -100;
    }
    u32 votes = __ballot_sync(0xffffffffu, target >= 0);
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int before = done + __popc(votes & ((1u << lane) - 1));
    for (int w = 0; w < 32; w++) {
      if (w < warp) before += counts[w];
      done += counts[w];
    }
    if (target >= 0) rows[before] = row;
    __syncthreads();
  }
  if (threadIdx.x == 0) *count = done;
}

// gather_targets: gathered (C,H) = rows `start` and on of hidden (T,H) by the list; zeros beyond its end.
extern "C" __global__ void gather_targets(
    const X *hidden, i64 hiddenStride, const int *rows, const int *count, int start, X *gathered, i64 stride,
    int columns) {
  i64 row = blockIdx.x;
  bool isThere = start + row < *count;
  i64 from = isThere ? rows[start + row] : 0;
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC] = {};
    if (isThere) load(value, hidden + from * hiddenStride + c);
    save(gathered + row * stride + c, value);
  }
}

// scatter_targets: the opposite, hiddenGradient (T,H) from gathered (C,H).
extern "C" __global__ void scatter_targets(
    X *hiddenGradient, i64 gradientStride, const int *rows, const int *count, int start, const X *gathered, i64 stride,
    int columns) {
  i64 row = blockIdx.x;
  if (start + row >= *count) return;
  i64 to = rows[start + row];
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC];
    load(value, gathered + row * stride + c);
    save(hiddenGradient + to * gradientStride + c, value);
  }
}

// zero_untargeted: rows of hiddenGradient (T,H) without a target = 0.
extern "C" __global__ void zero_untargeted(
    const int *targets, i64 stride, X *hiddenGradient, i64 gradientStride, int columns) {
  i64 row = blockIdx.x;
  if (targets[row * stride] >= 0) return;
  float zeros[VEC] = {};
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    save(hiddenGradient + row * gradientStride + c, zeros);
  }
}

// The largest of a row and the sum of exponentials under it, by all threads of a block.
__device__ __forceinline__ void soften(const X *row, int columns, float &largest, float &sum) {
  __shared__ float peaks[32];
  float peak = -INFINITY, mine = 0;
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC];
    load(value, row + c);
    float top = value[0];
#pragma unroll
    for (int j = 1; j < VEC; j++) top = fmaxf(top, value[j]);
    if (top > peak) {
      mine *= expf(peak - top);
      peak = top;
    }
#pragma unroll
    for (int j = 0; j < VEC; j++) mine += expf(value[j] - peak);
  }
  float warpPeak = warp_max(peak);
  __syncthreads();
  if (threadIdx.x % 32 == 0) peaks[threadIdx.x / 32] = warpPeak;
  __syncthreads();
  largest = peaks[0];
  for (int i = 1; i < (int)blockDim.x / 32; i++) largest = fmaxf(largest, peaks[i]);
  sum = block_sum(peak == -INFINITY ? 0.0f : mine * expf(peak - largest));
}

// cross_entropy: losses (T) of rows `start` and on of the list, from logits (C,V) a row a block; where `slopes`, logits
// become (softmax - one at the target) · logitScale / N, and zeros beyond the list's end.
extern "C" __global__ void cross_entropy(
    X *logits, i64 stride, int columns, const int *targets, i64 targetStride, const int *rows, const int *count,
    int start, double *losses, const Scalars *scalars, double logitScale, int slopes) {
  i64 row = blockIdx.x;
  X *line = logits + row * stride;
  if (start + row >= *count) {
    float zeros[VEC] = {};
    for (int c = threadIdx.x * VEC; slopes && c < columns; c += blockDim.x * VEC) save(line + c, zeros);
    return;
  }
  int target = targets[rows[start + row] * targetStride];
  float peak, sum;
  soften(line, columns, peak, sum);
  float aim = get(line[target]);
  if (threadIdx.x == 0) losses[start + row] = log((double)sum) + ((double)peak - (double)aim);
  if (!slopes) return;
  __syncthreads();
  float factor = (float)(scalars->inverseTargetCount * logitScale);
  float scale = factor / sum;
  for (int c = threadIdx.x * VEC; c < columns; c += blockDim.x * VEC) {
    float value[VEC];
    load(value, line + c);
#pragma unroll
    for (int j = 0; j < VEC; j++) value[j] = expf(value[j] - peak) * scale - (c + j == target ? factor : 0);
    save(line + c, value);
  }
}

// loss_sum: loss (1,1) f64 += the sum of losses (count) / N. One block of 256.
extern "C" __global__ void loss_sum(const double *losses, const int *count, const Scalars *scalars, double *loss) {
  double sum = 0;
  for (int i = threadIdx.x; i < *count; i += blockDim.x) sum += losses[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *loss += sum * scalars->inverseTargetCount;
}

// score_targets: logProbability (R,1) f64 of each target (0 where it is -100) and best (R,1), the first largest logit
// of logits (R,V). A block a row.
extern "C" __global__ void score_targets(
    const X *logits, i64 stride, int columns, const int *targets, i64 targetStride, double *scores, i64 scoreStride,
    int *best, i64 bestStride, u64 *faults, u32 instruction) {
  __shared__ int first;
  i64 row = blockIdx.x;
  const X *line = logits + row * stride;
  int target = targets[row * targetStride];
  if (target >= columns || (target < 0 && target != -100)) {
    if (threadIdx.x == 0) fault(faults, instruction, (u32)row);
    target = -100;
  }
  if (threadIdx.x == 0) first = columns;
  float peak, sum;
  soften(line, columns, peak, sum);
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    if (get(line[c]) == peak) {
      atomicMin(&first, c);
      break;
    }
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  best[row * bestStride] = first < columns ? first : 0;
  scores[row * scoreStride] = target < 0 ? 0 : (double)get(line[target]) - (double)peak - log((double)sum);
}
