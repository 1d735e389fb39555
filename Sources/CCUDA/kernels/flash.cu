// Causal attention over packed segments on tensor cores, for bf16 and head dimensions D of 64 and 128: the tiles and the
// online softmax of FlashAttention-2 (Dao 2023). q (T,A·D), k and v (T,K·D); token t sees keys firsts[t]...t.
//
// Tiles lie in shared memory as rows of D elements; the 16-byte piece c of row r is kept at piece c ^ (r % 8), so that
// ldmatrix meets no bank twice. A warp owns 16 rows of the output, so nothing is summed by two warps, and every sum has
// one order. The backward pass works tiles out twice, for keys and for queries, instead of adding to queries' gradients
// from many blocks.
#define PIECES (D / 8)
#define STEPS (D / 16)

struct Heads {
  int tokens, group, window;
  float scale, softCap;
};

__device__ __forceinline__ u32 place(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// Copies 16 bytes without waiting; zeros where not `isThere`.
__device__ __forceinline__ void copy16(void *to, const void *from, bool isThere) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place(to)), "l"(from), "r"(isThere ? 16 : 0));
}
__device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;"); }
template <int LEFT>
__device__ __forceinline__ void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT));
}

// Begins to copy ROWS rows of x from row `start` on into a tile; those from `end` on become zeros.
template <int ROWS>
__device__ __forceinline__ void copy_tile(bf16 *tile, const bf16 *x, i64 stride, int start, int end) {
  for (int i = threadIdx.x; i < ROWS * PIECES; i += blockDim.x) {
    int row = i / PIECES, piece = i % PIECES;
    bool isThere = start + row < end;
    const bf16 *from = isThere ? x + (i64)(start + row) * stride + piece * 8 : x;
    copy16(tile + (row * PIECES + (piece ^ (row & 7))) * 8, from, isThere);
  }
}

