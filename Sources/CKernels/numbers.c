#include "lanes.h"
#include "numbers.h"

CK_CLONES void ck_widen(long n, const uint16_t *x, float *out) {
  for (long i = 0; i < n; i++) out[i] = ck_widen1(x[i]);
}

CK_CLONES void ck_narrow(long n, const float *x, uint16_t *out) {
  for (long i = 0; i < n; i++) out[i] = ck_narrow1(x[i]);
}

CK_CLONES void ck_narrow_by_chance(long n, uint64_t index, const ck_random *key, const float *x, uint16_t *out) {
  enum { block = 256 };
  uint16_t noise[block];
  for (long start = 0; start < n; start += block) {
    long count = n - start < block ? n - start : block;
    ck_random_halves(count, index + (uint64_t)start, key, noise);
    for (long i = 0; i < count; i++) out[start + i] = ck_narrow_with(x[start + i], noise[i]);
  }
}

CK_CLONES void ck_dequantise_nf4(long blocks, const uint8_t *codes, const uint8_t *scaleCodes, long firstScale,
                                 const float *scaleMaxima, float offset, const float *levels, const float *map,
                                 float *out) {
  enum { block = 64, scaleBlock = 256 };
  // A byte's two values at once.
  float pairs[256][2];
  for (int code = 0; code < 256; code++) pairs[code][0] = levels[code >> 4], pairs[code][1] = levels[code & 15];
  for (long b = 0; b < blocks; b++, codes += block / 2, out += block) {
    long s = firstScale + b;
    float scale = offset + map[scaleCodes[s]] * scaleMaxima[s / scaleBlock];
    for (int i = 0; i < block / 2; i++) __builtin_memcpy(out + 2 * i, pairs[codes[i]], 8);
    for (int i = 0; i < block; i++) out[i] *= scale;
  }
}
