// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/stripes.h"

#include <algorithm>
#include <numeric>

#include "engine/plan/arena.h"
#include "engine/plan/plan.h"

namespace inferd::plan {
namespace {

using ir::ValueId;
using kernels::OpDesc;

Lines hull(Lines a, Lines b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

bool is_image(const Shape& shape) { return shape.rank() == 4 && shape.elements() > 0; }

const Window2d* window_of(const OpDesc& op) {
  switch (op.kind) {
    case OpKind::kConv2d:
    case OpKind::kDepthwiseConv2d:
      return &op.attrs_as<Conv2dAttrs>().window;
    case OpKind::kMaxPool2d:
    case OpKind::kAveragePool2d:
      return &op.attrs_as<Pool2dAttrs>().window;
    default:
      return nullptr;
  }
}

// One value for all pixels, or one for each channel.
bool same_for_all_lines(const Shape& x, const Shape& y) {
  return x.elements() == 1 || (x.elements() == x.back() && x.back() == y.back());
}

}  // namespace

Lines LineWindow::under(Lines output) const {
  if (output.empty()) return {};
  const int64_t top = output.begin * stride - padding;
  const int64_t bottom = (output.end - 1) * stride - padding + reach + 1;
  const int64_t begin = std::clamp<int64_t>(top, 0, height);
  return {begin, std::clamp(bottom, begin, height)};
}

std::optional<InputLines> input_lines(const OpDesc& op, size_t i) {
  const Shape& x = op.inputs[i].shape;
  const Shape& y = op.outputs[0].shape;
  if (op.outputs.size() != 1 || !is_image(y)) return std::nullopt;
  if (const Window2d* w = window_of(op); w != nullptr) {
    if (i > 0) return InputLines{.whole = true, .window = {}};
    return InputLines{.whole = false,
                      .window = {.stride = w->stride_h,
                                 .padding = w->pad_top,
                                 .reach = int64_t{w->kernel_h - 1} * w->dilation_h,
                                 .height = x[1]}};
  }
  const InputLines same{.whole = false, .window = {.height = y[1]}};
  switch (op.kind) {
    case OpKind::kConcat:
      if (op.attrs_as<ConcatAttrs>().axis != 3) return std::nullopt;
      return same;
    case OpKind::kBinary:
    case OpKind::kPRelu:
    case OpKind::kUnary:
    case OpKind::kClamp:
    case OpKind::kQuantize:
    case OpKind::kDequantize:
    case OpKind::kRequantize:
      if (x == y) return same;
      if (same_for_all_lines(x, y)) return InputLines{.whole = true, .window = {}};
      return std::nullopt;
    case OpKind::kLookup:
      return i == 0 ? same : InputLines{.whole = true, .window = {}};
    default:
      return std::nullopt;
  }
}

void StripeWalk::restart() { had_ = needed_ = {}; }

Lines StripeWalk::kept(int step) const {
  const Lines had = had_[index(step)];
  const Lines need = needed_[index(step)];
  return {std::max(had.begin, need.begin), std::min(had.end, need.end)};
}

void StripeWalk::next(Lines output) {
  const int last = static_cast<int>(group_.steps.size()) - 1;
  for (int s = 0; s <= last; ++s) {
    if (!needed_[index(s)].empty()) had_[index(s)] = needed_[index(s)];
  }
  needed_ = {};
  needed_[index(last)] = output;
  for (int s = last; s >= 0; --s) {
    const StripedStep& step = group_.steps[index(s)];
    Lines fresh = needed_[index(s)];
    // What a step works on in place is gone afterwards, and never asked for again.
    if (step.home == s && s != last) fresh.begin = std::max(fresh.begin, had_[index(s)].end);
    fresh_[index(s)] = fresh;
    for (const StripedStep::Input& input : step.inputs) {
      if (input.from < 0) continue;
      Lines& need = needed_[index(input.from)];
      need = hull(need, input.window.under(fresh));
    }
  }
}

namespace {

// Tries groups of steps and keeps what it needs to know of the graph for that.
class Finder {
 public:
  Finder(std::span<const Step> steps, std::span<const ir::Node* const> nodes,
         std::span<const int64_t> uses, int64_t bytes, int threads)
      : steps_(steps), nodes_(nodes), bytes_(bytes), threads_(threads), uses_(uses) {}