__device__ __forceinline__ u32 piece_place(const bf16 *tile, int row, int piece) {
  return place(tile + (row * PIECES + (piece ^ (row & 7))) * 8);
}
__device__ __forceinline__ void matrices(u32 (&r)[4], u32 from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from));
}
__device__ __forceinline__ void turned_matrices(u32 (&r)[4], u32 from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from));
}
// Rows row...row + 15, columns 16 step... of a tile as the left operand.
__device__ __forceinline__ void left(u32 (&r)[4], const bf16 *tile, int row, int step) {
  int lane = threadIdx.x % 32;
  matrices(r, piece_place(tile, row + lane % 16, step * 2 + lane / 16));
}
// The same as a right operand that is multiplied along the columns: 16 rows give two tiles of 8 results.
__device__ __forceinline__ void right(u32 (&r)[4], const bf16 *tile, int row, int step) {
  int lane = threadIdx.x % 32;
  matrices(r, piece_place(tile, row + lane % 8 + lane / 16 * 8, step * 2 + lane / 8 % 2));
}
// The same, multiplied along the rows: 16 columns give two tiles of 8 results.
__device__ __forceinline__ void turned(u32 (&r)[4], const bf16 *tile, int row, int step) {
  int lane = threadIdx.x % 32;
  turned_matrices(r, piece_place(tile, row + lane % 16, step * 2 + lane / 16));
}
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ u32 pair(float low, float high) {
  u32 both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
__device__ __forceinline__ float power(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// Two tiles of 8 results beside each other as the left operand of the next product.
__device__ __forceinline__ void narrow(u32 (&r)[4], const float (&c)[4], const float (&d)[4]) {
  r[0] = pair(c[0], c[1]);
  r[1] = pair(c[2], c[3]);
  r[2] = pair(d[0], d[1]);
  r[3] = pair(d[2], d[3]);
}
// Row lane / 4 or, where `half`, the one 8 below, times a factor.
__device__ __forceinline__ void save_row(bf16 *line, const float (&sums)[D / 8][4], int half, float factor) {
  line += threadIdx.x % 4 * 2;
#pragma unroll
  for (int d = 0; d < D / 8; d++) {
    *reinterpret_cast<u32 *>(line + d * 8) = pair(sums[d][2 * half] * factor, sums[d][2 * half + 1] * factor);
  }
}
#define LOG2E 1.4426950408889634f

// first_keys: firsts (T), the first key that each token sees, and lows, the least of each 64 tokens. A block 64 tokens.
extern "C" __global__ void first_keys(
    const int *segments, i64 stride, int tokens, int window, int *firsts, int *lows, u64 *faults, u32 instruction) {
  __shared__ int least[64];
  int token = blockIdx.x * 64 + threadIdx.x;
  int first = tokens;
  if (token < tokens) {
    first = segments[token * stride];
    if (first < 0 || first > token) {
      fault(faults, instruction, (u32)token);
      first = token;
    }
    if (window > 0 && token - window + 1 > first) first = token - window + 1;
    firsts[token] = first;
  }
  least[threadIdx.x] = first;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (int i = 1; i < 64; i++) first = min(first, least[i]);
  lows[blockIdx.x] = first;
}

// A warp works on 16 FOLD rows, so that what it reads of the other side serves as many; D of 128 leaves no registers for
// more than 16. OTHERS rows of the other side are worked on at a time in the backward pass.
#define FOLD (D == 64 ? 2 : 1)
#define OTHERS 32
#define BACK (64 * FOLD)

// The first key that any of `count` tokens from `base` on sees.
__device__ __forceinline__ int least_key(const int *lows, int base, int count, int tokens) {
  int least = lows[base / 64];
  for (int more = 64; more < count && base + more < tokens; more += 64) least = min(least, lows[(base + more) / 64]);
  return least;
}

// flash: out (T,A·D), logSumExp (T,A). A block of 8 / FOLD warps takes 128 queries of a head; the last queries of all
// heads, which see most, come first, so that no long block is left to the end. Keys come 64 at a time, the next ones
// while these are worked on.
extern "C" __global__ void __launch_bounds__(256 / FOLD) flash(
    const bf16 *q, i64 qStride, const bf16 *k, i64 kStride, const bf16 *v, i64 vStride, bf16 *out, i64 outStride,
    float *logs, i64 logStride, const int *firsts, const int *lows, Heads h) {
  extern __shared__ __align__(128) bf16 tiles[];
  constexpr int TILE = 64 * D;
  bf16 *queries = tiles, *keys = tiles + 2 * TILE, *values = keys + 2 * TILE;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, head = blockIdx.x;
  int base = (gridDim.y - 1 - blockIdx.y) * 128, own = warp * 16 * FOLD;
  q += (i64)head * D;
  k += (i64)(head / h.group) * D;
  v += (i64)(head / h.group) * D;
  int end = min(base + 128, h.tokens), start = least_key(lows, base, 128, h.tokens);
  int rows[FOLD][2], first[FOLD][2], latest = 0;
#pragma unroll
  for (int f = 0; f < FOLD; f++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      rows[f][i] = base + own + f * 16 + lane / 4 + i * 8;
      first[f][i] = rows[f][i] < h.tokens ? firsts[rows[f][i]] : 0;
      latest = max(latest, first[f][i]);
    }
  }
  copy_tile<128>(queries, q, qStride, base, h.tokens);
  copy_tile<64>(keys, k, kStride, start, end);
  end_copies();
  copy_tile<64>(values, v, vStride, start, end);
  end_copies();
  float sums[FOLD][D / 8][4] = {}, peak[FOLD][2], total[FOLD][2] = {};
#pragma unroll
  for (int f = 0; f < FOLD; f++) peak[f][0] = peak[f][1] = -INFINITY;
  u32 asked[FOLD][STEPS][4];
  float scale = h.scale * LOG2E;
  int stage = 0;
  bool isFirst = true;
  for (; start < end; start += 64, stage ^= 1) {
    await_copies<1>();
    __syncthreads();
    if (isFirst) {
#pragma unroll
      for (int f = 0; f < FOLD; f++) {
#pragma unroll
        for (int s = 0; s < STEPS; s++) left(asked[f][s], queries, own + f * 16, s);
      }
      isFirst = false;
    }
    // The keys after these; the group is empty after the last.
    if (start + 64 < end) copy_tile<64>(keys + (stage ^ 1) * TILE, k, kStride, start + 64, end);
    end_copies();
    float scores[FOLD][8][4] = {};
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        u32 b[4];
        right(b, keys + stage * TILE, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(scores[f][2 * j], asked[f][s], b[0], b[1]);
          multiply(scores[f][2 * j + 1], asked[f][s], b[2], b[3]);
        }
      }
    }
    bool isWhole = start + 63 <= base + own && start >= latest;
#pragma unroll
    for (int f = 0; f < FOLD; f++) {
      if (!isWhole) {
#pragma unroll
        for (int j = 0; j < 8; j++) {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            int key = start + j * 8 + lane % 4 * 2 + e % 2;
            if (key > rows[f][e / 2] || key < first[f][e / 2]) scores[f][j][e] = -INFINITY;
          }
        }
      }
      float shrink[2], shift[2];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        float top = peak[f][i];
#pragma unroll
        for (int j = 0; j < 8; j++) top = fmaxf(top, fmaxf(scores[f][j][2 * i], scores[f][j][2 * i + 1]));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
        shift[i] = top == -INFINITY ? 0 : top * scale;
        shrink[i] = power(peak[f][i] * scale - shift[i]);
        peak[f][i] = top;
        total[f][i] *= shrink[i];
      }
