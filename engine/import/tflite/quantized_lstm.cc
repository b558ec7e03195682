// SPDX-License-Identifier: Apache-2.0
//
// The integer LSTM: int8 activations and weights, a 16-bit cell. Each gate's weights are a tensor
// with a scale of its own; ir has one tensor for all gates, with a scale for each row.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/import/tflite/recurrent.h"

namespace inferd::import::tflite_lower {
namespace {

// Inputs, as the float form has them.
constexpr size_t kInputWeights = 1, kRecurrent = 5, kPeephole = 9, kBias = 12, kProjection = 16,
                 kProjectionBias = 17, kH = 18, kC = 19, kNorm = 20;
// In the file's intermediates: what the cells give before projection.
constexpr size_t kHidden = 4;

// Bytes of several constants, one behind the other, read when they are wanted.
std::shared_ptr<const Constant> concatenated(std::vector<std::shared_ptr<const Constant>> parts) {
  size_t bytes = 0;
  for (const auto& part : parts) bytes += part->size();
  return Constant::made(bytes, [parts = std::move(parts)](std::span<std::byte> out) {
    for (const auto& part : parts) {
      const ConstantUse use(part);
      std::copy(use.bytes().begin(), use.bytes().end(), out.begin());
      out = out.subspan(use.bytes().size());
    }
  });
}

class QuantizedLstm {
 public:
  QuantizedLstm(Lowering& l, const ForeignNode& node) : l_(l), node_(node) {}

