// rope: rotates x (T, heads·D) in place, pairs (i, i + D/2), by positions (T,1) through tables (P, D/2); `sign` -1
// rotates back. A block a token.
extern "C" __global__ void rope(
    X *x, i64 xStride, const int *positions, i64 positionStride, const float *cosine, i64 cosineStride,
    const float *sine, i64 sineStride, int heads, int half, int limit, float sign, u64 *faults, u32 instruction) {
  i64 row = blockIdx.x;
  int position = positions[row * positionStride];
  if (position < 0 || position >= limit) {
    if (threadIdx.x == 0) fault(faults, instruction, (u32)row);
    return;
  }
  int groups = half / VEC;
  for (int i = threadIdx.x; i < heads * groups; i += blockDim.x) {
    int head = i / groups, pair = i % groups * VEC;
    X *low = x + row * xStride + (i64)head * 2 * half + pair;
    X *high = low + half;
    float a[VEC], b[VEC], c[VEC], s[VEC], first[VEC], second[VEC];
    load(a, low);
    load(b, high);
    load(c, cosine + position * cosineStride + pair);
    load(s, sine + position * sineStride + pair);
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      first[j] = a[j] * c[j] - b[j] * sign * s[j];
      second[j] = b[j] * c[j] + a[j] * sign * s[j];
    }
    save(low, first);
    save(high, second);
  }
}
