// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/detection.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>

#include "engine/kernels/detection_box.h"
#include "engine/kernels/generic/quantized.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {
namespace {

// Order of scores as an integer: the higher, the better. 0 and -0 are equal; one that is no number
// counts as the worst.
uint32_t rank_of(float score) {
  if (std::isnan(score)) score = -kInf;
  const auto bits = std::bit_cast<uint32_t>(score + 0.F);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}
uint32_t rank_of(uint8_t score) { return score; }
uint32_t rank_of(int8_t score) { return static_cast<uint32_t>(score + 128); }

// A score's rank with what it belongs to: the larger key is the better score or, of equal ones, the
// earlier anchor or class.
uint64_t key_of(uint32_t rank, uint32_t index) { return uint64_t{rank} << 32 | ~index; }
uint32_t index_of(uint64_t key) { return ~static_cast<uint32_t>(key); }
uint32_t rank_of(uint64_t key) { return static_cast<uint32_t>(key >> 32); }

float dequantized(int32_t stored, const Quantization& q) {
  return q.scale() * static_cast<float>(stored - q.zero_point());
}

float real_value(const Operand& x, const std::byte* data, int64_t i) {
  if (x.dtype == DType::kFloat32) return reinterpret_cast<const float*>(data)[i];
  const int32_t stored = x.dtype == DType::kUInt8
                             ? int32_t{reinterpret_cast<const uint8_t*>(data)[i]}
                             : int32_t{reinterpret_cast<const int8_t*>(data)[i]};
  return dequantized(stored, x.quantization);
}

std::array<float, 4> four_values(const RunArgs& args, size_t input, int64_t anchor) {
  std::array<float, 4> values{};
  for (size_t k = 0; k < 4; ++k) {
    values[k] =
        real_value(args.op.inputs[input], args.inputs[input], anchor * 4 + static_cast<int64_t>(k));
  }
  return values;
}

// A candidate that suppression kept.
struct Kept {
  uint32_t anchor;
  uint32_t class_id;
  uint32_t rank;
  BoxCorners box;

  // Best first; of equal ones the earlier class, then the earlier anchor.
  bool operator<(const Kept& other) const {
    if (rank != other.rank) return rank > other.rank;
    if (class_id != other.class_id) return class_id < other.class_id;
    return anchor < other.anchor;
  }
};

struct DetectionPlan final : Prepared {
  size_t anchors = 0;
  size_t classes = 0;
  size_t kept = 0;           // room for candidates that suppression keeps
  uint32_t lowest_rank = 0;  // that passes the threshold, for 8-bit scores; 256: none does
};

// The highest of `count` numbers, at least `least`; what is no number never is.
template <typename T>
T highest(const T* x, int64_t count, T least) {
  using Lanes [[gnu::vector_size(16)]] = T;
  constexpr int64_t kLanes = 16 / int64_t{sizeof(T)};
  T most = least;
  if (count < kLanes) {
    for (int64_t i = 0; i < count; ++i) most = x[i] > most ? x[i] : most;
    return most;
  }
  Lanes best = least - Lanes{};
  for (int64_t i = 0; i < count; i += kLanes) {
    Lanes next;
    std::memcpy(&next, x + std::min(i, count - kLanes), sizeof next);  // the last may overlap
    best = next > best ? next : best;
  }
  for (int64_t k = 0; k < kLanes; ++k) most = best[k] > most ? best[k] : most;
  return most;
}

// T: of stored scores.
template <typename T>
class Detector {
 public:
  explicit Detector(const RunArgs& args)
      : args_(args),
        attrs_(args.op.attrs_as<DetectionPostProcessAttrs>()),
        plan_(static_cast<const DetectionPlan&>(*args.prepared)),
        columns_(args.op.inputs[1].shape[2]),
        scores_(args.input<T>(1) + columns_ - attrs_.num_classes) {
    auto* const candidates = reinterpret_cast<uint64_t*>(args.scratch);
    candidates_ = {candidates, plan_.anchors};
    class_keys_ = {candidates + plan_.anchors, plan_.classes};
    kept_ = {reinterpret_cast<Kept*>(class_keys_.data() + plan_.classes), plan_.kept};
    class_best_ = {reinterpret_cast<T*>(kept_.data() + plan_.kept), plan_.classes};
    room_ = static_cast<size_t>(args.op.outputs[2].elements());
  }

  void run() {
    for (size_t i = 0; i < 4; ++i) std::memset(args_.outputs[i], 0, args_.op.outputs[i].bytes());
    attrs_.regular_nms ? regular() : fast();
    args_.output<float>(3)[0] = static_cast<float>(put_);
  }

 private:
  static constexpr T least() {
    return std::is_same_v<T, float> ? static_cast<T>(-kInf) : std::numeric_limits<T>::lowest();
  }

  const T* row(size_t anchor) const { return scores_ + static_cast<int64_t>(anchor) * columns_; }

  bool passes(T score) const {
    if constexpr (std::is_same_v<T, float>) {
      return score >= attrs_.score_threshold;
    } else {
      return rank_of(score) >= plan_.lowest_rank;
    }
  }

  // Suppression once, on each anchor's best class.
  void fast() {
    size_t count = 0;
    for (size_t a = 0; a < plan_.anchors; ++a) {
      const T best = highest(row(a), attrs_.num_classes, least());
      if (passes(best)) candidates_[count++] = key_of(rank_of(best), static_cast<uint32_t>(a));
    }
    const size_t kept = suppress(count, 0, 0, static_cast<size_t>(attrs_.max_detections));
    const auto wanted =
        std::min(static_cast<size_t>(attrs_.max_classes_per_detection), plan_.classes);
    for (const Kept& k : kept_.first(kept)) {
      for (uint32_t c = 0; c < plan_.classes; ++c) {
        class_keys_[c] = key_of(rank_of(row(k.anchor)[c]), c);
      }
      const auto end = class_keys_.begin() + static_cast<std::ptrdiff_t>(wanted);
      std::partial_sort(class_keys_.begin(), end, class_keys_.end(), std::greater<>());
      for (const uint64_t key : class_keys_.first(wanted)) put(k, index_of(key));
    }
  }

