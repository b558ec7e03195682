// SPDX-License-Identifier: Apache-2.0
//
// Plain loops, for the compiler's vectorizer and for CPUs without the instructions of the others.
#include "media/resample/rows.h"

namespace inferd::media {
namespace {

void gather(const Gather& g, const uint8_t* row, int16_t* const* out) {
  for (int c = 0; c < g.components; ++c) {
    const int32_t* low = g.low.data() + c * g.count;
    const int32_t* high = g.high.data() + c * g.count;
    const int16_t* w = g.weights.data();
    for (int i = 0; i < g.count; ++i)
      out[c][i] = blend_bytes(row[low[i]], row[high[i]], w[2 * i], w[2 * i + 1]);
  }
}

void blend(const int16_t* a, const int16_t* b, int weight, int count, int16_t* out) {
  for (int i = 0; i < count; ++i) out[i] = blend_rows(a[i], b[i], kOne - weight, weight);
}

void to_rgb(const YuvMatrix& m, const int16_t* const* yuv, int count, int16_t* const* rgb) {
  for (int i = 0; i < count; ++i)
    yuv_to_rgb(m, yuv[0][i], yuv[1][i], yuv[2][i], rgb[0][i], rgb[1][i], rgb[2][i]);
}

void luma(const int16_t* const* rgb, int count, int16_t* out) {
  for (int i = 0; i < count; ++i) out[i] = luma_of(rgb[0][i], rgb[1][i], rgb[2][i]);
}

void bytes(const int16_t* x, int count, uint8_t flip, uint8_t* out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(to_byte(x[i]) ^ flip);
}

void steps(const int16_t* x, int count, const Steps& s, uint8_t flip, uint8_t* out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(to_step(x[i], s) ^ flip);
}

void reals(const int16_t* x, int count, const Affine& affine, float* out) {
  for (int i = 0; i < count; ++i) out[i] = to_real(x[i], affine);
}

template <typename T>
void mix(const T* const* in, int count, T* out) {
  for (int i = 0; i < count; ++i) {
    for (int c = 0; c < 3; ++c) out[3 * i + c] = in[c][i];
  }
}

}  // namespace

const RowKernels kPortableRows = {"portable", gather, blend, to_rgb,       luma,
                                  bytes,      steps,  reals, mix<uint8_t>, mix<float>};

}  // namespace inferd::media