#pragma unroll
      for (int j = 0; j < 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          scores[f][j][e] = power(scores[f][j][e] * scale - shift[e / 2]);
          total[f][e / 2] += scores[f][j][e];
        }
      }
#pragma unroll
      for (int d = 0; d < D / 8; d++) {
#pragma unroll
        for (int e = 0; e < 4; e++) sums[f][d][e] *= shrink[e / 2];
      }
    }
    await_copies<1>();
    __syncthreads();
    if (start + 64 < end) copy_tile<64>(values + (stage ^ 1) * TILE, v, vStride, start + 64, end);
    end_copies();
#pragma unroll
    for (int j = 0; j < 4; j++) {
      u32 a[FOLD][4];
#pragma unroll
      for (int f = 0; f < FOLD; f++) narrow(a[f], scores[f][2 * j], scores[f][2 * j + 1]);
#pragma unroll
      for (int s = 0; s < STEPS; s++) {
        u32 b[4];
        turned(b, values + stage * TILE, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(sums[f][2 * s], a[f], b[0], b[1]);
          multiply(sums[f][2 * s + 1], a[f], b[2], b[3]);
        }
      }
    }
  }
#pragma unroll
  for (int f = 0; f < FOLD; f++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float sum = total[f][i];
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      if (rows[f][i] >= h.tokens) continue;
      save_row(out + (i64)rows[f][i] * outStride + (i64)head * D, sums[f], i, 1 / sum);
      if (lane % 4 == 0) logs[(i64)rows[f][i] * logStride + head] = peak[f][i] * h.scale + logf(sum);
    }
  }
}

