#include <stdlib.h>

#include "CCUDA.h"
#include "table.h"

// Every function of the driver that is used: result, name, exported name, parameters.
#define DRIVER(F)                                                                                                    \
  F(init, "cuInit", unsigned)                                                                                        \
  F(version, "cuDriverGetVersion", int *)                                                                            \
  F(count, "cuDeviceGetCount", int *)                                                                                \
  F(device, "cuDeviceGet", int *, int)                                                                               \
  F(name, "cuDeviceGetName", char *, int, int)                                                                       \
  F(attribute, "cuDeviceGetAttribute", int *, int, int)                                                              \
  F(total, "cuDeviceTotalMem_v2", size_t *, int)                                                                     \
  F(retain, "cuDevicePrimaryCtxRetain", void **, int)                                                                \
  F(release, "cuDevicePrimaryCtxRelease_v2", int)                                                                    \
  F(use, "cuCtxSetCurrent", void *)                                                                                  \
  F(info, "cuMemGetInfo_v2", size_t *, size_t *)                                                                     \
  F(allocate, "cuMemAlloc_v2", cc_address *, size_t)                                                                 \
  F(free, "cuMemFree_v2", cc_address)                                                                                \
  F(host_allocate, "cuMemHostAlloc", void **, size_t, unsigned)                                                      \
  F(host_free, "cuMemFreeHost", void *)                                                                              \
  F(copy_in, "cuMemcpyHtoDAsync_v2", cc_address, const void *, size_t, void *)                                       \
  F(copy_out, "cuMemcpyDtoHAsync_v2", void *, cc_address, size_t, void *)                                            \
  F(copy, "cuMemcpyDtoDAsync_v2", cc_address, cc_address, size_t, void *)                                            \
  F(fill, "cuMemsetD8Async", cc_address, unsigned char, size_t, void *)                                              \
  F(stream, "cuStreamCreate", void **, unsigned)                                                                     \
  F(end_stream, "cuStreamDestroy_v2", void *)                                                                        \
  F(wait, "cuStreamWaitEvent", void *, void *, unsigned)                                                             \
  F(synchronize, "cuStreamSynchronize", void *)                                                                      \
  F(event, "cuEventCreate", void **, unsigned)                                                                       \
  F(end_event, "cuEventDestroy_v2", void *)                                                                          \
  F(record, "cuEventRecord", void *, void *)                                                                         \
  F(synchronize_event, "cuEventSynchronize", void *)                                                                 \
  F(elapsed, "cuEventElapsedTime", float *, void *, void *)                                                          \
  F(module, "cuModuleLoadData", void **, const void *)                                                               \
  F(unload, "cuModuleUnload", void *)                                                                                \
  F(function, "cuModuleGetFunction", void **, void *, const char *)                                                  \
  F(set, "cuFuncSetAttribute", void *, int, int)                                                                     \
  F(launch, "cuLaunchKernel", void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *,  \
    void **, void **)                                                                                                \
  F(capture, "cuStreamBeginCapture_v2", void *, int)                                                                 \
  F(captured, "cuStreamEndCapture", void *, void **)                                                                 \
  F(instantiate, "cuGraphInstantiateWithFlags", void **, void *, unsigned long long)                                 \
  F(graph, "cuGraphLaunch", void *, void *)                                                                          \
  F(end_executable, "cuGraphExecDestroy", void *)                                                                    \
  F(end_graph, "cuGraphDestroy", void *)                                                                             \
  F(describe, "cuGetErrorString", int, const char **)

struct cc_driver {
#define FIELD(field, symbol, ...) int (*field)(__VA_ARGS__);
  DRIVER(FIELD)
};

cc_driver *cc_driver_open(const char *path, char *message, size_t capacity) {
#define SYMBOL(field, symbol, ...) symbol,
  static const char *const names[] = {DRIVER(SYMBOL)};
  cc_driver *driver = malloc(sizeof *driver);
  if (driver && open_table(path, names, sizeof names / sizeof *names, (void **)driver, message, capacity)) return driver;
  free(driver);
  return NULL;
}

const char *cc_driver_symbol(int index) {
  static const char *const names[] = {DRIVER(SYMBOL)};
  return index >= 0 && index < (int)(sizeof names / sizeof *names) ? names[index] : NULL;
}