  // The cheapest way to take the steps alone or in groups, found from the last step backwards.
  std::vector<StripedGroup> find() const {
    const size_t count = steps_.size();
    std::vector<double> cost(count + 1, 0);
    std::vector<std::optional<StripedGroup>> chosen(count);  // that begins there
    for (size_t first = count; first-- > 0;) {
      cost[first] = cost_of_step(first) + cost[first + 1];
      for (size_t end = first + 1; end <= count && runs_by_lines(steps_[end - 1]); ++end) {
        if (end - first < 2) continue;
        if (end - first > kMaxStripedSteps) break;
        std::optional<StripedGroup> group = connect(first, end);
        if (!group.has_value() || !cut(&*group)) continue;
        const double with = cost_of_group(*group) + cost[end];
        if (with >= cost[first]) continue;
        cost[first] = with;
        chosen[first] = std::move(group);
      }
    }
    std::vector<StripedGroup> groups;
    for (size_t first = 0; first < count;) {
      std::optional<StripedGroup>& group = chosen[first];
      first = group.has_value() ? group->end() : first + 1;
      if (!group.has_value()) continue;
      lay_out(&*group);
      groups.push_back(*std::move(group));
    }
    return groups;
  }

 private:
  static size_t value(ValueId id) { return static_cast<size_t>(id); }

  // Costs are in bytes from memory. What fits into the cache comes from there, so many times
  // faster; a kernel's call, and threads' meeting, take as long as so many bytes. Found by
  // measuring MobileNets, ResNets and published detectors on one and two threads.
  static constexpr double kCacheGain = 4;
  static constexpr double kCallBytes = 4096;
  static constexpr double kMeetingBytes = 32768;
  static constexpr double kBytesPerCycle = 6;

  // Of writing an output and reading it again.
  double cost_of_output(size_t step) const {
    double bytes = 0;
    for (const kernels::Operand& y : steps_[step].op.outputs) {
      bytes += static_cast<double>(y.bytes());
    }
    return 2 * bytes / (bytes <= static_cast<double>(bytes_) ? kCacheGain : 1);
  }
  double cost_of_step(size_t step) const {
    return cost_of_output(step) + kCallBytes + cost_of_meeting();
  }
  // Threads begin a step together and wait for the last one.
  double cost_of_meeting() const { return threads_ > 1 ? kMeetingBytes : 0; }

  double cost_of_group(const StripedGroup& group) const {
    const auto stripes = static_cast<double>(group.stripes * group.images);
    double cost = cost_of_output(group.end() - 1) + cost_of_meeting();
    // Stretches of stripes, each of which computes the lines above its first one again.
    const double stretches =
        threads_ == 1 ? 1 : std::min(stripes, 4. * static_cast<double>(threads_));
    for (size_t s = group.first; s < group.end(); ++s) {
      const double bytes =
          s + 1 < group.end() ? 2 * static_cast<double>(steps_[s].op.outputs[0].bytes()) : 0;
      const double weights =
          steps_[s].packed == nullptr ? 0 : static_cast<double>(steps_[s].packed->bytes());
      const StripedStep& step = group.steps[s - group.first];
      const double again = static_cast<double>(step.capacity) / static_cast<double>(step.height) -
                           1 / static_cast<double>(group.stripes);
      cost += stretches * again * steps_[s].kernel->cost(steps_[s].op) * kBytesPerCycle;
      cost += bytes / kCacheGain + (stripes - 1) * weights / kCacheGain + stripes * kCallBytes;
    }
    return cost;
  }