// flash_delta: delta (T,A) = row sums of out · outGradient by head. D / 8 threads a row and head.
extern "C" __global__ void flash_delta(
    const bf16 *out, i64 outStride, const bf16 *slope, i64 slopeStride, float *delta, i64 deltaStride, int tokens,
    int heads) {
  i64 item = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / PIECES;
  int piece = threadIdx.x % PIECES;
  i64 token = item / heads, head = item % heads;
  float sum = 0;
  if (token < tokens) {
    float a[8], b[8];
    load(a, out + token * outStride + head * D + piece * 8);
    load(b, slope + token * slopeStride + head * D + piece * 8);
#pragma unroll
    for (int j = 0; j < 8; j++) sum += a[j] * b[j];
  }
#pragma unroll
  for (int step = PIECES / 2; step > 0; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (piece == 0 && token < tokens) delta[token * deltaStride + head] = sum;
}

// flash_q_backward: qGradient (T,A·D). A block of 4 warps takes BACK queries of a head.
extern "C" __global__ void __launch_bounds__(128) flash_q_backward(
    const bf16 *q, i64 qStride, const bf16 *k, i64 kStride, const bf16 *v, i64 vStride, const float *logs,
    i64 logStride, const bf16 *slope, i64 slopeStride, const float *delta, i64 deltaStride, bf16 *qGradient,
    i64 qGradientStride, const int *firsts, const int *lows, Heads h) {
  extern __shared__ __align__(128) bf16 tiles[];
  constexpr int TILE = OTHERS * D;
  bf16 *queries = tiles, *slopes = queries + BACK * D, *keys = slopes + BACK * D, *values = keys + 2 * TILE;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, head = blockIdx.x;
  int base = (gridDim.y - 1 - blockIdx.y) * BACK, own = warp * 16 * FOLD;
  q += (i64)head * D;
  slope += (i64)head * D;
  k += (i64)(head / h.group) * D;
  v += (i64)(head / h.group) * D;
  int end = min(base + BACK, h.tokens), start = least_key(lows, base, BACK, h.tokens);
  int rows[FOLD][2], first[FOLD][2], latest = 0;
  float log[FOLD][2], sum[FOLD][2];
#pragma unroll
  for (int f = 0; f < FOLD; f++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int row = base + own + f * 16 + lane / 4 + i * 8;
      bool isThere = row < h.tokens;
      rows[f][i] = row;
      first[f][i] = isThere ? firsts[row] : h.tokens;
      latest = max(latest, first[f][i]);
      log[f][i] = isThere ? logs[(i64)row * logStride + head] * LOG2E : 0;
      sum[f][i] = isThere ? delta[(i64)row * deltaStride + head] : 0;
    }
  }
  copy_tile<BACK>(queries, q, qStride, base, h.tokens);
  copy_tile<BACK>(slopes, slope, slopeStride, base, h.tokens);
  copy_tile<OTHERS>(keys, k, kStride, start, end);
  copy_tile<OTHERS>(values, v, vStride, start, end);
  end_copies();
  float sums[FOLD][D / 8][4] = {};
  float scale = h.scale * LOG2E;
  int stage = 0;
  for (; start < end; start += OTHERS, stage ^= 1) {
    await_copies<0>();
    __syncthreads();
    if (start + OTHERS < end) {
      copy_tile<OTHERS>(keys + (stage ^ 1) * TILE, k, kStride, start + OTHERS, end);
      copy_tile<OTHERS>(values + (stage ^ 1) * TILE, v, vStride, start + OTHERS, end);
    }
    end_copies();
    // Keys that no query of this warp sees yet.
    if (start > base + own + 16 * FOLD - 1) continue;
    const bf16 *keyTile = keys + stage * TILE, *valueTile = values + stage * TILE;
    float scores[FOLD][OTHERS / 8][4] = {}, slopesOf[FOLD][OTHERS / 8][4] = {};
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
      u32 a[FOLD][4], c[FOLD][4];
#pragma unroll
      for (int f = 0; f < FOLD; f++) {
        left(a[f], queries, own + f * 16, s);
        left(c[f], slopes, own + f * 16, s);
      }
#pragma unroll
      for (int j = 0; j < OTHERS / 16; j++) {
        u32 b[4], d[4];
        right(b, keyTile, j * 16, s);
        right(d, valueTile, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(scores[f][2 * j], a[f], b[0], b[1]);
          multiply(scores[f][2 * j + 1], a[f], b[2], b[3]);
          multiply(slopesOf[f][2 * j], c[f], d[0], d[1]);
          multiply(slopesOf[f][2 * j + 1], c[f], d[2], d[3]);
        }
      }
    }
    bool isWhole = start + OTHERS - 1 <= base + own && start >= latest;
#pragma unroll
    for (int f = 0; f < FOLD; f++) {
#pragma unroll
      for (int j = 0; j < OTHERS / 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          int i = e / 2, key = start + j * 8 + lane % 4 * 2 + e % 2;
          float p = power(scores[f][j][e] * scale - log[f][i]);
          if (!isWhole && (key > rows[f][i] || key < first[f][i])) p = 0;
          scores[f][j][e] = p * (slopesOf[f][j][e] - sum[f][i]);
        }
      }
    }
#pragma unroll
    for (int j = 0; j < OTHERS / 16; j++) {
      u32 a[FOLD][4];
#pragma unroll
      for (int f = 0; f < FOLD; f++) narrow(a[f], scores[f][2 * j], scores[f][2 * j + 1]);
#pragma unroll
      for (int s = 0; s < STEPS; s++) {
        u32 b[4];
        turned(b, keyTile, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(sums[f][2 * s], a[f], b[0], b[1]);
          multiply(sums[f][2 * s + 1], a[f], b[2], b[3]);
        }
      }
    }
  }
#pragma unroll
  for (int f = 0; f < FOLD; f++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      if (rows[f][i] >= h.tokens) continue;
      save_row(qGradient + (i64)rows[f][i] * qGradientStride + (i64)head * D, sums[f], i, h.scale);
    }
  }
}

