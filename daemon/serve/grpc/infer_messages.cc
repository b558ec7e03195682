// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/infer_messages.h"

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

// What stands beside a request, an input or an output. `title...` says whose parameters they are.
template <typename Options, typename... Title>
Status read_parameters(const google::protobuf::Map<std::string, inference::InferParameter>& map,
                       Options& options, const Title&... title) {
  for (const auto& [name, value] : map) {
    INFERD_RETURN_IF_ERROR(set_parameter(title..., name, to_parameter(value), options));
  }
  return ok_status();
}

}  // namespace

Parameter to_parameter(const inference::InferParameter& parameter) {
  switch (parameter.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam:
      return parameter.bool_param();
    case inference::InferParameter::kInt64Param:
      return int64_t{parameter.int64_param()};
    case inference::InferParameter::kUint64Param:
      return uint64_t{parameter.uint64_param()};
    case inference::InferParameter::kDoubleParam:
      return parameter.double_param();
    case inference::InferParameter::kStringParam:
      return parameter.string_param();
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return std::monostate();
}

Result<std::vector<TensorView>> decode_inputs(const inference::ModelInferRequest& request,
                                              const Model& model,
                                              std::vector<std::vector<std::byte>>& buffers) {
  const bool raw = request.raw_input_contents_size() > 0;
  if (raw && request.raw_input_contents_size() != request.inputs_size()) {
    return invalid_argument("got " + std::to_string(request.raw_input_contents_size()) +
                            " raw_input_contents for " + std::to_string(request.inputs_size()) +
                            " inputs");
  }
  InputBinder binder(model);
  buffers.resize(static_cast<size_t>(request.inputs_size()));
  for (int i = 0; i < request.inputs_size(); ++i) {
    const InputMessage& input = request.inputs(i);
    TensorOptions options;
    INFERD_RETURN_IF_ERROR(read_parameters(input.parameters(), options, title(input)));
    const std::span<const int64_t> shape(input.shape().data(),
                                         static_cast<size_t>(input.shape_size()));
    INFERD_ASSIGN_OR_RETURN(TensorView* const view,
                            binder.bind(input.name(), input.datatype(), shape));
    if (!raw) {
      std::vector<std::byte>& bytes = buffers[static_cast<size_t>(i)];
      INFERD_RETURN_IF_ERROR(convert_contents(input, view->dtype, view->shape, bytes));
      view->data = bytes;
    } else if (elements_in(input.contents()) > 0) {
      return invalid_argument(title(input) + " has contents although raw_input_contents is used");
    } else {
      view->data = std::as_bytes(std::span(request.raw_input_contents(i)));
    }
  }
  return binder.finish();
}

Result<std::vector<WantedOutput>> wanted_outputs(const inference::ModelInferRequest& request,
                                                 const Model& model) {
  if (request.outputs_size() == 0) return every_output(model);
  std::vector<WantedOutput> wanted;
  for (const auto& output : request.outputs()) {
    INFERD_RETURN_IF_ERROR(want_output(model, output.name(), wanted));
    INFERD_RETURN_IF_ERROR(read_parameters(output.parameters(), wanted.back().options,
                                           "output '" + output.name() + "'"));
  }
  return wanted;
}

Result<std::shared_ptr<const InferCall>> decode_call(const inference::ModelInferRequest& request,
                                                     const models::Repository& repository) {
  auto call = std::make_shared<InferCall>();
  INFERD_ASSIGN_OR_RETURN(call->model,
                          find_model(repository, request.model_name(), request.model_version()));
  INFERD_RETURN_IF_ERROR(read_parameters(request.parameters(), call->options));
  const Model& model = *call->model->model;
  INFERD_ASSIGN_OR_RETURN(call->outputs, wanted_outputs(request, model));
  INFERD_ASSIGN_OR_RETURN(call->inputs, decode_inputs(request, model, call->buffers));
  return std::shared_ptr<const InferCall>(std::move(call));
}

void encode_outputs(std::span<const TensorView> outputs, std::span<const WantedOutput> wanted,
                    const models::ModelVersion& model, inference::ModelInferResponse& response) {
  response.set_model_name(model.name);
  response.set_model_version(std::to_string(model.version));
  for (const auto& [index, options] : wanted) {
    const TensorView& view = outputs[index];
    auto* output = response.add_outputs();
    output->set_name(model.model->outputs()[index].name);
    Shape shape = view.shape;
    if (options.classes > 0) {
      const Classes classes = classify(view, options.classes, model);
      output->set_datatype("BYTES");
      shape = classes.shape;
      response.add_raw_output_contents(bytes_tensor(classes.elements));
    } else {
      output->set_datatype(std::string(dtype_name(view.dtype)));
      response.add_raw_output_contents(view.data.data(), view.data.size());
    }
    output->mutable_shape()->Add(shape.begin(), shape.end());
  }
}

}  // namespace inferd::serve