  static bool runs_by_lines(const Step& step) {
    if (!step.kernel->has(kernels::kByLines) || step.op.inputs.size() > kMaxStripedInputs)
      return false;
    for (size_t i = 0; i < step.op.inputs.size(); ++i) {
      if (!input_lines(step.op, i).has_value()) return false;
    }
    return true;
  }

  // Steps [first, end) as a group, where only the last one's output is used by others.
  std::optional<StripedGroup> connect(size_t first, size_t end) const {
    StripedGroup group;
    group.first = first;
    const auto count = static_cast<int>(end - first);
    const auto maker = [&](ValueId id) {
      for (int s = 0; s < count; ++s) {
        if (nodes_[first + static_cast<size_t>(s)]->outputs[0] == id) return s;
      }
      return -1;
    };
    std::vector<int64_t> inside(static_cast<size_t>(count), 0);
    for (int s = 0; s < count; ++s) {
      const size_t at = first + static_cast<size_t>(s);
      const kernels::Operand& y = steps_[at].op.outputs[0];
      if (y.shape[0] != steps_[first].op.outputs[0].shape[0]) return std::nullopt;
      StripedStep step{.inputs = {},
                       .height = y.shape[1],
                       .line_bytes = static_cast<int64_t>(y.bytes()) / (y.shape[0] * y.shape[1]),
                       .home = s};
      for (size_t i = 0; i < nodes_[at]->inputs.size(); ++i) {
        const InputLines lines = *input_lines(steps_[at].op, i);
        const int from = maker(nodes_[at]->inputs[i]);
        // Windows that begin and end above the image would need their first line late.
        const bool orderly = !lines.whole && lines.window.padding <= lines.window.reach;
        if (from >= 0 && !orderly) return std::nullopt;
        if (from >= 0) ++inside[static_cast<size_t>(from)];
        step.inputs.push_back({from, lines.window});
      }
      // Alone it need not copy what others make (see Planner::place_inputs).
      const bool made_here = std::any_of(step.inputs.begin(), step.inputs.end(),
                                         [](const auto& input) { return input.from >= 0; });
      if (steps_[at].op.kind == OpKind::kConcat && !made_here) return std::nullopt;
      group.steps.push_back(std::move(step));
    }
    for (int s = 0; s + 1 < count; ++s) {
      const ValueId id = nodes_[first + static_cast<size_t>(s)]->outputs[0];
      const int64_t used = inside[static_cast<size_t>(s)];
      if (used == 0 || used != uses_[value(id)]) return std::nullopt;
    }
    share_homes(&group);
    group.images = steps_[first].op.outputs[0].shape[0];
    return group;
  }

  // A kernel that works in place takes over the lines of its first input.
  void share_homes(StripedGroup* group) const {
    for (int s = static_cast<int>(group->steps.size()); s-- > 0;) {
      const size_t at = group->first + static_cast<size_t>(s);
      const int from = group->steps[static_cast<size_t>(s)].inputs[0].from;
      if (from < 0 || !steps_[at].kernel->has(kernels::kInPlace)) continue;
      if (uses_[value(nodes_[at]->inputs[0])] != 1) continue;
      StripedStep& input = group->steps[static_cast<size_t>(from)];
      if (input.line_bytes != group->steps[static_cast<size_t>(s)].line_bytes) continue;
      input.home = group->steps[static_cast<size_t>(s)].home;
    }
  }