// flash_kv_backward: kGradient and vGradient (T,K·D). A block of 4 warps takes BACK keys of a key-value head; the heads
// of its group and the queries that see the keys follow each other in order. Scores are worked out turned, keys by
// queries, so that a warp owns its keys. With `parts`, for few tokens, a block takes one query head and leaves its
// share there: two of (A,T,D), for keys and for values.
extern "C" __global__ void __launch_bounds__(128) flash_kv_backward(
    const bf16 *q, i64 qStride, const bf16 *k, i64 kStride, const bf16 *v, i64 vStride, const float *logs,
    i64 logStride, const bf16 *slope, i64 slopeStride, const float *delta, i64 deltaStride, bf16 *kGradient,
    i64 kGradientStride, bf16 *vGradient, i64 vGradientStride, const int *firsts, const int *lows, float *parts,
    Heads h) {
  extern __shared__ __align__(128) bf16 tiles[];
  constexpr int TILE = OTHERS * D;
  bf16 *keys = tiles, *values = keys + BACK * D, *queries = values + BACK * D, *slopes = queries + 2 * TILE;
  __shared__ float logOf[2][OTHERS], deltaOf[2][OTHERS];
  __shared__ int firstOf[2][OTHERS];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int shared = parts ? blockIdx.x / h.group : blockIdx.x, firstHead = parts ? blockIdx.x : shared * h.group;
  int base = blockIdx.y * BACK, own = warp * 16 * FOLD, lastKey = min(base + BACK, h.tokens) - 1;
  // The last 64 queries of which some see these keys.
  int lastTile = lastKey / 64;
  for (int tile = (h.tokens - 1) / 64; tile > lastTile; tile--) {
    if (lows[tile] <= lastKey) lastTile = tile;
  }
  int end = min(lastTile * 64 + 64, h.tokens);
  int perHead = (end - base + OTHERS - 1) / OTHERS, count = perHead * (parts ? 1 : h.group);
  copy_tile<BACK>(keys, k + (i64)shared * D, kStride, base, h.tokens);
  copy_tile<BACK>(values, v + (i64)shared * D, vStride, base, h.tokens);

  auto begin = [&](int number, int stage) {
    int head = firstHead + number / perHead, start = base + number % perHead * OTHERS;
    copy_tile<OTHERS>(queries + stage * TILE, q + (i64)head * D, qStride, start, h.tokens);
    copy_tile<OTHERS>(slopes + stage * TILE, slope + (i64)head * D, slopeStride, start, h.tokens);
    if (threadIdx.x < OTHERS) {
      int token = start + threadIdx.x;
      bool isThere = token < h.tokens;
      logOf[stage][threadIdx.x] = isThere ? logs[(i64)token * logStride + head] * LOG2E : 0;
      deltaOf[stage][threadIdx.x] = isThere ? delta[(i64)token * deltaStride + head] : 0;
      firstOf[stage][threadIdx.x] = isThere ? firsts[token] : h.tokens;
    }
  };
  begin(0, 0);
  end_copies();
  float keySums[FOLD][D / 8][4] = {}, valueSums[FOLD][D / 8][4] = {};
  float scale = h.scale * LOG2E;
  for (int number = 0; number < count; number++) {
    int stage = number & 1, start = base + number % perHead * OTHERS;
    await_copies<0>();
    __syncthreads();
    if (number + 1 < count) begin(number + 1, stage ^ 1);
    end_copies();
    // Queries before all keys of this warp.
    if (start + OTHERS - 1 < base + own) continue;
    const bf16 *queryTile = queries + stage * TILE, *slopeTile = slopes + stage * TILE;
    float scores[FOLD][OTHERS / 8][4] = {}, slopesOf[FOLD][OTHERS / 8][4] = {};
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
      u32 a[FOLD][4], c[FOLD][4];
#pragma unroll
      for (int f = 0; f < FOLD; f++) {
        left(a[f], keys, own + f * 16, s);
        left(c[f], values, own + f * 16, s);
      }
#pragma unroll
      for (int j = 0; j < OTHERS / 16; j++) {
        u32 b[4], d[4];
        right(b, queryTile, j * 16, s);
        right(d, slopeTile, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(scores[f][2 * j], a[f], b[0], b[1]);
          multiply(scores[f][2 * j + 1], a[f], b[2], b[3]);
          multiply(slopesOf[f][2 * j], c[f], d[0], d[1]);
          multiply(slopesOf[f][2 * j + 1], c[f], d[2], d[3]);
        }
      }
    }
#pragma unroll
    for (int j = 0; j < OTHERS / 8; j++) {
#pragma unroll
      for (int side = 0; side < 2; side++) {
        int column = j * 8 + lane % 4 * 2 + side;
        float log = logOf[stage][column], sum = deltaOf[stage][column];
        int first = firstOf[stage][column];
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
#pragma unroll
          for (int i = 0; i < 2; i++) {
            int key = base + own + f * 16 + lane / 4 + i * 8, e = 2 * i + side;
            float p = power(scores[f][j][e] * scale - log);
            if (key > start + column || key < first) p = 0;
            scores[f][j][e] = p;
            slopesOf[f][j][e] = p * (slopesOf[f][j][e] - sum);
          }
        }
      }
    }
