// The numbers of an update, worked out in f64 and rounded once.
struct Numbers {
  float keep, beta1, rest1, beta2, rest2, rate, correction, epsilon;
  u64 seed;
  u32 step, stream;
};

// 16 random bits for each of VEC elements from `index` on. Of the 128 elements of a block, numbers l, l + 16, ... take the
// eight halves of counter l's words. Where BLOCKS, sixteen neighbouring threads share a block and exchange the halves.
__device__ __forceinline__ void noise(u64 index, const Numbers &n, u32 purpose, u16 (&bits)[VEC]) {
#ifdef BLOCKS
  __shared__ u16 halves[256 / 16][16][10];
  int group = threadIdx.x / 16, own = threadIdx.x % 16;
  u32 words[4];
  philox(index / 128 * 16 + own, n.seed, n.step, n.stream, purpose, words);
  __syncwarp();
#pragma unroll
  for (int w = 0; w < 4; w++) *reinterpret_cast<u32 *>(&halves[group][own][2 * w]) = words[w];
  __syncwarp();
#pragma unroll
  for (int j = 0; j < VEC; j++) bits[j] = halves[group][own % 2 * 8 + j][own / 2];
#else
#pragma unroll
  for (int j = 0; j < VEC; j++) {
    u64 element = index + j;
    u32 words[4], half = (u32)(element % 128) / 16;
    philox(element / 128 * 16 + element % 16, n.seed, n.step, n.stream, purpose, words);
    bits[j] = (u16)(words[half / 2] >> half % 2 * 16);
  }
#endif
}

// Makes x representable: f32 stays, bf16 becomes one of its two neighbours, the nearer one likelier, so the mean is x.
__device__ __forceinline__ void settle(float (&x)[VEC], const float *, u64, const Numbers &, u32) {}
__device__ __forceinline__ void settle(float (&x)[VEC], const bf16 *, u64 index, const Numbers &n, u32 purpose) {
  u16 bits[VEC];
  noise(index, n, purpose, bits);
#pragma unroll
  for (int j = 0; j < VEC; j++) {
    u32 raw = __float_as_uint(x[j]);
    bool isFinite = (raw & 0x7F800000u) != 0x7F800000u;
    x[j] = __uint_as_float(isFinite ? raw + bits[j] & 0xFFFF0000u : raw);
  }
}

// adamw: weight, m, v (R,C), f32 or bf16 rounded by chance, move by gradient · clip; a clip that is NaN leaves them alone.
// Element (r, c) has the random bits of number start + r · columns + c.
extern "C" __global__ void __launch_bounds__(256) adamw(
    W *weight, i64 weightStride, const G *gradient, i64 gradientStride, S *first, i64 firstStride, S *second,
    i64 secondStride, const double *clip, const Numbers *numbers, i64 start, int rows, i64 columns) {
  double given = *clip;
  if (isnan(given)) return;
  float factor = (float)given;
  Numbers n = *numbers;
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 from = (i64)blockIdx.x * blockDim.x * VEC; from < columns; from += (i64)gridDim.x * blockDim.x * VEC) {
      i64 c = from + threadIdx.x * VEC;
      bool isThere = c < columns;
      float w[VEC] = {}, g[VEC] = {}, m[VEC] = {}, v[VEC] = {};
      if (isThere) {
        load(w, weight + row * weightStride + c);
        load(g, gradient + row * gradientStride + c);
        load(m, first + row * firstStride + c);
        load(v, second + row * secondStride + c);
      }
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        float slope = g[j] * factor;
        m[j] = n.beta1 * m[j] + n.rest1 * slope;
        v[j] = n.beta2 * v[j] + n.rest2 * (slope * slope);
        w[j] = w[j] * n.keep - n.rate * m[j] / (sqrtf(v[j]) * n.correction + n.epsilon);
      }
      u64 index = (u64)(start + row * columns + c);
      settle(w, weight, index, n, forWeight);
      settle(m, first, index, n, forFirst);
      settle(v, second, index, n, forSecond);
      if (isThere) {
        save(weight + row * weightStride + c, w);
        save(first + row * firstStride + c, m);
        save(second + row * secondStride + c, v);
      }
    }
  }
}

// sgd: weight (R,C) -= rate · b, b = [momentum · b +] gradient · clip + decay · weight; momentum is beta1, decay is kept
// in beta2, and rate in rate; b may be missing.
extern "C" __global__ void __launch_bounds__(256) sgd(
    W *weight, i64 weightStride, const G *gradient, i64 gradientStride, S *momentum, i64 momentumStride,
    const double *clip, const Numbers *numbers, i64 start, int rows, i64 columns) {
  double given = *clip;
  if (isnan(given)) return;
  float factor = (float)given;
  Numbers n = *numbers;
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 from = (i64)blockIdx.x * blockDim.x * VEC; from < columns; from += (i64)gridDim.x * blockDim.x * VEC) {
      i64 c = from + threadIdx.x * VEC;
      bool isThere = c < columns;
      float w[VEC] = {}, g[VEC] = {}, b[VEC] = {};
      if (isThere) {
        load(w, weight + row * weightStride + c);
        load(g, gradient + row * gradientStride + c);
        if (momentum) load(b, momentum + row * momentumStride + c);
      }
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        b[j] = n.beta1 * b[j] + (g[j] * factor + n.beta2 * w[j]);
        w[j] -= n.rate * b[j];
      }
      u64 index = (u64)(start + row * columns + c);
      settle(w, weight, index, n, forWeight);
      settle(b, momentum, index, n, forFirst);
      if (isThere) {
        save(weight + row * weightStride + c, w);
        if (momentum) save(momentum + row * momentumStride + c, b);
      }
    }
  }
}

