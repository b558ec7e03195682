// SPDX-License-Identifier: Apache-2.0
//
// Striped groups: neighbouring steps that make images from images (convolutions, pools, elementwise
// operators) and run together, some lines at a time, so that what passes between them stays in the
// second-level cache instead of travelling to memory and back. MobileNetV2's first block writes and
// reads 4.8 MB of float32 between its expansion and its depthwise convolution; in stripes of a few
// lines it needs some hundred kilobytes.
//
//   lines of the input      [..........................]      whole, in the arena
//   expansion 1x1              [###########]                  buffers of a worker: they keep the
//   depthwise 3x3               [#########]                   lines that the next stripe needs
//   again projection 1x1, output      [#########]                   whole, in the arena
//
// Each line is computed once, except where a thread's stretch of stripes begins. With several
// threads a group saves meetings, too: they begin and end it together, not every step.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/kernels/kernel.h"

namespace inferd::plan {

struct Step;

// Lines [begin, end) of an image.
struct Lines {
  int64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
  int64_t count() const { return empty() ? 0 : end - begin; }
  bool operator==(const Lines&) const = default;
};

// Which lines of an input lie under lines of the output.
struct LineWindow {
  int64_t stride = 1;
  int64_t padding = 0;  // above the image
  int64_t reach = 0;    // from the first line of a window to its last
  int64_t height = 0;   // of the input
  Lines under(Lines output) const;
};

inline constexpr int kMaxStripedSteps = 32;
inline constexpr int kMaxStripedInputs = 8;

struct StripedStep {
  struct Input {
    int from = -1;  // the group's step that makes it; -1: it is whole, where Step::inputs says
    LineWindow window;
  };
  std::vector<Input> inputs;  // as the step's
  int64_t height = 0;         // of its output
  int64_t line_bytes = 0;     // of its output
  // Whose lines its output lies in: its own, or those of a later step that works in place on them.
  // The last step's are the group's output, in the arena.
  int home = 0;
  int64_t home_offset = 0;  // bytes from there: into a concatenation's lines
  int64_t capacity = 0;     // lines of its buffer, where home is the step itself
  int64_t buffer = 0;       // where that begins in a worker's scratch
};

struct StripedGroup {
  size_t first = 0;  // index of its first step
  std::vector<StripedStep> steps;
  int64_t images = 0;
  int64_t stripe_lines = 0;  // of the output
  int64_t stripes = 0;       // of one image
  int64_t buffer_bytes = 0;  // of a worker's scratch; then that of the kernels
  int64_t worker_bytes = 0;  // all of it
  int max_workers = 1;       // that the plan has scratch for
  size_t end() const { return first + steps.size(); }
};

// Which lines of each step's output the stripes need, one stripe after the other. One thread.
class StripeWalk {
 public:
  // `group` lives longer.
  explicit StripeWalk(const StripedGroup& group) : group_(group) { restart(); }
  // The next stripe follows none: at the start, and in another image.
  void restart();
  // Goes on to the stripe of these lines of the output, which lie after those before.
  void next(Lines output);

  // What the stripe needs of a step's output; what of that is new; and which of it lay in the
  // step's buffer, and was its first line, before (for steps that are their own home).
  Lines needed(int step) const { return needed_[index(step)]; }
  Lines fresh(int step) const { return fresh_[index(step)]; }
  Lines kept(int step) const;
  int64_t buffer_begin(int step) const { return had_[index(step)].begin; }

 private:
  static size_t index(int step) { return static_cast<size_t>(step); }

  const StripedGroup& group_;
  std::array<Lines, kMaxStripedSteps> had_{}, needed_{}, fresh_{};
};

// How `op` reads input `i` when it runs by lines. `whole`: without regard to lines. Nothing when
// the operator cannot run by lines at all.
struct InputLines {
  bool whole = false;
  LineWindow window;
};
std::optional<InputLines> input_lines(const kernels::OpDesc& op, size_t i);

// Places the buffers of a group's steps in a worker's scratch.
void lay_out_buffers(StripedGroup* group, std::span<const Step> steps);

// Finds groups among the steps of a plan, made from `nodes`. `uses`: of each value, by nodes and as
// outputs of the graph. `bytes`: about how much memory a stripe may touch; 0: no groups. `threads`:
// about how many will share a group's stripes.
std::vector<StripedGroup> find_stripes(std::span<const Step> steps,
                                       std::span<const ir::Node* const> nodes,
                                       std::span<const int64_t> uses, int64_t bytes, int threads);

}  // namespace inferd::plan
