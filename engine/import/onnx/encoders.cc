// SPDX-License-Identifier: Apache-2.0
//
// Imputer, LabelEncoder and OneHotEncoder of ai.onnx.ml: values are held against a list, all at
// once. The engine has no strings, so that lists of them are refused.
#include <array>

#include "engine/import/onnx/classic.h"

namespace inferd::import::onnx_lower {
namespace {

// A list of integers or floats as a constant [count].
Result<ValueId> list_constant(Lowering& l, const ForeignNode& node, const char* ints,
                              const char* floats) {
  ir::Builder& b = l.builder();
  if (const auto values = Lowering::ints_attr(node, ints); !values.empty()) {
    return b.constant_int64s(node.name + "/" + ints, values);
  }
  const auto values = list_attr<float>(node, floats);
  if (values.empty()) {
    return unimplemented(std::string("neither ") + ints + " nor " + floats + " (strings?)");
  }
  return b.constant_floats(node.name + "/" + floats, {static_cast<int64_t>(values.size())}, values);
}

// x[...,1] == list[K], which is bool[...,K].
Result<ValueId> equals(Lowering& l, const ForeignNode& node, ValueId x, ValueId list) {
  if (l.info(x).dtype != l.info(list).dtype) {
    return invalid_argument("input of type " + std::string(dtype_name(l.info(x).dtype)) +
                            " is held against a list of type " +
                            std::string(dtype_name(l.info(list).dtype)));
  }
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  if (l.info(x).shape.rank() >= kMaxRank) return unimplemented("an input of that many dimensions");
  std::vector<int64_t> dims(static_cast<size_t>(l.info(x).shape.rank()), 0);
  dims.push_back(1);
  INFERD_ASSIGN_OR_RETURN(const ValueId column, l.builder().reshape(x, dims, node.name));
  return compare(l, node, CompareKind::kEqual, column, list);
}

// Input 0 in the type of the list that it is held against.
Result<ValueId> comparable(Lowering& l, const ForeignNode& node, bool integers) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const DType wanted = integers ? DType::kInt64 : DType::kFloat32;
  if (l.info(x).dtype == wanted) return x;
  if (l.info(x).dtype == DType::kFloat64) return unimplemented("input in double precision");
  return l.builder().op(OpKind::kCast, {x}, {}, node.name + "/cast", OutputSpec::typed("", wanted));
}

}  // namespace

// The imputed value where x is the replaced one.
Status imputer(Lowering& l, const ForeignNode& node) {
  const bool integers = Lowering::has_attr(node, "imputed_value_int64s");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, comparable(l, node, integers));
  INFERD_ASSIGN_OR_RETURN(const ValueId imputed,
                          list_constant(l, node, "imputed_value_int64s", "imputed_value_floats"));
  const float value = Lowering::float_attr(node, "replaced_value_float", 0.F);
  ValueId missing = ir::kNoValue;
  if (integers) {
    const std::array replaced = {Lowering::int_attr(node, "replaced_value_int64", 0)};
    const ValueId c = l.builder().constant_int64s(node.name + "/replaced", replaced);
    INFERD_ASSIGN_OR_RETURN(missing, compare(l, node, CompareKind::kEqual, x, c));
  } else if (value != value) {  // NaN, which is the one thing that does not equal itself
    INFERD_ASSIGN_OR_RETURN(missing, compare(l, node, CompareKind::kNotEqual, x, x));
  } else {
    const ValueId c = scalar_constant(l, node, value);
    INFERD_ASSIGN_OR_RETURN(missing, compare(l, node, CompareKind::kEqual, x, c));
  }
  return emit(l, node, OpKind::kSelect, std::array{imputed, x, missing}, {});
}

// values[i] for the first key i that x equals, the default where there is none.
Status label_encoder(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId keys, list_constant(l, node, "keys_int64s", "keys_floats"));
  INFERD_ASSIGN_OR_RETURN(const ValueId values,
                          list_constant(l, node, "values_int64s", "values_floats"));
  if (l.info(keys).shape != l.info(values).shape) {
    return invalid_argument("keys and values differ in number");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x,
                          comparable(l, node, l.info(keys).dtype == DType::kInt64));
  INFERD_ASSIGN_OR_RETURN(ValueId hit, equals(l, node, x, keys));
  const int axis = l.info(hit).shape.rank() - 1;
  INFERD_ASSIGN_OR_RETURN(hit, as_float(l, node, hit));
  const ReduceAttrs over{ReduceKind::kMax, {axis}, false};
  INFERD_ASSIGN_OR_RETURN(const ValueId any, b.op(OpKind::kReduce, {hit}, over, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId which,
                          b.op(OpKind::kArgMax, {hit}, ArgMaxAttrs{axis, false}, node.name,
                               OutputSpec::typed("", DType::kInt64)));
  INFERD_ASSIGN_OR_RETURN(const ValueId found,
                          b.op(OpKind::kGather, {values, which}, GatherAttrs{0}, node.name));
  const bool integers = l.info(values).dtype == DType::kInt64;
  const std::array unknown = {Lowering::int_attr(node, "default_int64", -1)};
  const ValueId otherwise =
      integers ? b.constant_int64s(node.name + "/default", unknown)
               : scalar_constant(l, node, Lowering::float_attr(node, "default_float", -0.F));
  INFERD_ASSIGN_OR_RETURN(const ValueId known, compare(l, node, CompareKind::kNotEqual, any,
                                                       scalar_constant(l, node, 0.F)));
  return emit(l, node, OpKind::kSelect, std::array{found, otherwise, known}, {});
}

// One column for each category, 1 in that of x. What is in none gives zeros, as `zeros` asks for;
// without it that is an error in other runtimes.
Status one_hot_encoder(Lowering& l, const ForeignNode& node) {
  if (Lowering::has_attr(node, "cats_strings")) return unimplemented("categories that are strings");
  const auto categories = Lowering::ints_attr(node, "cats_int64s");
  if (categories.empty()) return invalid_argument("has no categories");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, comparable(l, node, true));
  const ValueId list = l.builder().constant_int64s(node.name + "/categories", categories);
  INFERD_ASSIGN_OR_RETURN(const ValueId hit, equals(l, node, x, list));
  return emit(l, node, OpKind::kCast, std::array{hit}, {},
              OutputSpec::typed(named(node).name, DType::kFloat32));
}

}  // namespace inferd::import::onnx_lower