  // Chooses the largest stripes that stay within the limit, or, where everything does, one for each
  // thread. False where they would be a line or nothing, or all lines for the only thread.
  bool cut(StripedGroup* group) const {
    constexpr int64_t kFewestLines = 2;
    const int64_t lines = group->steps.back().height;
    const auto cut_at = [&](int64_t stripe_lines) {  // whether that stays within the limit
      group->stripe_lines = stripe_lines;
      group->stripes = (lines + stripe_lines - 1) / stripe_lines;
      const int64_t stripes[] = {0, group->stripes / 2, group->stripes - 1};
      return measure(group, stripes) <= bytes_;
    };
    if (lines <= kFewestLines || !cut_at(kFewestLines)) return false;
    int64_t most = lines;
    if (!cut_at(lines)) {
      most = kFewestLines;
      for (int64_t too_many = lines; too_many - most > 1;) {
        const int64_t middle = (most + too_many) / 2;
        (cut_at(middle) ? most : too_many) = middle;
      }
    } else if (threads_ == 1) {
      return false;
    }
    int64_t stripes = (lines + most - 1) / most;
    // Few stripes are shared evenly.
    if (stripes < 4 * threads_) stripes = (stripes + threads_ - 1) / threads_ * threads_;
    cut_at((lines + stripes - 1) / stripes);
    return true;
  }

  // Sets the capacities of buffers to what these stripes need when they come first; returns the
  // bytes that one touches at most.
  int64_t measure(StripedGroup* group, std::span<const int64_t> stripes) const {
    const auto count = static_cast<int>(group->steps.size());
    for (StripedStep& step : group->steps) step.capacity = 0;
    StripeWalk walk(*group);
    for (const int64_t s : stripes) {
      walk.restart();
      walk.next({s * group->stripe_lines,
                 std::min((s + 1) * group->stripe_lines, group->steps.back().height)});
      for (int i = 0; i < count; ++i) {
        StripedStep& step = group->steps[static_cast<size_t>(i)];
        step.capacity = std::max(step.capacity, walk.needed(i).count());
      }
    }
    int64_t bytes = 0;
    for (int i = 0; i < count; ++i) {
      const StripedStep& step = group->steps[static_cast<size_t>(i)];
      if (step.home == i) bytes += step.capacity * step.line_bytes;
      for (size_t k = 0; k < step.inputs.size(); ++k) {
        const StripedStep::Input& input = step.inputs[k];
        if (input.from >= 0 || input.window.height == 0) continue;
        const kernels::Operand& x = steps_[group->first + static_cast<size_t>(i)].op.inputs[k];
        const int64_t line = static_cast<int64_t>(x.bytes()) / (x.shape[0] * x.shape[1]);
        bytes += input.window.under({0, step.capacity}).count() * line;
      }
    }
    return bytes;
  }

  void lay_out(StripedGroup* group) const {
    std::vector<int64_t> stripes(static_cast<size_t>(group->stripes));
    std::iota(stripes.begin(), stripes.end(), int64_t{0});
    measure(group, stripes);
    lay_out_buffers(group, steps_);
  }

  std::span<const Step> steps_;
  std::span<const ir::Node* const> nodes_;
  int64_t bytes_;
  int64_t threads_;
  std::span<const int64_t> uses_;  // of each value
};

}  // namespace

void lay_out_buffers(StripedGroup* group, std::span<const Step> steps) {
  int64_t scratch = 0;
  group->buffer_bytes = 0;
  for (size_t i = 0; i < group->steps.size(); ++i) {
    StripedStep& step = group->steps[i];
    const kernels::Prepared* prepared = steps[group->first + i].prepared.get();
    if (prepared != nullptr) {
      scratch = std::max(scratch, prepared->line_scratch_bytes);
    }
    if (step.home != static_cast<int>(i) || i + 1 == group->steps.size()) continue;
    step.buffer = group->buffer_bytes;
    group->buffer_bytes += aligned(step.capacity * step.line_bytes);
  }
  group->worker_bytes = group->buffer_bytes + aligned(scratch);
}

std::vector<StripedGroup> find_stripes(std::span<const Step> steps,
                                       std::span<const ir::Node* const> nodes,
                                       std::span<const int64_t> uses, int64_t bytes, int threads) {
  if (bytes <= 0) return {};
  return Finder(steps, nodes, uses, bytes, threads).find();
}

}  // namespace inferd::plan