// The number of the value nearest to x in [0, 1].
__device__ __forceinline__ int nearest_number(float x, const float *values, int bins) {
  int low = 0, high = bins << 7;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (values[middle] <= x) low = middle; else high = middle;
  }
  // Numbers below the first decade stand for 0.
  if (low < bins) low = 0, high = bins;
  return x - values[low] <= values[high] - x ? low : high;
}

// adamw_blocks: adamw with states as codes of the dynamic maps times the largest magnitude of each 256 elements: mCodes,
// vCodes (n), mMaxima, vMaxima (n / 256). A warp a block of elements; the weight moves by the moments before they become
// codes again.
extern "C" __global__ void __launch_bounds__(256) adamw_blocks(
    W *weight, const G *gradient, u8 *mCodes, u8 *vCodes, float *mMaxima, float *vMaxima, const double *clip,
    const Numbers *numbers, i64 start, i64 count) {
  __shared__ float mValues[129], vValues[257];
  if (threadIdx.x < 129) mValues[threadIdx.x] = dynamic_value(threadIdx.x, 1);
  vValues[threadIdx.x] = dynamic_value(threadIdx.x, 2);
  if (threadIdx.x == 0) vValues[256] = 1;
  __syncthreads();
  double given = *clip;
  if (isnan(given)) return;
  float factor = (float)given;
  Numbers n = *numbers;
  int lane = threadIdx.x % 32;
  i64 blocks = (count + 255) / 256;
  for (i64 block = (i64)blockIdx.x * 8 + threadIdx.x / 32; block < blocks; block += (i64)gridDim.x * 8) {
    float mScale = mMaxima[block], vScale = vMaxima[block], mPeak = 0, vPeak = 0;
    float m[8], v[8];
#pragma unroll
    for (int i = 0; i < 8 / VEC; i++) {
      i64 at = block * 256 + (VEC == 8 ? lane * 8 : lane + 32 * i);
      float weights[VEC] = {}, gradients[VEC] = {};
      u8 first[VEC], second[VEC];
      if (at < count) {
        load(weights, weight + at);
        load(gradients, gradient + at);
        for (int j = 0; j < VEC; j++) first[j] = mCodes[at + j], second[j] = vCodes[at + j];
      } else {
        for (int j = 0; j < VEC; j++) first[j] = 127, second[j] = 0;
      }
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        int code = first[j];
        float slope = gradients[j] * factor;
        float oldM = code >= 127 ? mValues[code - 127] : -mValues[127 - code];
        float oldV = second[j] ? vValues[second[j] + 1] : 0;
        float newM = n.beta1 * (oldM * mScale) + n.rest1 * slope;
        float newV = n.beta2 * (oldV * vScale) + n.rest2 * (slope * slope);
        m[i * VEC + j] = newM;
        v[i * VEC + j] = newV;
        weights[j] = weights[j] * n.keep - n.rate * newM / (sqrtf(newV) * n.correction + n.epsilon);
        mPeak = fmaxf(mPeak, fabsf(newM));
        vPeak = fmaxf(vPeak, newV);
      }
      settle(weights, weight, (u64)(start + at), n, forWeight);
      if (at < count) save(weight + at, weights);
    }
    mPeak = warp_max(mPeak);
    vPeak = warp_max(vPeak);
    if (lane == 0) {
      mMaxima[block] = mPeak;
      vMaxima[block] = vPeak;
    }
    float mDivisor = mPeak > 0 ? mPeak : 1, vDivisor = vPeak > 0 ? vPeak : 1;
#pragma unroll
    for (int i = 0; i < 8 / VEC; i++) {
      i64 at = block * 256 + (VEC == 8 ? lane * 8 : lane + 32 * i);
      if (at >= count) continue;
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        float x = m[i * VEC + j];
        int number = nearest_number(fabsf(x) / mDivisor, mValues, 1);
        // A negative value stays below zero, and the map has no -1.
        int below = number < 1 ? 1 : number > 127 ? 127 : number;
        mCodes[at + j] = (u8)(x < 0 ? 127 - below : 127 + number);
        number = nearest_number(v[i * VEC + j] / vDivisor, vValues, 2);
        vCodes[at + j] = (u8)(number < 1 ? 0 : number - 1);
      }
    }
  }
}
