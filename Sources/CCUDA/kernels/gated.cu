// gated: out (T,I) = act(gate) · up. GELU is the tanh form; otherwise the activation is SiLU.
__device__ __forceinline__ float activation(float x) {
#ifdef GELU
  return 0.5f * x * (1 + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
#else
  return x / (1 + expf(-x));
#endif
}

__device__ __forceinline__ float activation_slope(float x) {
#ifdef GELU
  float t = tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.7978845608028654f * (1 + 3 * 0.044715f * x * x);
#else
  float s = 1 / (1 + expf(-x));
  return s * (1 + x * (1 - s));
#endif
}

extern "C" __global__ void gated(
    const X *gate, i64 gateStride, const X *up, i64 upStride, X *out, i64 outStride, int rows, i64 columns) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * VEC; c < columns; c += (i64)gridDim.x * blockDim.x * VEC) {
      float g[VEC], u[VEC];
      load(g, gate + row * gateStride + c);
      load(u, up + row * upStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) g[j] = activation(g[j]) * u[j];
      save(out + row * outStride + c, g);
    }
  }
}

// gated_backward: gateGradient, upGradient (T,I) from outGradient (T,I); they may lie where gate and up do.
extern "C" __global__ void gated_backward(
    const X *gate, i64 gateStride, const X *up, i64 upStride, const X *slope, i64 slopeStride, X *gateGradient,
    i64 gateGradientStride, X *upGradient, i64 upGradientStride, int rows, i64 columns) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
    for (i64 c = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * VEC; c < columns; c += (i64)gridDim.x * blockDim.x * VEC) {
      float g[VEC], u[VEC], d[VEC], first[VEC], second[VEC];
      load(g, gate + row * gateStride + c);
      load(u, up + row * upStride + c);
      load(d, slope + row * slopeStride + c);
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        first[j] = d[j] * u[j] * activation_slope(g[j]);
        second[j] = d[j] * activation(g[j]);
      }
      save(gateGradient + row * gateGradientStride + c, first);
      save(upGradient + row * upGradientStride + c, second);
    }
  }
}
