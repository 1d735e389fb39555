// What Fettle uses of NVIDIA's driver, NVRTC, cuBLASLt and NVML, declared by hand: nothing of CUDA is needed to build.
// Each library is opened with dlopen into a table of functions; a table is valid until its `close`.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Results: 0 is success everywhere; what else a number means, the library's own `describe` says.

// Opens `path` and finds every function of the table. NULL when that fails, with the reason in `message`.
typedef struct cc_driver cc_driver;
typedef struct cc_compiler cc_compiler;
typedef struct cc_products cc_products;
cc_driver *cc_driver_open(const char *path, char *message, size_t capacity);
cc_compiler *cc_compiler_open(const char *path, char *message, size_t capacity);
cc_products *cc_products_open(const char *path, char *message, size_t capacity);

// The name of function `index` of the driver that is needed; NULL after the last.
const char *cc_driver_symbol(int index);

// The driver (libcuda). Addresses are device addresses.
typedef uint64_t cc_address;
typedef void *cc_handle;
enum {
  CC_COMPUTE_MAJOR = 75,
  CC_COMPUTE_MINOR = 76,
  CC_MULTIPROCESSORS = 16,
  CC_SHARED_PER_BLOCK = 97,
};
// Sizes of the functions' own enumerations.
enum { CC_FUNCTION_SHARED_BYTES = 8 };

int cc_init(const cc_driver *);
int cc_driver_version(const cc_driver *, int *version);
int cc_device_count(const cc_driver *, int *count);
int cc_device_name(const cc_driver *, int device, char *name, int capacity);
int cc_device_attribute(const cc_driver *, int device, int attribute, int *value);
int cc_device_memory(const cc_driver *, int device, size_t *bytes);
int cc_context_retain(const cc_driver *, int device, cc_handle *context);
int cc_context_release(const cc_driver *, int device);
int cc_context_use(const cc_driver *, cc_handle context);
int cc_memory_info(const cc_driver *, size_t *free, size_t *total);
int cc_allocate(const cc_driver *, cc_address *address, size_t bytes);
int cc_free(const cc_driver *, cc_address address);
int cc_host_allocate(const cc_driver *, void **pointer, size_t bytes);
int cc_host_free(const cc_driver *, void *pointer);
int cc_copy_in(const cc_driver *, cc_address to, const void *from, size_t bytes, cc_handle stream);
int cc_copy_out(const cc_driver *, void *to, cc_address from, size_t bytes, cc_handle stream);
int cc_copy(const cc_driver *, cc_address to, cc_address from, size_t bytes, cc_handle stream);
int cc_fill(const cc_driver *, cc_address address, uint8_t value, size_t bytes, cc_handle stream);
int cc_stream_make(const cc_driver *, cc_handle *stream);
int cc_stream_end(const cc_driver *, cc_handle stream);
int cc_stream_wait(const cc_driver *, cc_handle stream, cc_handle event);
int cc_stream_synchronize(const cc_driver *, cc_handle stream);
int cc_event_make(const cc_driver *, int timed, cc_handle *event);
int cc_event_end(const cc_driver *, cc_handle event);
int cc_event_record(const cc_driver *, cc_handle event, cc_handle stream);
int cc_event_synchronize(const cc_driver *, cc_handle event);
int cc_event_elapsed(const cc_driver *, float *milliseconds, cc_handle start, cc_handle end);
int cc_module_load(const cc_driver *, cc_handle *module, const void *image);
int cc_module_unload(const cc_driver *, cc_handle module);
int cc_module_function(const cc_driver *, cc_handle module, const char *name, cc_handle *function);
int cc_function_attribute(const cc_driver *, cc_handle function, int attribute, int value);
// `arguments` are the kernel's parameters laid out as a C structure would.
int cc_launch(
  const cc_driver *, cc_handle function, uint32_t x, uint32_t y, uint32_t z, uint32_t threads, uint32_t shared,
  cc_handle stream, const void *arguments, size_t bytes);
int cc_capture_begin(const cc_driver *, cc_handle stream);
int cc_capture_end(const cc_driver *, cc_handle stream, cc_handle *graph);
int cc_graph_make(const cc_driver *, cc_handle *executable, cc_handle graph);
int cc_graph_launch(const cc_driver *, cc_handle executable, cc_handle stream);
int cc_graph_end(const cc_driver *, cc_handle executable, cc_handle graph);
const char *cc_describe(const cc_driver *, int result);

// The run-time compiler (NVRTC).
int cc_compiler_version(const cc_compiler *, int *major, int *minor);
// The newest architecture that it knows, as 90 for compute capability 9.0; 0 when it does not say.
int cc_compiler_newest(const cc_compiler *);
// Compiles `source`. On success `*image` (machine code where `binary`, else PTX) is the caller's to free with `free`;
// otherwise `*log` holds the compiler's words, likewise.
int cc_compile(
  const cc_compiler *, const char *source, const char *name, const char *const *options, int count, int binary,
  char **image, size_t *bytes, char **log);

// Matrix products (cuBLASLt), column-major as the library has them.
typedef struct {
  int type_a, type_b, type_c;  // CC_F32 or CC_BF16
  int transpose_a, transpose_b;
  uint64_t m, n, k;
  int64_t lead_a, lead_b, lead_c;
  uint32_t align_a, align_b, align_c;  // bytes that the addresses are multiples of
  cc_address bias;                     // m elements of type_bias; 0 for none
  int type_bias;
  int fast_tf32;
  size_t workspace;  // most bytes of workspace
} cc_product_shape;
enum { CC_F32 = 0, CC_BF16 = 14 };
typedef struct cc_product cc_product;

int cc_products_start(const cc_products *, cc_handle *handle);
int cc_products_end(const cc_products *, cc_handle handle);
size_t cc_products_version(const cc_products *);
// Finds algorithms, the likeliest first, which is taken unless another is chosen; the same shape on the same card and
// library gives the same ones.
int cc_product_make(const cc_products *, cc_handle handle, const cc_product_shape *, cc_product **product);
int cc_product_choices(const cc_product *product);
void cc_product_choose(cc_product *product, int index);
void cc_product_end(const cc_products *, cc_product *product);
// c = alpha a b + beta c.
int cc_product_run(
  const cc_products *, cc_handle handle, const cc_product *product, float alpha, float beta, cc_address a,
  cc_address b, cc_address c, cc_address workspace, size_t workspace_bytes, cc_handle stream);

// The kernels' sources, embedded.
typedef struct {
  const char *name;  // "rope.cu"
  const char *text;
} cc_kernel_source;
// Source `index` from 0; a NULL name after the last.
cc_kernel_source cc_kernel(int index);
