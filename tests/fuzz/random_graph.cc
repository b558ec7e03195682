// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/random_graph.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "engine/base/op_fields.h"
#include "engine/ir/builder.h"
#include "engine/ir/ops.h"

namespace inferd {
namespace {

constexpr int kMostTries = 40;              // to add a node; most are refused
constexpr int64_t kMostElements = 1 << 12;  // of a tensor

// Sets members of attributes to small numbers, now and then to absurd ones.
struct RandomAttrs {
  ByteSource& source;

  template <typename T>
  void operator()(std::string_view, T& value) {
    if constexpr (HasFields<T>) {
      visit_fields(value, *this);
    } else if (source.byte() % 2 == 0) {
      set(&value);  // the default otherwise
    }
  }

  template <typename T>
  void set(T* value) {
    if constexpr (std::is_same_v<T, bool>) {
      *value = source.byte() % 2 == 1;
    } else if constexpr (std::is_enum_v<T>) {
      const auto last = static_cast<int64_t>(kEnumerators<T>.size()) - 1;
      *value = static_cast<T>(source.pick(0, last));
    } else {
      constexpr int64_t kAbsurd[] = {-1000, INT32_MIN, INT32_MAX, 1 << 20};
      const int64_t small = source.pick(-2, 5);
      *value = static_cast<T>(source.byte() == 255 ? kAbsurd[source.pick(0, 3)] : small);
    }
  }
  template <typename T>
  void set(std::vector<T>* values) {
    values->resize(static_cast<size_t>(source.pick(0, 5)));
    for (T& value : *values) set(&value);
  }
};

class Maker {
 public:
  explicit Maker(ByteSource source) : source_(source), builder_(graph_) {}

  ir::Graph make() {
    const int64_t inputs = source_.pick(1, 2);
    for (int64_t i = 0; i < inputs; ++i) {
      const DType dtype = pick_dtype();
      values_.push_back(
          builder_.input("x" + std::to_string(i), dtype, pick_shape(), pick_quantization(dtype)));
    }
    for (int i = 0; i < kMostTries && !source_.empty(); ++i) add_node(i);
    const size_t outputs = std::min<size_t>(graph_.nodes().size(), 2);
    for (size_t i = 0; i < outputs; ++i) {
      builder_.output(graph_.nodes()[graph_.nodes().size() - 1 - i].outputs[0]);
    }
    return outputs > 0 && ir::verify(graph_).ok() ? std::move(graph_) : ir::Graph();
  }

 private:
  DType pick_dtype() {
    constexpr DType kUsual[] = {DType::kFloat32, DType::kInt8, DType::kUInt8};
    const int64_t which = source_.pick(0, 5);
    return which < 3 ? kUsual[which] : static_cast<DType>(source_.pick(0, 11));
  }

  Shape pick_shape() {
    Shape shape;
    const int64_t rank = source_.pick(0, 4);
    for (int64_t i = 0; i < rank; ++i)
      shape.push_back(source_.pick(source_.byte() > 250 ? 0 : 1, 7));
    return shape;
  }

  Quantization pick_quantization(DType dtype) {
    if (dtype_size(dtype) != 1 || dtype == DType::kBool || source_.byte() % 8 == 0) return {};
    return {{static_cast<float>(source_.pick(1, 9)) / 16.F},
            {static_cast<int32_t>(dtype == DType::kInt8 ? source_.pick(-128, 127)
                                                        : source_.pick(0, 255))},
            0};
  }

  ir::ValueId constant(DType dtype, const Shape& shape) {
    std::vector<std::byte> bytes(static_cast<size_t>(shape.elements()) * dtype_size(dtype));
    // Small numbers of every type: indices, sizes and weights alike. They all follow from one byte,
    // for the source's bytes to go round for many nodes.
    std::minstd_rand random(source_.byte());
    if (dtype == DType::kFloat32) {
      for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
        const float value = (static_cast<float>(random() % 65) - 32.F) / 8.F;
        std::copy_n(reinterpret_cast<const std::byte*>(&value), 4, &bytes[i]);
      }
    } else {
      for (size_t i = 0; i < bytes.size(); i += dtype_size(dtype)) {
        bytes[i] = static_cast<std::byte>(random() % 9);
      }
    }
    return builder_.constant_bytes("c", dtype, shape, std::move(bytes), pick_quantization(dtype));
  }

  ir::ValueId pick_input() {
    if (source_.byte() % 3 == 0) return constant(pick_dtype(), pick_shape());
    return values_[static_cast<size_t>(source_.pick(0, static_cast<int64_t>(values_.size()) - 1))];
  }

  void add_node(int number) {
    const auto kind = static_cast<OpKind>(source_.pick(0, kOpKindCount - 1));
    if (ir::runs_in_stages(kind)) return;
    const ir::OpInfo& info = ir::op_info(kind);
    const int64_t most = info.max_inputs < 0 ? 4 : info.max_inputs;
    std::vector<ir::ValueId> inputs(static_cast<size_t>(source_.pick(info.min_inputs, most)));
    for (ir::ValueId& input : inputs) input = pick_input();
    OpAttrs attrs = ir::default_attrs(kind);
    std::visit([&](auto& alternative) { visit_fields(alternative, RandomAttrs{source_}); }, attrs);
    std::vector<ir::OutputSpec> outputs(static_cast<size_t>(std::max(info.outputs, 1)));
    for (ir::OutputSpec& output : outputs) {
      const DType dtype = pick_dtype();
      if (source_.byte() % 2 == 0)
        output = ir::OutputSpec::typed("", dtype, pick_quantization(dtype));
    }
    const ir::Graph before = graph_;
    const auto made = builder_.ops(kind, inputs, attrs, "n" + std::to_string(number), outputs);
    if (!made.ok() || !small(*made) || !ir::verify(graph_).ok()) {
      graph_ = before;
      return;
    }
    values_.insert(values_.end(), made->begin(), made->end());
  }

  bool small(const std::vector<ir::ValueId>& ids) const {
    return std::ranges::all_of(ids, [&](ir::ValueId id) {
      const ir::Value& value = graph_.value(id);
      return value.shape_known && value.shape.is_static() &&
             value.shape.elements() <= kMostElements;
    });
  }

  ByteSource source_;
  ir::Graph graph_;
  ir::Builder builder_;
  std::vector<ir::ValueId> values_;
};

}  // namespace

ir::Graph random_graph(ByteSource source) { return Maker(source).make(); }

}  // namespace inferd
