// SPDX-License-Identifier: Apache-2.0
//
// Pictures of a stream into tensors, each in one pass: every row that is needed is resampled once,
// and goes through colours and normalisation to its place in the tensor while it is in the cache.
#pragma once

#include <optional>
#include <vector>

#include "media/lens.h"
#include "media/preprocess.h"
#include "media/resample/elements.h"
#include "media/resample/mapping.h"
#include "media/resample/rows.h"

namespace inferd::media {

// Keeps what depends on sizes and formats only: a picture like the one before costs no allocation.
// For one thread. The arithmetic is that of resample/fixed_point.h, the same bits on every CPU.
class Preprocessor {
 public:
  // INVALID_ARGUMENT for inputs that take no pictures, and options that check_preprocess() refuses.
  static Result<Preprocessor> create(const Preprocess& options, const TensorInfo& input,
                                     const RowKernels& kernels = *row_kernels().front());
  // The same for pictures that the lens of `view` has bent: what goes into the tensor is what the
  // straight picture shows, of which each element is blended of four pixels of the bent one. Where
  // the camera saw nothing it is black.
  static Result<Preprocessor> create(const Preprocess& options, const TensorInfo& input,
                                     const LensView& view,
                                     const RowKernels& kernels = *row_kernels().front());

  Preprocessor(Preprocessor&&) = default;
  Preprocessor& operator=(Preprocessor&&) = default;

  // Of a new version of the model, alike in everything else.
  Status set_quantization(const Quantization& quantization);

  // Whether the picture is like the one before.
  bool is_planned_for(const Picture& picture) const {
    return picture.format == format_ && picture.width == width_ && picture.height == height_;
  }

  // As fill_tensor(); of a lens also what LensMap refuses, and where nothing was seen.
  Result<Placement> fill(const Picture& picture, std::span<std::byte> tensor);

 private:
  // Components that lie together, and the two rows of the plane that were resampled last.
  struct Plane {
    size_t number = 0, first = 0;  // plane of the picture, component
    int shift_y = 0;
    Gather gather;
    std::array<int, 2> rows{-1, -1};
    std::array<std::array<int16_t*, 3>, 2> values{};  // of resampled_
  };

  // Components that are warped together, and where their values go.
  struct Warped {
    size_t first = 0;  // component
    Warp warp;
    std::array<int16_t*, 3> values{};  // of resampled_
  };

  Preprocessor(const Preprocess& options, const TensorInfo& input, const ImageTensor& tensor,
               const RowKernels& kernels)
      : options_(options), input_(input), tensor_(tensor), kernels_(&kernels) {}

  Status plan(const Picture& picture);
  Status plan_warps(const Picture& picture);
  void plan_planes(const Picture& picture);
  void plan_copy();
  void make_pads();

  size_t resampled(Plane& plane, const Picture& picture, int row, int other) const;
  Line line_of(const Picture& picture, const Tap& tap);
  Line warped_line(const Picture& picture, int number) const;
  void describe(Line& line, const Picture& picture) const;
  void write_upright(Line& line, int y, std::byte* tensor) const;
  void write_turned(Line& line, int x, std::byte* tensor);
  void copy_line(const Picture& picture, int line, std::byte* tensor) const;
  void fill_pads(std::byte* tensor) const;
  size_t row_at(int y, size_t channel) const;

  Preprocess options_;
  TensorInfo input_;
  ImageTensor tensor_;
  std::optional<LensView> view_;
  const RowKernels* kernels_;
  Elements elements_;

  // For pictures of this format and size.
  PixelFormat format_ = PixelFormat::kRgb;
  int width_ = 0, height_ = 0;
  Mapping mapping_;
  std::vector<Tap> lines_;    // across mapping_.down
  int count_ = 0, room_ = 0;  // positions of a line; the same in whole blocks
  std::vector<Plane> planes_;
  std::vector<Warped> warped_;  // of a lens, instead of planes_
  std::vector<int16_t> resampled_;
  std::vector<std::byte> strip_;  // lines that become columns, channel by channel
  std::vector<std::byte> pads_;   // a row of the tensor, channel by channel if they lie so
  bool copies_ = false;           // pixels go in as they are, or with a flipped bit
};

}  // namespace inferd::media
