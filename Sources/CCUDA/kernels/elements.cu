// add: out (R,C) = a + b; out may be a or b.
extern "C" __global__ void add(
    const X *a, i64 aStride, const X *b, i64 bStride, Y *out, i64 outStride, int rows, i64 columns) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * VEC; c < columns; c += (i64)gridDim.x * blockDim.x * VEC) {
      float x[VEC], y[VEC];
      load(x, a + row * aStride + c);
      load(y, b + row * bStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) x[j] += y[j];
      save(out + row * outStride + c, x);
    }
  }
}

// scaled: out (R,C) = x · factor, in out's type: copies, casts and scales.
extern "C" __global__ void scaled(
    const X *x, i64 xStride, Y *out, i64 outStride, int rows, i64 columns, float factor) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * VEC; c < columns; c += (i64)gridDim.x * blockDim.x * VEC) {
      float value[VEC];
      load(value, x + row * xStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) value[j] *= factor;
      save(out + row * outStride + c, value);
    }
  }
}

// zero: x (R, C) of elements of `size` bytes = 0.
extern "C" __global__ void zero(u8 *x, i64 strideBytes, int rows, i64 rowBytes) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = (i64)blockIdx.x * blockDim.x + threadIdx.x; c < rowBytes; c += (i64)gridDim.x * blockDim.x) {
      x[row * strideBytes + c] = 0;
    }
  }
}

// bias_rows: x (R,C) = [x +] bias (1,C) on every row: products over no columns at all.
extern "C" __global__ void bias_rows(Y *x, i64 stride, const X *bias, int rows, i64 columns, int accumulate) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = (i64)blockIdx.x * blockDim.x + threadIdx.x; c < columns; c += (i64)gridDim.x * blockDim.x) {
      float value = accumulate ? get(x[row * stride + c]) : 0;
      put(x[row * stride + c], value + (bias ? get(bias[c]) : 0));
    }
  }
}

// dropout: out (R,C) = x · factor, or 0 where the element's 32 random bits are below `threshold`. Of 64 elements numbers
// l, l + 16, ... take the four words of counter l.
extern "C" __global__ void dropout(
    const X *x, i64 xStride, Y *out, i64 outStride, const Scalars *scalars, u32 stream, u32 threshold, int rows,
    i64 columns, float factor) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * VEC; c < columns; c += (i64)gridDim.x * blockDim.x * VEC) {
      float value[VEC];
      load(value, x + row * xStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        u64 element = (u64)(row * columns + c + j);
        u32 words[4];
        philox(
            element / 64 * 16 + element % 16, scalars->seed, (u32)scalars->step, stream, forDropout, words);
        u32 drawn = element % 64 / 16;
        u32 bits = drawn == 0 ? words[0] : drawn == 1 ? words[1] : drawn == 2 ? words[2] : words[3];
        value[j] = bits < threshold ? 0 : value[j] * factor;
      }
      save(out + row * outStride + c, value);
    }
  }
}

// dequantise: out (N,K) = levels[code] · (offset + map[scaleCode] · scaleMaximum) of NF4 codes (N,K/2), two a byte, the
// first in the high half; a scale for 64 values, a maximum for 256 scales.
extern "C" __global__ void dequantise(
    const u8 *codes, i64 codeStride, const u8 *scaleCodes, const float *maxima, const float *offset, Y *out,
    i64 outStride, int rows, i64 columns) {
  const float levels[16] = {
      -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
      -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
      0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
  __shared__ float table[16];
  if (threadIdx.x < 16) table[threadIdx.x] = levels[threadIdx.x];
  __syncthreads();
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 2; c < columns; c += (i64)gridDim.x * blockDim.x * 2) {
      i64 block = (row * columns + c) / 64;
      int code = scaleCodes[block];
      float part = code >= 127 ? dynamic_value(code - 127, 1) : -dynamic_value(127 - code, 1);
      float scale = *offset + part * maxima[block / 256];
      int pair = codes[row * codeStride + c / 2];
      put(out[row * outStride + c], table[pair >> 4] * scale);
      put(out[row * outStride + c + 1], table[pair & 15] * scale);
    }
  }
}
