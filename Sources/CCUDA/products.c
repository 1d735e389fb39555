#include <stdlib.h>
#include <string.h>

#include "CCUDA.h"
#include "table.h"

typedef struct {
  uint64_t data[8];
} algorithm;
// cublasLtMatmulHeuristicResult_t.
typedef struct {
  algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
} choice;

#define PRODUCTS(F)                                                                                                  \
  F(start, "cublasLtCreate", void **)                                                                                \
  F(end, "cublasLtDestroy", void *)                                                                                  \
  F(make, "cublasLtMatmulDescCreate", void **, int, int)                                                             \
  F(end_make, "cublasLtMatmulDescDestroy", void *)                                                                   \
  F(set, "cublasLtMatmulDescSetAttribute", void *, int, const void *, size_t)                                        \
  F(layout, "cublasLtMatrixLayoutCreate", void **, int, uint64_t, uint64_t, int64_t)                                 \
  F(end_layout, "cublasLtMatrixLayoutDestroy", void *)                                                               \
  F(preference, "cublasLtMatmulPreferenceCreate", void **)                                                           \
  F(end_preference, "cublasLtMatmulPreferenceDestroy", void *)                                                       \
  F(prefer, "cublasLtMatmulPreferenceSetAttribute", void *, int, const void *, size_t)                               \
  F(choose, "cublasLtMatmulAlgoGetHeuristic", void *, void *, void *, void *, void *, void *, void *, int, choice *, \
    int *)                                                                                                           \
  F(run, "cublasLtMatmul", void *, void *, const void *, const void *, void *, const void *, void *, const void *,   \
    const void *, void *, void *, void *, const algorithm *, void *, size_t, void *)

struct cc_products {
#define FIELD(field, symbol, ...) int (*field)(__VA_ARGS__);
  PRODUCTS(FIELD)
  size_t (*version)(void);
};

cc_products *cc_products_open(const char *path, char *message, size_t capacity) {
#define SYMBOL(field, symbol, ...) symbol,
  static const char *const names[] = {PRODUCTS(SYMBOL) "cublasLtGetVersion"};
  cc_products *products = malloc(sizeof *products);
  if (products && open_table(path, names, sizeof names / sizeof *names, (void **)products, message, capacity)) {
    return products;
  }
  free(products);
  return NULL;
}

// Algorithms that are asked for, the likeliest first.
enum { CHOICES = 8 };

struct cc_product {
  void *description, *a, *b, *c;
  choice choices[CHOICES];
  int count, chosen;
};

// cublasComputeType_t, cublasLtMatmulDescAttributes_t, cublasLtMatmulPreferenceAttributes_t, cublasLtEpilogue_t.
enum { COMPUTE_F32 = 68, COMPUTE_FAST_TF32 = 77 };
enum { TRANSPOSE_A = 3, TRANSPOSE_B = 4, EPILOGUE = 7, BIAS = 8, BIAS_TYPE = 26 };
enum { MOST_WORKSPACE = 1, ALIGNMENT_A = 5, ALIGNMENT_B = 6, ALIGNMENT_C = 7, ALIGNMENT_D = 8 };
enum { EPILOGUE_BIAS = 4 };

int cc_products_start(const cc_products *p, cc_handle *handle) { return p->start(handle); }
int cc_products_end(const cc_products *p, cc_handle handle) { return p->end(handle); }
size_t cc_products_version(const cc_products *p) { return p->version(); }

void cc_product_end(const cc_products *p, cc_product *product) {
  if (!product) return;
  if (product->a) p->end_layout(product->a);
  if (product->b) p->end_layout(product->b);
  if (product->c) p->end_layout(product->c);
  if (product->description) p->end_make(product->description);
  free(product);
}

static int describe(const cc_products *p, const cc_product_shape *s, cc_product *product) {
  int result = p->make(&product->description, s->fast_tf32 ? COMPUTE_FAST_TF32 : COMPUTE_F32, CC_F32);
  int32_t turn_a = s->transpose_a != 0, turn_b = s->transpose_b != 0;
  if (!result) result = p->set(product->description, TRANSPOSE_A, &turn_a, sizeof turn_a);
  if (!result) result = p->set(product->description, TRANSPOSE_B, &turn_b, sizeof turn_b);
  if (!result && s->bias) {
    uint32_t epilogue = EPILOGUE_BIAS;
    int32_t type = s->type_bias;
    result = p->set(product->description, EPILOGUE, &epilogue, sizeof epilogue);
    if (!result) result = p->set(product->description, BIAS, &s->bias, sizeof s->bias);
    if (!result) result = p->set(product->description, BIAS_TYPE, &type, sizeof type);
  }
  uint64_t rows_a = turn_a ? s->k : s->m, rows_b = turn_b ? s->n : s->k;
  if (!result) result = p->layout(&product->a, s->type_a, rows_a, turn_a ? s->m : s->k, s->lead_a);
  if (!result) result = p->layout(&product->b, s->type_b, rows_b, turn_b ? s->k : s->n, s->lead_b);
  if (!result) result = p->layout(&product->c, s->type_c, s->m, s->n, s->lead_c);
  return result;
}

int cc_product_make(
  const cc_products *p, cc_handle handle, const cc_product_shape *s, cc_product **product) {
  *product = calloc(1, sizeof **product);
  if (!*product) return -1;
  void *preference = NULL;
  int result = describe(p, s, *product);
  if (!result) result = p->preference(&preference);
  if (!result) result = p->prefer(preference, MOST_WORKSPACE, &s->workspace, sizeof s->workspace);
  if (!result) result = p->prefer(preference, ALIGNMENT_A, &s->align_a, sizeof s->align_a);
  if (!result) result = p->prefer(preference, ALIGNMENT_B, &s->align_b, sizeof s->align_b);
  if (!result) result = p->prefer(preference, ALIGNMENT_C, &s->align_c, sizeof s->align_c);
  if (!result) result = p->prefer(preference, ALIGNMENT_D, &s->align_c, sizeof s->align_c);
  cc_product *made = *product;
  if (!result) {
    result = p->choose(
      handle, made->description, made->a, made->b, made->c, made->c, preference, CHOICES, made->choices, &made->count);
  }
  if (!result && made->count < 1) result = 15;  // CUBLAS_STATUS_NOT_SUPPORTED
  if (preference) p->end_preference(preference);
  if (result) {
    cc_product_end(p, made);
    *product = NULL;
    return result;
  }
  return 0;
}

int cc_product_choices(const cc_product *product) { return product->count; }
void cc_product_choose(cc_product *product, int index) {
  if (index >= 0 && index < product->count) product->chosen = index;
}

int cc_product_run(
  const cc_products *p, cc_handle handle, const cc_product *product, float alpha, float beta, cc_address a,
  cc_address b, cc_address c, cc_address workspace, size_t workspace_bytes, cc_handle stream) {
  return p->run(
    handle, product->description, &alpha, (const void *)a, product->a, (const void *)b, product->b, &beta,
    (const void *)c, product->c, (void *)c, product->c, &product->choices[product->chosen].algorithm, (void *)workspace, workspace_bytes,
    stream);
}
