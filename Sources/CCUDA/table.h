// Tables of functions found in a shared library.
#pragma once
#include <dlfcn.h>
#include <stdio.h>

// Opens a library and fills `functions` from `names`; NULL and a message when either fails.
static inline void *open_table(
  const char *path, const char *const *names, int count, void **functions, char *message, size_t capacity) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    snprintf(message, capacity, "%s", reason ? reason : "it cannot be opened");
    return NULL;
  }
  for (int i = 0; i < count; i++) {
    functions[i] = dlsym(library, names[i]);
    if (!functions[i]) {
      snprintf(message, capacity, "it has no function %s", names[i]);
      dlclose(library);
      return NULL;
    }
  }
  return library;
}
