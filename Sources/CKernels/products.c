#include "lanes.h"

/// c (R,S) = scale * a b^T [+ c] for R rows of a and S rows of b, R and S known at compile time.
#define CK_DOTS(R, S)                                                                                      \
  {                                                                                                        \
    float sum[R][S] = {{0}};                                                                               \
    {                                                                                                      \
      CK_LANES                                                                                             \
      for (long p = 0; p < k; p++)                                                                         \
        for (int i = 0; i < R; i++)                                                                        \
          for (int j = 0; j < S; j++) sum[i][j] += a[i * aStride + p] * b[j * bStride + p];                \
    }                                                                                                      \
    for (int i = 0; i < R; i++)                                                                            \
      for (int j = 0; j < S; j++)                                                                          \
        c[i * cStride + j] = scale * sum[i][j] + (accumulate ? c[i * cStride + j] : 0.0f);                 \
  }

#define CK_DOTS_ROWS(R)                                                                                    \
  CK_INLINE void dots##R(long n, long k, float scale, const float *a, long aStride, const float *b,       \
                         long bStride, float *c, long cStride, bool accumulate) {                          \
    if (n == 4) CK_DOTS(R, 4)                                                                              \
    else if (n == 3) CK_DOTS(R, 3)                                                                         \
    else if (n == 2) CK_DOTS(R, 2)                                                                         \
    else CK_DOTS(R, 1)                                                                                     \
  }

CK_DOTS_ROWS(1)
CK_DOTS_ROWS(2)
CK_DOTS_ROWS(3)
CK_DOTS_ROWS(4)

/// Asks for `rows` rows of k elements ahead of their use: the processor's own prefetching stops at page ends, and
/// these products are as fast as memory is.
CK_INLINE void fetch_rows(long rows, long k, const float *b, long stride) {
  for (long r = 0; r < rows; r++)
    for (long p = 0; p < k; p += 16) __builtin_prefetch(b + r * stride + p);
}

CK_CLONES void ck_product_nt(long m, long n, long k, float scale, const float *a, long aStride, const float *b,
                             long bStride, float *c, long cStride, bool accumulate) {
  enum { ahead = 8 };
  for (long j = 0; j < n; j += 4) {
    long columns = n - j < 4 ? n - j : 4;
    const float *rows = b + j * bStride;
    if (j + ahead + 4 <= n) fetch_rows(4, k, rows + ahead * bStride, bStride);
    for (long i = 0; i < m; i += 4) {
      const float *left = a + i * aStride;
      float *out = c + i * cStride + j;
      switch (m - i) {
        case 1: dots1(columns, k, scale, left, aStride, rows, bStride, out, cStride, accumulate); break;
        case 2: dots2(columns, k, scale, left, aStride, rows, bStride, out, cStride, accumulate); break;
        case 3: dots3(columns, k, scale, left, aStride, rows, bStride, out, cStride, accumulate); break;
        default: dots4(columns, k, scale, left, aStride, rows, bStride, out, cStride, accumulate); break;
      }
    }
  }
}

CK_CLONES void ck_product_nn(long m, long n, long k, const float *a, long aStride, const float *b, long bStride,
                             float *c, long cStride, bool accumulate) {
  enum { width = 32 };
  for (long j = 0; j < n; j += width) {
    long columns = n - j < width ? n - j : width;
    for (long i = 0; i < m; i++) {
      float sum[width] = {0};
      const float *left = a + i * aStride;
      float *out = c + i * cStride + j;
      if (columns == width) {
        for (long p = 0; p < k; p++)
          for (int l = 0; l < width; l++) sum[l] += left[p] * b[p * bStride + j + l];
      } else {
        for (long p = 0; p < k; p++)
          for (long l = 0; l < columns; l++) sum[l] += left[p] * b[p * bStride + j + l];
      }
      for (long l = 0; l < columns; l++) out[l] = accumulate ? out[l] + sum[l] : sum[l];
    }
  }
}
