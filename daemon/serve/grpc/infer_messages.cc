// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/infer_messages.h"

#include <algorithm>

namespace inferd::serve {
namespace {

using InputMessage = inference::ModelInferRequest::InferInputTensor;

std::string title(const InputMessage& input) { return "input '" + input.name() + "'"; }

int elements_in(const inference::InferTensorContents& c) {
  return c.bool_contents_size() + c.int_contents_size() + c.int64_contents_size() +
         c.uint_contents_size() + c.uint64_contents_size() + c.fp32_contents_size() +
         c.fp64_contents_size() + c.bytes_contents_size();
}

// `field` is where the protocol puts elements of the input's datatype.
template <typename To, typename Field>
Status convert(const Field& field, const char* field_name, const InputMessage& input,
               const Shape& shape, std::vector<std::byte>& out) {
  if (elements_in(input.contents()) != field.size()) {
    return invalid_argument(title(input) + " has typed contents outside " + field_name +
                            ", where " + input.datatype() + " elements belong");
  }
  INFERD_ASSIGN_OR_RETURN(const int64_t needed, checked_elements(shape));
  if (field.size() != needed) {
    return invalid_argument(title(input) + " has " + std::to_string(field.size()) +
                            " elements in " + field_name + ", shape " + shape.to_string() +
                            " needs " + std::to_string(needed));
  }
  out.resize(static_cast<size_t>(field.size()) * sizeof(To));
  To* elements = reinterpret_cast<To*>(out.data());
  for (int i = 0; i < field.size(); ++i) {
    const auto value = field.Get(i);
    if constexpr (std::is_integral_v<To> && !std::is_same_v<To, bool>) {
      if (static_cast<decltype(field.Get(0))>(static_cast<To>(value)) != value) {
        return invalid_argument(title(input) + " element " + std::to_string(i) + " is " +
                                std::to_string(value) + ", out of range for " + input.datatype());
      }
    }
    elements[i] = static_cast<To>(value);
  }
  return ok_status();
}

Status convert_contents(const InputMessage& input, DType dtype, const Shape& shape,
                        std::vector<std::byte>& out) {
  const inference::InferTensorContents& c = input.contents();
  switch (dtype) {
    case DType::kBool:
      return convert<bool>(c.bool_contents(), "bool_contents", input, shape, out);
    case DType::kInt8:
      return convert<int8_t>(c.int_contents(), "int_contents", input, shape, out);
    case DType::kInt16:
      return convert<int16_t>(c.int_contents(), "int_contents", input, shape, out);
    case DType::kInt32:
      return convert<int32_t>(c.int_contents(), "int_contents", input, shape, out);
    case DType::kInt64:
      return convert<int64_t>(c.int64_contents(), "int64_contents", input, shape, out);
    case DType::kUInt8:
      return convert<uint8_t>(c.uint_contents(), "uint_contents", input, shape, out);
    case DType::kUInt16:
      return convert<uint16_t>(c.uint_contents(), "uint_contents", input, shape, out);
    case DType::kUInt32:
      return convert<uint32_t>(c.uint_contents(), "uint_contents", input, shape, out);
    case DType::kUInt64:
      return convert<uint64_t>(c.uint64_contents(), "uint64_contents", input, shape, out);
    case DType::kFloat32:
      return convert<float>(c.fp32_contents(), "fp32_contents", input, shape, out);
    case DType::kFloat64:
      return convert<double>(c.fp64_contents(), "fp64_contents", input, shape, out);
    case DType::kFloat16:
      break;
  }
  return invalid_argument(title(input) +
                          " has datatype FP16, which has no typed contents; send it raw");
}

Result<Shape> shape_of(const InputMessage& input, const TensorInfo& info) {
  Shape shape;
  const std::string expected = ", the model takes " + info.shape.to_string();
  if (input.shape_size() > kMaxRank) {
    return invalid_argument(title(input) + " has " + std::to_string(input.shape_size()) +
                            " dimensions" + expected);
  }
  for (int64_t dim : input.shape()) {
    if (dim < 0) {
      return invalid_argument(title(input) + " has a negative dimension, " + std::to_string(dim) +
                              expected);
    }
    shape.push_back(dim);
  }
  return shape;
}

// Kernels may rely on it; a bool with another value is undefined behaviour.
Status check_bools(const InputMessage& input, std::span<const std::byte> bytes) {
  const auto wrong =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
  if (wrong == bytes.end()) return ok_status();
  return invalid_argument(title(input) + " element " + std::to_string(wrong - bytes.begin()) +
                          " is " + std::to_string(std::to_integer<int>(*wrong)) +
                          ", a BOOL is 0 or 1");
}

std::string names_of(std::span<const TensorInfo> infos) {
  std::string names;
  for (const TensorInfo& info : infos) names += (names.empty() ? "'" : ", '") + info.name + "'";
  return names;
}

// Position of `name`, or infos.size().
size_t index_of(std::span<const TensorInfo> infos, const std::string& name) {
  const auto at = std::find_if(infos.begin(), infos.end(),
                               [&](const TensorInfo& info) { return info.name == name; });
  return static_cast<size_t>(at - infos.begin());
}

}  // namespace

Result<std::vector<TensorView>> decode_inputs(const inference::ModelInferRequest& request,
                                              const Model& model,
                                              std::vector<std::vector<std::byte>>& converted) {
  const std::span<const TensorInfo> infos = model.inputs();
  const bool raw = request.raw_input_contents_size() > 0;
  if (raw && request.raw_input_contents_size() != request.inputs_size()) {
    return invalid_argument("got " + std::to_string(request.raw_input_contents_size()) +
                            " raw_input_contents for " + std::to_string(request.inputs_size()) +
                            " inputs");
  }
  std::vector<TensorView> views(infos.size());
  std::vector<bool> given(infos.size(), false);
  converted.resize(static_cast<size_t>(request.inputs_size()));
  for (int i = 0; i < request.inputs_size(); ++i) {
    const InputMessage& input = request.inputs(i);
    const size_t index = index_of(infos, input.name());
    if (index == infos.size()) {
      return invalid_argument("the model has no " + title(input) + "; it takes " + names_of(infos));
    }
    if (given[index]) return invalid_argument(title(input) + " stands twice");
    given[index] = true;
    const std::optional<DType> dtype = dtype_from_name(input.datatype());
    if (dtype != infos[index].dtype) {
      return invalid_argument(title(input) + " has datatype '" + input.datatype() +
                              "', the model takes " + std::string(dtype_name(infos[index].dtype)));
    }
    TensorView& view = views[index];
    view.dtype = *dtype;
    INFERD_ASSIGN_OR_RETURN(view.shape, shape_of(input, infos[index]));
    if (!raw) {
      std::vector<std::byte>& bytes = converted[static_cast<size_t>(i)];
      INFERD_RETURN_IF_ERROR(convert_contents(input, *dtype, view.shape, bytes));
      view.data = bytes;
    } else if (elements_in(input.contents()) > 0) {
      return invalid_argument(title(input) + " has contents although raw_input_contents is used");
    } else {
      view.data = std::as_bytes(std::span(request.raw_input_contents(i)));
      if (*dtype == DType::kBool) INFERD_RETURN_IF_ERROR(check_bools(input, view.data));
    }
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    if (!given[i]) return invalid_argument("input '" + infos[i].name + "' is missing");
  }
  return views;
}

Result<std::vector<size_t>> requested_outputs(const inference::ModelInferRequest& request,
                                              const Model& model) {
  const std::span<const TensorInfo> infos = model.outputs();
  std::vector<size_t> chosen;
  for (size_t i = 0; request.outputs_size() == 0 && i < infos.size(); ++i) chosen.push_back(i);
  for (const auto& output : request.outputs()) {
    const size_t index = index_of(infos, output.name());
    if (index == infos.size()) {
      return invalid_argument("the model has no output '" + output.name() + "'; it gives " +
                              names_of(infos));
    }
    if (std::find(chosen.begin(), chosen.end(), index) != chosen.end()) {
      return invalid_argument("output '" + output.name() + "' is requested twice");
    }
    chosen.push_back(index);
  }
  return chosen;
}

void encode_outputs(std::span<const TensorView> outputs, std::span<const size_t> chosen,
                    const Model& model, inference::ModelInferResponse& response) {
  for (size_t index : chosen) {
    const TensorView& view = outputs[index];
    auto* output = response.add_outputs();
    output->set_name(model.outputs()[index].name);
    output->set_datatype(std::string(dtype_name(view.dtype)));
    for (int64_t dim : view.shape) output->add_shape(dim);
    response.add_raw_output_contents(view.data.data(), view.data.size());
  }
}

}  // namespace inferd::serve
