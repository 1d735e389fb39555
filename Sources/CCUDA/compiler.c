#include <stdlib.h>

#include "CCUDA.h"
#include "table.h"

#define COMPILER(F)                                                                                                  \
  F(version, "nvrtcVersion", int *, int *)                                                                           \
  F(count, "nvrtcGetNumSupportedArchs", int *)                                                                       \
  F(architectures, "nvrtcGetSupportedArchs", int *)                                                                  \
  F(make, "nvrtcCreateProgram", void **, const char *, const char *, int, const char *const *, const char *const *)  \
  F(end, "nvrtcDestroyProgram", void **)                                                                             \
  F(compile, "nvrtcCompileProgram", void *, int, const char *const *)                                                \
  F(binary_size, "nvrtcGetCUBINSize", void *, size_t *)                                                              \
  F(binary, "nvrtcGetCUBIN", void *, char *)                                                                         \
  F(text_size, "nvrtcGetPTXSize", void *, size_t *)                                                                  \
  F(text, "nvrtcGetPTX", void *, char *)                                                                             \
  F(log_size, "nvrtcGetProgramLogSize", void *, size_t *)                                                            \
  F(log, "nvrtcGetProgramLog", void *, char *)

struct cc_compiler {
#define FIELD(field, symbol, ...) int (*field)(__VA_ARGS__);
  COMPILER(FIELD)
};

cc_compiler *cc_compiler_open(const char *path, char *message, size_t capacity) {
#define SYMBOL(field, symbol, ...) symbol,
  static const char *const names[] = {COMPILER(SYMBOL)};
  cc_compiler *compiler = malloc(sizeof *compiler);
  if (compiler && open_table(path, names, sizeof names / sizeof *names, (void **)compiler, message, capacity)) {
    return compiler;
  }
  free(compiler);
  return NULL;
}

int cc_compiler_version(const cc_compiler *c, int *major, int *minor) { return c->version(major, minor); }

int cc_compiler_newest(const cc_compiler *c) {
  int count = 0, newest = 0;
  if (c->count(&count) || count <= 0 || count > 1000) return 0;
  int *list = calloc((size_t)count, sizeof *list);
  if (list && !c->architectures(list)) {
    for (int i = 0; i < count; i++) newest = list[i] > newest ? list[i] : newest;
  }
  free(list);
  return newest;
}

int cc_compile(
  const cc_compiler *c, const char *source, const char *name, const char *const *options, int count, int binary,
  char **image, size_t *bytes, char **log) {
  void *program = NULL;
  *image = *log = NULL;
  *bytes = 0;
  int result = c->make(&program, source, name, 0, NULL, NULL);
  if (result) return result;
  result = c->compile(program, count, options);
  size_t size = 0;
  if (result) {
    if (!c->log_size(program, &size) && size > 0 && (*log = calloc(1, size + 1))) c->log(program, *log);
  } else {
    result = binary ? c->binary_size(program, bytes) : c->text_size(program, bytes);
    if (!result) {
      *image = calloc(1, *bytes + 1);
      result = !*image ? -1 : binary ? c->binary(program, *image) : c->text(program, *image);
    }
  }
  c->end(&program);
  return result;
}
