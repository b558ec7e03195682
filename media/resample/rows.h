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

  // One by one: the bytes of the two pixels of a position, [component][count]. Where one of them
  // has all the weight it is both, with a half each, so that weights are bytes.
  std::vector<int32_t> low, high;
  // Weights of both, [position][2], for whole blocks. They add up to kOnePixel.
  std::vector<uint8_t> weights;

  // By windows, for whole blocks. A block is two halves of 8 positions; a half has `windows`
  // windows. offsets: [block][window][half]. picks: [block][window][component][half][16]: which
  // byte of the window goes to place 2 * position (low) and 2 * position + 1 (high), or kNothing
  // where another window has it. windows is 0 where the row is shorter than one.
  static constexpr uint8_t kNothing = 0x80;
  int windows = 0;
  std::vector<int32_t> offsets;
  std::vector<uint8_t> picks;

  // By twos, for formats that keep three components together: a half is four times two positions,
  // and all bytes of two are picked at once. twos: where their window begins, [block][two][half];
  // if they are far apart, where 8 bytes begin that have both pixels of each,
  // [block][two][half][2]. two_picks: [block][two][half][16], to two pairs of each component and
  // four bytes of nothing.
  bool far_apart = false;
  std::vector<int32_t> twos;
  std::vector<uint8_t> two_picks;
};

// How positions of the tensor find the four pixels that they lie between where a lens has bent
// lines, in one plane: components that share a grid, each position for itself.
struct Warp {
  int count = 0, lines = 0;    // positions of a line; lines
  int components = 0;          // 1..3
  int step = 0;                // bytes from a pixel to the next one in its row
  std::array<int, 3> first{};  // of each component, from `columns`

  // By position, [line][room()].
  std::vector<int32_t> columns;  // of the upper left pixel: bytes from the begin of its row
  std::vector<uint16_t> rows;
  std::vector<std::array<uint8_t, 4>> weights;  // of upper, lower, left, right; of kWarpOne

  // Vector units read 8 bytes from `columns` on, in two rows, and pick pairs of upper and lower
  // bytes. Blocks some of whose windows would end behind the plane are careful, [line][block]:
  // plain loops do them.
  std::array<uint8_t, 16> picks{};
  std::vector<uint8_t> careful;

  // What the camera did not see: runs of positions, those of a line from unseen_of[line] to
  // unseen_of[line + 1]. Kernels write anything there.
  struct Run {
    int begin, end;
  };
  std::vector<Run> unseen;
  std::vector<size_t> unseen_of;
  bool blind = true;  // it saw nothing at all

  // Not of one instruction set: always inlined.
  [[gnu::always_inline]] int room() const { return (count + kBlock - 1) / kBlock * kBlock; }
  [[gnu::always_inline]] size_t at(int line) const {
    return static_cast<size_t>(line) * static_cast<size_t>(room());
  }
};

enum class ElementKind : uint8_t {
  kBytes,  // the pixel itself, rounded: to_byte() XOR flip
  kSteps,  // a real value, quantized: to_step() XOR flip
  kReals,  // a real value: to_real()
};

// One line of the picture's rectangle in the tensor, from rows of components to elements.
struct Line {
  std::array<const int16_t*, 3> low{}, high{};  // of each component; high has `weight` of kOneRow
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
  // The same as gather() for a line of a bent picture's plane, with both sides blended.
  void (*warp)(const Warp& w, int line, const uint8_t* plane, size_t stride, int16_t* const* out);
};

// Those that this CPU runs, the fastest first; the last is the portable one, plain loops.
std::span<const RowKernels* const> row_kernels();

// Positions [first, last) of warp() in plain loops.
void warp_plainly(const Warp& w, int line, int first, int last, const uint8_t* plane, size_t stride,
                  int16_t* const* out);

extern const RowKernels kPortableRows;
extern const RowKernels kSse4Rows, kAvx2Rows;  // x86-64
extern const RowKernels kNeonRows;             // arm64

}  // namespace inferd::media
