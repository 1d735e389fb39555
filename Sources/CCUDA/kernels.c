// The kernels' sources as text in the program.
#include "CCUDA.h"

#define SOURCE(name) static const char name[] = {

SOURCE(prelude)
#embed "kernels/prelude.cuh"
  , 0};
SOURCE(embedding)
#embed "kernels/embedding.cu"
  , 0};
SOURCE(rows)
#embed "kernels/rows.cu"
  , 0};
SOURCE(norm)
#embed "kernels/norm.cu"
  , 0};
SOURCE(rope)
#embed "kernels/rope.cu"
  , 0};
SOURCE(attention)
#embed "kernels/attention.cu"
  , 0};
SOURCE(flash)
#embed "kernels/flash.cu"
  , 0};
SOURCE(cache)
#embed "kernels/cache.cu"
  , 0};
SOURCE(gated)
#embed "kernels/gated.cu"
  , 0};
SOURCE(loss)
#embed "kernels/loss.cu"
  , 0};
SOURCE(elements)
#embed "kernels/elements.cu"
  , 0};
SOURCE(reduce)
#embed "kernels/reduce.cu"
  , 0};
SOURCE(update)
#embed "kernels/update.cu"
  , 0};

SOURCE(adafactor)
#embed "kernels/adafactor.cu"
  , 0};

cc_kernel_source cc_kernel(int index) {
  static const cc_kernel_source sources[] = {
    {"prelude.cuh", prelude}, {"embedding.cu", embedding}, {"rows.cu", rows}, {"norm.cu", norm}, {"rope.cu", rope},
    {"attention.cu", attention}, {"flash.cu", flash},
    {"cache.cu", cache}, {"gated.cu", gated}, {"loss.cu", loss},
    {"elements.cu", elements}, {"reduce.cu", reduce}, {"update.cu", update},
    {"adafactor.cu", adafactor},
  };
  static const cc_kernel_source none = {0, 0};
  return index >= 0 && index < (int)(sizeof sources / sizeof *sources) ? sources[index] : none;
}
