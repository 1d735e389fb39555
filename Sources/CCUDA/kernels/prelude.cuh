// What every kernel begins with: element types, vectors of them, sums over a block, and the step's numbers.
//
// Matrices are row-major views: element (r, c) of x lies at x[r * stride + c]. A file's types are macros that the
// backend sets, X for activations, W for weights, Y for results, each `float` or `bf16`; VEC elements are read and
// written at a time, 8 where every view is aligned for it, else 1.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif

struct bf16 {
  u16 bits;
};

// Numbers that change from run to run of a program.
struct Scalars {
  double learningRate;
  double inverseTargetCount;
  i64 step;
  u64 seed;
};

__device__ __forceinline__ float get(float x) { return x; }
__device__ __forceinline__ float get(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
// To nearest, ties to even.
__device__ __forceinline__ void put(float &to, float x) { to = x; }
__device__ __forceinline__ void put(bf16 &to, float x) {
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(x));
#else
  u32 bits = __float_as_uint(x);
  to.bits = (bits & 0x7fffffffu) > 0x7f800000u ? (u16)(bits >> 16 | 0x40) : (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

// N elements side by side, moved 16 bytes at a time where they fill that.
template <int N, class T>
__device__ __forceinline__ void load(float (&to)[N], const T *from) {
  if constexpr (N * sizeof(T) % 16 == 0) {
    uint4 raw[N * sizeof(T) / 16];
#pragma unroll
    for (int i = 0; i < (int)(N * sizeof(T) / 16); i++) raw[i] = reinterpret_cast<const uint4 *>(from)[i];
    const T *parts = reinterpret_cast<const T *>(raw);
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = get(parts[i]);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = get(from[i]);
  }
}

template <int N, class T>
__device__ __forceinline__ void save(T *to, const float (&from)[N]) {
  if constexpr (N * sizeof(T) % 16 == 0) {
    uint4 raw[N * sizeof(T) / 16];
    T *parts = reinterpret_cast<T *>(raw);
#pragma unroll
    for (int i = 0; i < N; i++) put(parts[i], from[i]);
#pragma unroll
    for (int i = 0; i < (int)(N * sizeof(T) / 16); i++) reinterpret_cast<uint4 *>(to)[i] = raw[i];
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) put(to[i], from[i]);
  }
}

template <class T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}

// The sum over a block of whole warps, in every thread, in one order always. Not to be called by some threads only.
template <class T>
__device__ __forceinline__ T block_sum(T x) {
  __shared__ T parts[32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  x = warp_sum(x);
  __syncthreads();
  if (lane == 0) parts[warp] = x;
  __syncthreads();
  T sum = 0;
  for (int i = 0; i < warps; i++) sum += parts[i];
  return sum;
}

// Notes that `row` of an instruction's indices is out of range; the first instruction and row win.
__device__ __forceinline__ void fault(u64 *faults, u32 instruction, u32 row) {
  atomicMin(faults, (u64)instruction << 32 | row);
}

// Philox 4x32-10 (Salmon et al., SC 2011): the four words of a counter. Draws of different purposes are independent.
__device__ __forceinline__ void philox(
    u64 counter, u64 seed, u32 step, u32 stream, u32 purpose, u32 (&words)[4]) {
  u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
  words[0] = (u32)counter;
  words[1] = step;
  words[2] = stream;
  words[3] = purpose | (u32)(counter >> 32) << 8;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    u64 a = (u64)words[0] * 0xD2511F53u, b = (u64)words[2] * 0xCD9E8D57u;
    words[0] = (u32)(b >> 32) ^ words[1] ^ k0;
    words[1] = (u32)b;
    words[2] = (u32)(a >> 32) ^ words[3] ^ k1;
    words[3] = (u32)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}
enum Purpose { forDropout = 1, forWeight, forFirst, forSecond };

// The positive half of bitsandbytes' dynamic maps: decade d of seven has bins << d values; number 0 is 0, bins << 7 is 1.
__device__ __forceinline__ float dynamic_value(int number, int bins) {
  if (number < bins) return 0;
  if (number >= bins << 7) return 1;
  int decade = 31 - __clz(number / bins), count = bins << decade;
  const double powers[7] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};
  return (float)((0.1 + (number - count + 0.5) * (0.9 / count)) * powers[decade]);
}
