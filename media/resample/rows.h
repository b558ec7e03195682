// SPDX-License-Identifier: Apache-2.0
//
// What is done to one row of a picture on its way into a tensor, once for each instruction set. All
// give the same bits: those of fixed_point.h.
//
// Rows of centred values have room for a multiple of kBlock of them; what is behind `count` may be
// written and means nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "media/resample/fixed_point.h"

namespace inferd::media {

inline constexpr int kBlock = 16;

// How positions of the tensor find the pixels that they lie between, in a row of one plane. Vector
// units read windows of 16 bytes and pick from them: all windows lie within the row.
struct Gather {
  int count = 0;       // positions
  int components = 0;  // of the plane, 1..3

  // One by one: the bytes of the two pixels of a position, [component][count].
  std::vector<int32_t> low, high;
  // Weights of both, [position][2], for whole blocks.
  std::vector<int16_t> weights;

  // By windows, for whole blocks. A block is two halves of 8 positions; a half has `windows`
  // windows. offsets: [block][window][half]. picks: [block][window][component][half][16]: which
  // byte of the window goes to place 2 * position (low) and 2 * position + 1 (high), or kNothing
  // where another window has it. windows is 0 where the row is shorter than one.
  static constexpr uint8_t kNothing = 0x80;
  int windows = 0;
  std::vector<int32_t> offsets;
  std::vector<uint8_t> picks;

  // By pixels, for formats that keep three components together, where windows hold two positions
  // or one: 8 bytes from offset pixels[position] have both pixels. For the whole blocks of
  // [pixels_begin, pixels_end), which leave out those whose 8 bytes would end behind the row.
  // picks of two of them: [16] to two pairs of each component, and four bytes of nothing.
  int pixels_begin = 0, pixels_end = 0;
  std::vector<int32_t> pixels;
  std::vector<uint8_t> pixel_picks;
};

struct RowKernels {
  const char* name;

  // out[c]: centred values of component c of the row at `row`, for whole blocks.
  void (*gather)(const Gather& g, const uint8_t* row, int16_t* const* out);
  // blend_rows() of `count` values, a multiple of kBlock. out may be a or b.
  void (*blend)(const int16_t* a, const int16_t* b, int weight, int count, int16_t* out);
  // Of three rows each; count is a multiple of kBlock. rgb[c] may be yuv[c].
  void (*to_rgb)(const YuvMatrix& m, const int16_t* const* yuv, int count, int16_t* const* rgb);
  // luma_of() of rgb[0..2] to `out`, which may be one of them; count is a multiple of kBlock.
  void (*luma)(const int16_t* const* rgb, int count, int16_t* out);

  // Elements, `count` of them and not one more: to_byte() or to_step() XOR flip, and to_real().
  void (*bytes)(const int16_t* x, int count, uint8_t flip, uint8_t* out);
  void (*steps)(const int16_t* x, int count, const Steps& steps, uint8_t flip, uint8_t* out);
  void (*reals)(const int16_t* x, int count, const Affine& affine, float* out);
  // out[3 * i + c] = in[c][i]
  void (*mix_bytes)(const uint8_t* const* in, int count, uint8_t* out);
  void (*mix_reals)(const float* const* in, int count, float* out);
};

// Those that this CPU runs, the fastest first; the last is the portable one, plain loops.
std::span<const RowKernels* const> row_kernels();

extern const RowKernels kPortableRows;
extern const RowKernels kSse4Rows, kAvx2Rows;  // x86-64
extern const RowKernels kNeonRows;             // arm64

}  // namespace inferd::media