#pragma unroll
    for (int j = 0; j < OTHERS / 16; j++) {
      u32 a[FOLD][4], c[FOLD][4];
#pragma unroll
      for (int f = 0; f < FOLD; f++) {
        narrow(a[f], scores[f][2 * j], scores[f][2 * j + 1]);
        narrow(c[f], slopesOf[f][2 * j], slopesOf[f][2 * j + 1]);
      }
#pragma unroll
      for (int s = 0; s < STEPS; s++) {
        u32 b[4];
        turned(b, slopeTile, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(valueSums[f][2 * s], a[f], b[0], b[1]);
          multiply(valueSums[f][2 * s + 1], a[f], b[2], b[3]);
        }
        turned(b, queryTile, j * 16, s);
#pragma unroll
        for (int f = 0; f < FOLD; f++) {
          multiply(keySums[f][2 * s], c[f], b[0], b[1]);
          multiply(keySums[f][2 * s + 1], c[f], b[2], b[3]);
        }
      }
    }
  }
#pragma unroll
  for (int f = 0; f < FOLD; f++) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      i64 key = base + own + f * 16 + lane / 4 + i * 8;
      if (key >= h.tokens) continue;
      if (parts) {
        float *keyPart = parts + (firstHead * (i64)h.tokens + key) * D + lane % 4 * 2;
        float *valuePart = keyPart + (i64)gridDim.x * h.tokens * D;
#pragma unroll
        for (int d = 0; d < D / 8; d++) {
          float2 keyPair = {keySums[f][d][2 * i] * h.scale, keySums[f][d][2 * i + 1] * h.scale};
          *reinterpret_cast<float2 *>(keyPart + d * 8) = keyPair;
          float2 valuePair = {valueSums[f][d][2 * i], valueSums[f][d][2 * i + 1]};
          *reinterpret_cast<float2 *>(valuePart + d * 8) = valuePair;
        }
        continue;
      }
      save_row(kGradient + key * kGradientStride + (i64)shared * D, keySums[f], i, h.scale);
      save_row(vGradient + key * vGradientStride + (i64)shared * D, valueSums[f], i, 1);
    }
  }
}

// flash_kv_sum: kGradient and vGradient (T,K·D) from two of parts (A,T,D), the heads of a group in order. A thread 8
// elements of both.
extern "C" __global__ void flash_kv_sum(
    const float *parts, bf16 *kGradient, i64 kGradientStride, bf16 *vGradient, i64 vGradientStride, int keyValueHeads,
    Heads h) {
  i64 item = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 token = item / (keyValueHeads * PIECES), column = item % (keyValueHeads * PIECES) * 8;
  if (token >= h.tokens) return;
  i64 head = column / D * h.group, values = (i64)keyValueHeads * h.group * h.tokens * D;
  float keySum[8] = {}, valueSum[8] = {}, part[8];
  for (int g = 0; g < h.group; g++) {
    const float *from = parts + ((head + g) * h.tokens + token) * D + column % D;
    load(part, from);
#pragma unroll
    for (int j = 0; j < 8; j++) keySum[j] += part[j];
    load(part, from + values);
#pragma unroll
    for (int j = 0; j < 8; j++) valueSum[j] += part[j];
  }
  save(kGradient + token * kGradientStride + column, keySum);
  save(vGradient + token * vGradientStride + column, valueSum);
}