int cc_init(const cc_driver *d) { return d->init(0); }
int cc_driver_version(const cc_driver *d, int *version) { return d->version(version); }
int cc_device_count(const cc_driver *d, int *count) { return d->count(count); }
int cc_device_name(const cc_driver *d, int device, char *name, int capacity) { return d->name(name, capacity, device); }
int cc_device_attribute(const cc_driver *d, int device, int attribute, int *value) {
  return d->attribute(value, attribute, device);
}
int cc_device_memory(const cc_driver *d, int device, size_t *bytes) { return d->total(bytes, device); }
int cc_context_retain(const cc_driver *d, int device, cc_handle *context) {
  int handle = 0;
  int result = d->device(&handle, device);
  return result ? result : d->retain(context, handle);
}
int cc_context_release(const cc_driver *d, int device) { return d->release(device); }
int cc_context_use(const cc_driver *d, cc_handle context) { return d->use(context); }
int cc_memory_info(const cc_driver *d, size_t *free, size_t *total) { return d->info(free, total); }
int cc_allocate(const cc_driver *d, cc_address *address, size_t bytes) { return d->allocate(address, bytes); }
int cc_free(const cc_driver *d, cc_address address) { return d->free(address); }
int cc_host_allocate(const cc_driver *d, void **pointer, size_t bytes) { return d->host_allocate(pointer, bytes, 1); }
int cc_host_free(const cc_driver *d, void *pointer) { return d->host_free(pointer); }
int cc_copy_in(const cc_driver *d, cc_address to, const void *from, size_t bytes, cc_handle stream) {
  return d->copy_in(to, from, bytes, stream);
}
int cc_copy_out(const cc_driver *d, void *to, cc_address from, size_t bytes, cc_handle stream) {
  return d->copy_out(to, from, bytes, stream);
}
int cc_copy(const cc_driver *d, cc_address to, cc_address from, size_t bytes, cc_handle stream) {
  return d->copy(to, from, bytes, stream);
}
int cc_fill(const cc_driver *d, cc_address address, uint8_t value, size_t bytes, cc_handle stream) {
  return d->fill(address, value, bytes, stream);
}
// Streams that do not wait for the default one.
int cc_stream_make(const cc_driver *d, cc_handle *stream) { return d->stream(stream, 1); }
int cc_stream_end(const cc_driver *d, cc_handle stream) { return d->end_stream(stream); }
int cc_stream_wait(const cc_driver *d, cc_handle stream, cc_handle event) { return d->wait(stream, event, 0); }
int cc_stream_synchronize(const cc_driver *d, cc_handle stream) { return d->synchronize(stream); }
int cc_event_make(const cc_driver *d, int timed, cc_handle *event) { return d->event(event, timed ? 0 : 2); }
int cc_event_end(const cc_driver *d, cc_handle event) { return d->end_event(event); }
int cc_event_record(const cc_driver *d, cc_handle event, cc_handle stream) { return d->record(event, stream); }
int cc_event_synchronize(const cc_driver *d, cc_handle event) { return d->synchronize_event(event); }
int cc_event_elapsed(const cc_driver *d, float *milliseconds, cc_handle start, cc_handle end) {
  return d->elapsed(milliseconds, start, end);
}
int cc_module_load(const cc_driver *d, cc_handle *module, const void *image) { return d->module(module, image); }
int cc_module_unload(const cc_driver *d, cc_handle module) { return d->unload(module); }
int cc_module_function(const cc_driver *d, cc_handle module, const char *name, cc_handle *function) {
  return d->function(function, module, name);
}
int cc_function_attribute(const cc_driver *d, cc_handle function, int attribute, int value) {
  return d->set(function, attribute, value);
}
int cc_launch(
  const cc_driver *d, cc_handle function, uint32_t x, uint32_t y, uint32_t z, uint32_t threads, uint32_t shared,
  cc_handle stream, const void *arguments, size_t bytes) {
  // CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END.
  void *extra[] = {(void *)1, (void *)arguments, (void *)2, &bytes, (void *)0};
  return d->launch(function, x, y, z, threads, 1, 1, shared, stream, NULL, extra);
}
// Captures what this thread submits (CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).
int cc_capture_begin(const cc_driver *d, cc_handle stream) { return d->capture(stream, 1); }
int cc_capture_end(const cc_driver *d, cc_handle stream, cc_handle *graph) { return d->captured(stream, graph); }
int cc_graph_make(const cc_driver *d, cc_handle *executable, cc_handle graph) {
  return d->instantiate(executable, graph, 0);
}
int cc_graph_launch(const cc_driver *d, cc_handle executable, cc_handle stream) { return d->graph(executable, stream); }
int cc_graph_end(const cc_driver *d, cc_handle executable, cc_handle graph) {
  int result = d->end_executable(executable);
  int other = d->end_graph(graph);
  return result ? result : other;
}
const char *cc_describe(const cc_driver *d, int result) {
  const char *words = NULL;
  if (d->describe(result, &words) || !words) return "unknown error";
  return words;
}