  Status lower(bool time_major) {
    INFERD_RETURN_IF_ERROR(fill_attrs());
    INFERD_ASSIGN_OR_RETURN(const Sequence sequence, Sequence::of(l_, node_, time_major));
    INFERD_ASSIGN_OR_RETURN(const ValueId x, sequence.input(l_, node_, 0));
    constexpr std::array<size_t, 4> kGates = {0, 3, 1, 2};
    INFERD_ASSIGN_OR_RETURN(const ValueId v, joined(kInputWeights, kGates, DType::kInt8));
    INFERD_ASSIGN_OR_RETURN(const ValueId w, joined(kRecurrent, kGates, DType::kInt8));
    INFERD_ASSIGN_OR_RETURN(const ValueId bias, joined(kBias, kGates, DType::kInt32));
    const Shape shape = l_.info(w).shape;
    if (shape.rank() != 2) return invalid_argument("recurrent weights are not 2-D");
    const int64_t cells = shape[0] / (attrs_.input_from_forget ? 3 : 4);
    INFERD_ASSIGN_OR_RETURN(const ValueId h,
                            initial_state(l_, node_, kH, {sequence.batch(), shape[1]}));
    INFERD_ASSIGN_OR_RETURN(const ValueId c,
                            initial_state(l_, node_, kC, {sequence.batch(), cells}));
    INFERD_RETURN_IF_ERROR(check_cell(l_.info(c)));
    std::vector<ValueId> inputs = {x, v, w, bias, h, c};
    if (attrs_.peephole) {
      constexpr std::array<size_t, 3> kPeepholes = {0, 2, 1};
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), joined(kPeephole, kPeepholes, DType::kInt16));
    }
    if (attrs_.projection) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), l_.input(node_, kProjection));
    }
    if (attrs_.projection_bias) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), l_.input(node_, kProjectionBias));
    }
    return emit(sequence, inputs, h, c);
  }

 private:
  Status fill_attrs() {
    if (l_.has(node_, kNorm + 1)) return unimplemented("layer normalisation in integers");
    attrs_.input_from_forget = !l_.has(node_, kInputWeights);
    attrs_.cell_clip = bound("cell_clip");
    attrs_.peephole = l_.has(node_, kPeephole + 2);
    attrs_.projection = l_.has(node_, kProjection);
    attrs_.projection_bias = l_.has(node_, kProjectionBias);
    if (attrs_.projection) attrs_.projection_clip = bound("proj_clip");
    Quantization hidden = spec(l_, node_).quantization;
    const auto it = node_.attrs.find("intermediates");
    const auto* names =
        it == node_.attrs.end() ? nullptr : std::get_if<std::vector<std::string>>(&it->second);
    if (names != nullptr && names->size() > kHidden) {
      if (const ForeignTensor* t = l_.tensor((*names)[kHidden])) hidden = t->quantization;
    } else if (attrs_.projection) {
      return invalid_argument("has a projection, but does not say how its input is quantized");
    }
    if (hidden.empty() || hidden.zero_point() < -128 || hidden.zero_point() > 127) {
      return invalid_argument("what the cells give has no quantization in 8 bits");
    }
    attrs_.hidden_scale = hidden.scale();
    // The runtime subtracts this zero point where it quantizes, and adds it where it reads.
    attrs_.hidden_zero_point = -hidden.zero_point();
    return ok_status();
  }

  // 0 in the file: no bound.
  float bound(const char* name) const {
    const float value = Lowering::float_attr(node_, name, 0.F);
    return value == 0.F ? kInf : value;
  }

  static Status check_cell(const ir::Value& c) {
    const Quantization& q = c.quantization;
    if (c.dtype != DType::kInt16 || q.empty()) {
      return unimplemented("a cell of type " + std::string(dtype_name(c.dtype)) +
                           " under 8-bit activations");
    }
    int exponent = 0;
    if (std::frexp(q.scale(), &exponent) != 0.5F || exponent < -14 || exponent > -8) {
      return unimplemented("a cell of scale " + std::to_string(q.scale()) +
                           ", which is no power of two from 2^-15 to 2^-9");
    }
    return ok_status();
  }

  // Inputs first + gate for the gates in this order, without the input gate where there is none.
  Result<ValueId> joined(size_t first, std::span<const size_t> order, DType dtype) {
    std::vector<std::shared_ptr<const Constant>> parts;
    Shape shape;
    Quantization rows;
    for (size_t gate : order) {
      if (gate == 0 && attrs_.input_from_forget) continue;
      INFERD_ASSIGN_OR_RETURN(const ValueId id, l_.input(node_, first + gate));
      const ir::Value& value = l_.info(id);
      if (!value.is_constant()) return failed_precondition("weights that are computed");
      if (value.dtype != dtype) {
        return unimplemented("weights of type " + std::string(dtype_name(value.dtype)));
      }
      const bool first_part = parts.empty();
      if (value.shape.rank() < 1 || (!first_part && value.shape.rank() != shape.rank()) ||
          (shape.rank() == 2 && value.shape[1] != shape[1])) {
        return invalid_argument("weights of the gates do not fit together");
      }
      if (dtype != DType::kInt32 &&
          (value.quantization.empty() || value.quantization.per_channel())) {
        return unimplemented("weights of a gate without one scale");
      }
      const int64_t count = value.shape[0];
      if (first_part) {
        shape = value.shape;
      } else if (value.shape[0] * static_cast<int64_t>(parts.size()) != shape[0]) {
        return invalid_argument("gates differ in their number of cells");
      } else {
        shape[0] += count;
      }
      if (dtype != DType::kInt32) add_rows(value.quantization, count, &rows);
      parts.push_back(value.constant);
    }
    return l_.builder().constant(node_.inputs[first + order.back()] + "/gates", dtype, shape,
                                 concatenated(std::move(parts)), rows);
  }

  static void add_rows(const Quantization& q, int64_t count, Quantization* rows) {
    rows->axis = 0;
    rows->scales.insert(rows->scales.end(), static_cast<size_t>(count), q.scale());
    rows->zero_points.insert(rows->zero_points.end(), static_cast<size_t>(count), q.zero_point());
  }

  Status emit(const Sequence& sequence, std::span<const ValueId> inputs, ValueId h, ValueId c) {
    const auto type_of = [&](ValueId id) {
      return OutputSpec::typed("", l_.info(id).dtype, l_.info(id).quantization);
    };
    const std::array specs = {type_of(h), type_of(h), type_of(c)};
    INFERD_ASSIGN_OR_RETURN(const auto made, l_.builder().ops(OpKind::kQuantizedLstm, inputs,
                                                              attrs_, node_.name, specs));
    INFERD_RETURN_IF_ERROR(set_state(l_, node_, kH, made[1]));
    INFERD_RETURN_IF_ERROR(set_state(l_, node_, kC, made[2]));
    return set_directions(l_, node_, sequence, std::array{made[0]});
  }

  Lowering& l_;
  const ForeignNode& node_;
  QuantizedLstmAttrs attrs_;
};

}  // namespace

Status quantized_lstm(Lowering& l, const ForeignNode& node, bool time_major) {
  return QuantizedLstm(l, node).lower(time_major);
}

}  // namespace inferd::import::tflite_lower
