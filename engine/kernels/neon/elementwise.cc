// SPDX-License-Identifier: Apache-2.0
//
// Operators on single elements for every arm64. A file of its own: unlike the inner loops of
// kernels.cc, these are the compiler's to schedule.
#include <arm_neon.h>

#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/rows.h"

namespace inferd::kernels::neon {
namespace {

struct Elements {
  static constexpr double kElementsPerCycle = 4;

  using Floats = float32x4_t;
  static Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
  static Floats reciprocal(Floats a) { return 1.F / a; }

  // tbl looks up in 64 bytes and gives 0 beyond them, tbx keeps what it had: the four quarters of
  // the table in turn, the index less where each begins.
  static void lookup(const uint8_t* table, const uint8_t* x, int64_t n, uint8_t* y) {
    const uint8x16x4_t t0 = vld1q_u8_x4(table);
    const uint8x16x4_t t1 = vld1q_u8_x4(table + 64);
    const uint8x16x4_t t2 = vld1q_u8_x4(table + 128);
    const uint8x16x4_t t3 = vld1q_u8_x4(table + 192);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const uint8x16_t index = vld1q_u8(x + i);
      uint8x16_t out = vqtbl4q_u8(t0, index);
      out = vqtbx4q_u8(out, t1, vsubq_u8(index, vdupq_n_u8(64)));
      out = vqtbx4q_u8(out, t2, vsubq_u8(index, vdupq_n_u8(128)));
      out = vqtbx4q_u8(out, t3, vsubq_u8(index, vdupq_n_u8(192)));
      vst1q_u8(y + i, out);
    }
    for (; i < n; ++i) y[i] = table[x[i]];
  }
};

}  // namespace

std::span<const Kernel> elementwise_rows() {
  return generic::kElementwiseRows<Elements, Isa::kNeon>;
}

}  // namespace inferd::kernels::neon
