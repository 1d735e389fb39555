#include <math.h>
#include <string.h>

#include "lanes.h"

/// Elements whose random numbers are drawn at a time: 16 counters, 8 halves of words each.
enum { noiseBlock = 128 };

/// Philox 4x32-10 (Salmon et al., SC 2011) for 16 counters that follow each other: words[w][l] is word w of counter
/// `first` + l.
CK_INLINE void philox(const ck_random *key, uint64_t first, uint32_t words[4][lanes]) {
  uint32_t k0 = (uint32_t)key->seed, k1 = (uint32_t)(key->seed >> 32);
  for (int l = 0; l < lanes; l++) {
    words[0][l] = (uint32_t)(first + (uint64_t)l);
    words[1][l] = key->step;
    words[2][l] = key->stream;
    words[3][l] = key->purpose | (uint32_t)((first + (uint64_t)l) >> 32) << 8;
  }
  for (int round = 0; round < 10; round++) {
    CK_INDEPENDENT
    for (int l = 0; l < lanes; l++) {
      uint64_t a = (uint64_t)words[0][l] * 0xD2511F53u, b = (uint64_t)words[2][l] * 0xCD9E8D57u;
      words[0][l] = (uint32_t)(b >> 32) ^ words[1][l] ^ k0;
      words[1][l] = (uint32_t)b;
      words[2][l] = (uint32_t)(a >> 32) ^ words[3][l] ^ k1;
      words[3][l] = (uint32_t)a;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

CK_CLONES void ck_random_halves(long n, uint64_t index, const ck_random *key, uint16_t *out) {
  long done = 0;
  while (done < n) {
    uint64_t block = (index + (uint64_t)done) / noiseBlock;
    long skip = (long)((index + (uint64_t)done) % noiseBlock);
    uint32_t words[4][lanes];
    uint16_t all[noiseBlock];
    philox(key, block * lanes, words);
    for (int w = 0; w < 4; w++) {
      for (int l = 0; l < lanes; l++) all[2 * w * lanes + l] = (uint16_t)words[w][l];
      for (int l = 0; l < lanes; l++) all[(2 * w + 1) * lanes + l] = (uint16_t)(words[w][l] >> 16);
    }
    long count = noiseBlock - skip < n - done ? noiseBlock - skip : n - done;
    memcpy(out + done, all + skip, (size_t)count * sizeof(uint16_t));
    done += count;
  }
}

CK_CLONES void ck_dropout(long n, uint64_t index, const ck_random *key, uint32_t threshold, float factor,
                          const float *x, float *out) {
  enum { block = 4 * lanes };
  long done = 0;
  while (done < n) {
    uint64_t number = (index + (uint64_t)done) / block;
    long skip = (long)((index + (uint64_t)done) % block);
    uint32_t words[4][lanes];
    philox(key, number * lanes, words);
    const uint32_t *drawn = &words[0][0] + skip;
    long count = block - skip < n - done ? block - skip : n - done;
    CK_INDEPENDENT
    for (long i = 0; i < count; i++) out[done + i] = drawn[i] < threshold ? 0.0f : x[done + i] * factor;
    done += count;
  }
}
