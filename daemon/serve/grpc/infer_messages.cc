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

using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

// What stands beside an input or an output.
Status read_parameters(const Parameters& parameters, const std::string& tensor,
                       TensorOptions& options, TensorPlace& place) {
  for (const auto& [name, parameter] : parameters) {
    const Parameter value = to_parameter(parameter);
    INFERD_ASSIGN_OR_RETURN(const bool is_place, set_place(tensor, name, value, place));
    if (!is_place) INFERD_RETURN_IF_ERROR(set_parameter(tensor, name, value, options));
  }
  return ok_status();
}

// Raw contents are those of the inputs that do not lie in shared memory, in their order.
Status check_raw_contents(const inference::ModelInferRequest& request) {
  const auto in_message = std::count_if(
      request.inputs().begin(), request.inputs().end(), [](const InputMessage& input) {
        return !input.parameters().contains("shared_memory_region");
      });
  const int raw = request.raw_input_contents_size();
  if (raw == 0 || raw == in_message) return ok_status();
  return invalid_argument("got " + std::to_string(raw) + " raw_input_contents for " +
                          std::to_string(in_message) + " inputs");
}

// The inputs of one request, one after the other.
class InputDecoder {
 public:
  InputDecoder(const inference::ModelInferRequest& request, const Model& model,
               const SharedMemory& memory, InferCall& call)
      : request_(request), memory_(memory), call_(call), binder_(model) {}

  Status decode() {
    INFERD_RETURN_IF_ERROR(check_raw_contents(request_));
    for (const InputMessage& input : request_.inputs()) INFERD_RETURN_IF_ERROR(decode(input));
    INFERD_ASSIGN_OR_RETURN(call_.inputs, binder_.finish());
    return ok_status();
  }

 private:
  Status decode(const InputMessage& input) {
    TensorOptions options;
    TensorPlace place;
    INFERD_RETURN_IF_ERROR(read_parameters(input.parameters(), title(input), options, place));
    const std::span<const int64_t> shape(input.shape().data(),
                                         static_cast<size_t>(input.shape_size()));
    INFERD_ASSIGN_OR_RETURN(TensorView* const view,
                            binder_.bind(input.name(), input.datatype(), shape));
    const bool raw = request_.raw_input_contents_size() > 0;
    const bool is_elsewhere = raw || !place.region.empty();
    if (is_elsewhere && elements_in(input.contents()) > 0) {
      return invalid_argument(title(input) + " has contents although " +
                              (raw ? "raw_input_contents is used" : "it lies in shared memory"));
    }
    if (!place.region.empty()) return binder_.read(*view, memory_, place, call_.shared);
    if (raw) {
      view->data = std::as_bytes(std::span(request_.raw_input_contents(raw_used_++)));
      return ok_status();
    }
    std::vector<std::byte> bytes;
    INFERD_RETURN_IF_ERROR(convert_contents(input, view->dtype, view->shape, bytes));
    view->data = bytes;  // which stay where they are when their vector moves
    call_.buffers.push_back(std::move(bytes));
    return ok_status();
  }

  const inference::ModelInferRequest& request_;
  const SharedMemory& memory_;
  InferCall& call_;
  InputBinder binder_;
  int raw_used_ = 0;
};

// Where the output is and what it lacks in the message because of that.
void describe_place(const TensorPlace& place, size_t bytes,
                    inference::ModelInferResponse::InferOutputTensor& output) {
  auto& parameters = *output.mutable_parameters();
  parameters["shared_memory_region"].set_string_param(place.region);
  parameters["shared_memory_byte_size"].set_int64_param(static_cast<int64_t>(bytes));
  if (place.offset != 0) {
    parameters["shared_memory_offset"].set_int64_param(static_cast<int64_t>(place.offset));
  }
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

Status decode_inputs(const inference::ModelInferRequest& request, const Model& model,
                     const SharedMemory& memory, InferCall& call) {
  return InputDecoder(request, model, memory, call).decode();
}

Result<std::vector<WantedOutput>> wanted_outputs(const inference::ModelInferRequest& request,
                                                 const Model& model, const SharedMemory& memory) {
  if (request.outputs_size() == 0) return every_output(model);
  std::vector<WantedOutput> wanted;
  for (const auto& output : request.outputs()) {
    const std::string title = "output '" + output.name() + "'";
    TensorPlace place;
    INFERD_RETURN_IF_ERROR(want_output(model, output.name(), wanted));
    INFERD_RETURN_IF_ERROR(
        read_parameters(output.parameters(), title, wanted.back().options, place));
    if (place.region.empty()) continue;
    auto part = memory.find(place);
    if (!part.ok()) return part.status().with_context(title);
    wanted.back().options.place = std::move(*part);
  }
  return wanted;
}

Result<std::shared_ptr<const InferCall>> decode_call(const inference::ModelInferRequest& request,
                                                     const models::Caller& caller,
                                                     const models::Repository& repository,
                                                     const SharedMemory& memory) {
  auto call = std::make_shared<InferCall>();
  for (const auto& [name, parameter] : request.parameters()) {
    INFERD_RETURN_IF_ERROR(set_parameter(name, to_parameter(parameter), call->options));
  }
  INFERD_ASSIGN_OR_RETURN(call->model,
                          find_model(repository, request.model_name(), request.model_version(),
                                     {&caller, &call->options.sequence}));
  const Model& model = *call->model->model;
  INFERD_ASSIGN_OR_RETURN(call->outputs, wanted_outputs(request, model, memory));
  INFERD_RETURN_IF_ERROR(decode_inputs(request, model, memory, *call));
  return std::shared_ptr<const InferCall>(std::move(call));
}

Status encode_outputs(std::span<const TensorView> outputs, std::span<const WantedOutput> wanted,
                      const models::ModelVersion& model, inference::ModelInferResponse& response) {
  response.set_model_name(model.name);
  response.set_model_version(std::to_string(model.version));
  for (const auto& [index, options] : wanted) {
    const TensorView& view = outputs[index];
    auto* output = response.add_outputs();
    output->set_name(model.model->outputs()[index].name);
    output->set_datatype(std::string(dtype_name(view.dtype)));
    Shape shape = view.shape;
    std::span<const std::byte> bytes = view.data;
    std::string text;
    if (options.classes > 0) {
      const Classes classes = classify(view, options.classes, model);
      output->set_datatype("BYTES");
      shape = classes.shape;
      text = bytes_tensor(classes.elements);
      bytes = std::as_bytes(std::span(text));
    }
    output->mutable_shape()->Add(shape.begin(), shape.end());
    // Clients count on one of these for each output, wherever its bytes are.
    std::string* raw = response.add_raw_output_contents();
    if (options.place) {
      INFERD_RETURN_IF_ERROR(
          options.place->write(bytes).with_context("output '" + output->name() + "'"));
      describe_place(options.place->place(), bytes.size(), *output);
    } else {
      raw->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
  return ok_status();
}

}  // namespace inferd::serve
