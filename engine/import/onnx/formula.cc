// SPDX-License-Identifier: Apache-2.0
#include "engine/import/onnx/formula.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/base/float16.h"

namespace inferd::import::onnx_lower {
namespace {

template <typename T>
std::vector<std::byte> bytes_of(T value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> number_bytes(double value, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return bytes_of(static_cast<float>(value));
    case DType::kFloat16:
      return bytes_of(float_to_half(static_cast<float>(value)));
    case DType::kFloat64:
      return bytes_of(value);
    case DType::kInt32:
      return bytes_of(static_cast<int32_t>(value));
    case DType::kUInt32:
      return bytes_of(static_cast<uint32_t>(value));
    case DType::kInt64:
      return bytes_of(static_cast<int64_t>(value));
    case DType::kUInt64:
      return bytes_of(static_cast<uint64_t>(value));
    default:
      return {};
  }
}

}  // namespace

std::vector<int> axes_between(int first, int last) {
  std::vector<int> axes(static_cast<size_t>(std::max(last - first, 0)));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

ValueId Formula::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
  return ir::kNoValue;
}

ValueId Formula::take(Result<ValueId> result) {
  return result.ok() ? *result : fail(result.status());
}

ValueId Formula::input(size_t i) {
  if (!ok()) return ir::kNoValue;
  const ValueId x = take(l_.input(node_, i));
  if (x == ir::kNoValue) return x;
  const Status known = l_.known_rank(x);
  return known.ok() ? x : fail(known);
}

Shape Formula::static_shape(ValueId x, const char* what) {
  if (!ok()) return {};
  if (info(x).shape.is_static()) return info(x).shape;
  fail(failed_precondition(std::string(what) + " of unknown size, " + info(x).shape.to_string()));
  return {};
}

ValueId Formula::op(OpKind kind, std::span<const ValueId> inputs, OpAttrs attrs,
                    const OutputSpec& spec) {
  const bool made = std::find(inputs.begin(), inputs.end(), ir::kNoValue) == inputs.end();
  if (!ok() || !made) return ir::kNoValue;
  return take(l_.builder().op(kind, inputs, std::move(attrs), node_.name, spec));
}

ValueId Formula::reshape(ValueId x, std::vector<int64_t> dims) {
  return op(OpKind::kReshape, {x}, ReshapeAttrs{std::move(dims), true});
}

ValueId Formula::transpose(ValueId x, std::vector<int> perm) {
  if (std::is_sorted(perm.begin(), perm.end())) return x;
  return op(OpKind::kTranspose, {x}, TransposeAttrs{std::move(perm)});
}

ValueId Formula::cast(ValueId x, DType dtype) {
  if (!ok() || info(x).dtype == dtype) return x;
  return op(OpKind::kCast, {x}, {}, OutputSpec::typed("", dtype));
}

ValueId Formula::number(double value, ValueId like) {
  if (!ok()) return ir::kNoValue;
  const DType dtype = info(like).dtype;
  std::vector<std::byte> bytes = number_bytes(value, dtype);
  if (bytes.empty()) {
    return fail(unimplemented("arithmetic on " + std::string(dtype_name(dtype))));
  }
  return l_.builder().constant_bytes(node_.name + "/number", dtype, {}, std::move(bytes));
}

void Formula::output(size_t i, ValueId y) {
  if (!ok() || !wants(i)) return;
  ir::Value& value = l_.builder().graph().value(y);
  if (value.name.empty()) value.name = node_.outputs[i];
  const Status set = l_.set_output(node_, i, y);
  if (!set.ok()) fail(set);
}

}  // namespace inferd::import::onnx_lower
