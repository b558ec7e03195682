// SPDX-License-Identifier: Apache-2.0
//
// What is done to one row of a picture on its way into a tensor, once for each instruction set. All
// give the same bits: those of fixed_point.h.
//
// Rows of centred values have room for a multiple of kBlock of them; what is behind `count` may be
// written and means nothing.
#pragma once

#include <array>
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

enum class ElementKind : uint8_t {
  kBytes,  // the pixel itself, rounded: to_byte() XOR flip
  kSteps,  // a real value, quantized: to_step() XOR flip
  kReals,  // a real value: to_real()
};

// One line of the picture's rectangle in the tensor, from rows of components to elements.
struct Line {
  std::array<const int16_t*, 3> low{}, high{};  // of each component; high has `weight` of kOne
  int weight = 0;
  const YuvMatrix* yuv = nullptr;  // null: the components are red, green and blue
  bool luma = false;               // of them is all that is wanted: one channel
  bool bgr = false;                // the tensor's channels
  ElementKind kind = ElementKind::kBytes;
  uint8_t flip = 0;
  const Steps* steps = nullptr;   // of each channel
  const Affine* reals = nullptr;  // of each channel
  int count = 0;
  bool mixed = false;               // a pixel's three elements lie together, in out[0]
  std::array<std::byte*, 3> out{};  // by channel; count elements and not one more
};

struct RowKernels {
  const char* name;
  // out[c]: centred values of component c of the row at `row`, for whole blocks.
  void (*gather)(const Gather& g, const uint8_t* row, int16_t* const* out);
  void (*finish)(const Line& line);
};

// Those that this CPU runs, the fastest first; the last is the portable one, plain loops.
std::span<const RowKernels* const> row_kernels();

extern const RowKernels kPortableRows;
extern const RowKernels kSse4Rows, kAvx2Rows;  // x86-64
extern const RowKernels kNeonRows;             // arm64

}  // namespace inferd::media