  // Suppression in each class; the best of all classes.
  void regular() {
    std::fill(class_best_.begin(), class_best_.end(), least());
    for (size_t a = 0; a < plan_.anchors; ++a) {
      const T* const x = row(a);
      T* const best = class_best_.data();
#pragma GCC ivdep
      for (size_t c = 0; c < plan_.classes; ++c) best[c] = x[c] > best[c] ? x[c] : best[c];
    }
    const auto most = static_cast<size_t>(attrs_.max_detections);
    size_t kept = 0;
    for (uint32_t c = 0; c < plan_.classes; ++c) {
      if (!passes(class_best_[c])) continue;
      // With enough kept, one that is no better than the worst of them would go again.
      const bool full = kept == most;
      const uint32_t worst = full ? kept_[kept - 1].rank : 0;
      size_t count = 0;
      for (size_t a = 0; a < plan_.anchors; ++a) {
        const T score = row(a)[c];
        if (!passes(score) || (full && rank_of(score) <= worst)) continue;
        candidates_[count++] = key_of(rank_of(score), static_cast<uint32_t>(a));
      }
      kept = suppress(count, c, kept, static_cast<size_t>(attrs_.detections_per_class));
      std::sort(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(kept));
      kept = std::min(kept, most);
    }
    for (const Kept& k : kept_.first(kept)) put(k, k.class_id);
  }

  // Greedy over the first `count` candidates from the best to the worst: appends to kept_ from
  // `begin` what overlaps none of those appended before, up to `limit` of them. Returns the end.
  size_t suppress(size_t count, uint32_t class_id, size_t begin, size_t limit) {
    const auto heap_end = [&] { return candidates_.begin() + static_cast<std::ptrdiff_t>(count); };
    std::make_heap(candidates_.begin(), heap_end());
    size_t end = begin;
    for (; count > 0 && end - begin < limit; --count) {
      std::pop_heap(candidates_.begin(), heap_end());
      const uint64_t key = candidates_[count - 1];
      const uint32_t anchor = index_of(key);
      const BoxCorners box =
          decode_box(four_values(args_, 0, anchor), four_values(args_, 2, anchor), attrs_);
      const auto covers = [&](const Kept& k) { return overlap(k.box, box) > attrs_.iou_threshold; };
      const std::span<Kept> appended = kept_.subspan(begin, end - begin);
      if (std::none_of(appended.begin(), appended.end(), covers)) {
        kept_[end++] = {anchor, class_id, rank_of(key), box};
      }
    }
    return end;
  }

  void put(const Kept& k, uint32_t class_id) {
    if (put_ == room_) return;
    const float corners[] = {k.box.y_min, k.box.x_min, k.box.y_max, k.box.x_max};
    std::copy_n(corners, 4, args_.output<float>(0) + put_ * 4);
    args_.output<float>(1)[put_] = static_cast<float>(class_id);
    const int64_t score = row(k.anchor) - args_.input<T>(1) + int64_t{class_id};
    args_.output<float>(2)[put_] = real_value(args_.op.inputs[1], args_.inputs[1], score);
    ++put_;
  }

  const RunArgs& args_;
  const DetectionPostProcessAttrs& attrs_;
  const DetectionPlan& plan_;
  int64_t columns_;
  const T* scores_;  // of the first class behind a background
  std::span<uint64_t> candidates_;
  std::span<uint64_t> class_keys_;
  std::span<Kept> kept_;
  std::span<T> class_best_;
  size_t room_ = 0;  // of the outputs
  size_t put_ = 0;
};

}  // namespace

bool accepts_detection_post_process(const OpDesc& op) {
  return std::all_of(op.inputs.begin(), op.inputs.end(),
                     [](const Operand& x) { return is_float(x) || is_quantized(x); }) &&
         op.inputs[0].shape[1] <= int64_t{UINT32_MAX};
}

std::unique_ptr<Prepared> plan_detection_post_process(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<DetectionPostProcessAttrs>();
  auto plan = std::make_unique<DetectionPlan>();
  plan->anchors = static_cast<size_t>(op.inputs[0].shape[1]);
  plan->classes = static_cast<size_t>(attrs.num_classes);
  // Those of the classes before, and those that one class adds.
  plan->kept = static_cast<size_t>(attrs.max_detections) +
               std::min(plan->anchors, static_cast<size_t>(attrs.detections_per_class));
  if (const Operand& scores = op.inputs[1]; is_quantized(scores)) {
    const int32_t low = type_range(scores.dtype).low;
    const auto real = [&](uint32_t rank) {
      return dequantized(static_cast<int32_t>(rank) + low, scores.quantization);
    };
    while (plan->lowest_rank < 256 && !(real(plan->lowest_rank) >= attrs.score_threshold)) {
      ++plan->lowest_rank;
    }
  }
  plan->scratch_bytes = bytes_of<uint64_t>(plan->anchors + plan->classes) +
                        bytes_of<Kept>(plan->kept) + bytes_of<float>(plan->classes);
  return plan;
}

void run_detection_post_process(const RunArgs& args) {
  switch (args.op.inputs[1].dtype) {
    case DType::kFloat32:
      return Detector<float>(args).run();
    case DType::kUInt8:
      return Detector<uint8_t>(args).run();
    default:
      return Detector<int8_t>(args).run();
  }
}

}  // namespace inferd::kernels::generic
