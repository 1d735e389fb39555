// bf16 and back, one number at a time.
#pragma once

#include "lanes.h"

CK_INLINE float ck_widen1(uint16_t x) {
  union { uint32_t u; float f; } bits = {(uint32_t)x << 16};
  return bits.f;
}

/// The nearest bf16, ties to even; a NaN stays one.
CK_INLINE uint16_t ck_narrow1(float x) {
  union { float f; uint32_t u; } bits = {x};
  uint32_t rounded = (bits.u + 0x7FFFu + (bits.u >> 16 & 1u)) >> 16;
  uint32_t quiet = bits.u >> 16 | 0x40u;
  return (uint16_t)((bits.u & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

/// One of the two bf16 around x: `noise`, uniform in 0..<2^16, makes the farther one as likely as it is near, so that
/// the mean is x. Numbers that are not finite stay as they are.
CK_INLINE uint16_t ck_narrow_with(float x, uint16_t noise) {
  union { float f; uint32_t u; } bits = {x};
  uint32_t rounded = (bits.u + noise) >> 16;
  uint32_t special = bits.u >> 16 | ((bits.u & 0x7FFFFFFFu) > 0x7F800000u ? 0x40u : 0u);
  return (uint16_t)((bits.u & 0x7F800000u) == 0x7F800000u ? special : rounded);
}
