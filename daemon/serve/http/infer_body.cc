// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/infer_body.h"

#include <charconv>

#include "daemon/serve/http/checked_json.h"
#include "daemon/serve/http/json_tensor.h"
#include "daemon/serve/http/json_values.h"

namespace inferd::serve {
namespace {

using Json = nlohmann::json;

constexpr const char* kLayoutHeader = "Inference-Header-Content-Length";

// A member that may be left out: null when it is.
const Json* member(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() ? nullptr : &*at;
}

Result<std::string> text_member(const Json& object, const char* key, const std::string& where) {
  const Json* value = member(object, key);
  if (value == nullptr || !value->is_string())
    return invalid_argument(where + " needs '" + key + "', a text");
  return value->get<std::string>();
}

// A list of objects that may be left out.
Result<const Json*> list_member(const Json& object, const char* key) {
  static const Json nothing = Json::array();
  const Json* list = member(object, key);
  if (list == nullptr) return &nothing;
  if (!list->is_array()) return invalid_argument(std::string("'") + key + "' must be an array");
  for (const Json& item : *list) {
    if (!item.is_object())
      return invalid_argument(std::string("'") + key + "' must be an array of objects");
  }
  return list;
}

// Calls `take(name, value)` for each of the object's parameters.
template <typename Take>
Status each_parameter(const Json& object, const std::string& where, const Take& take) {
  const Json* parameters = member(object, "parameters");
  if (parameters == nullptr) return ok_status();
  if (!parameters->is_object())
    return invalid_argument("'parameters' of " + where + " must be an object");
  for (const auto& [name, value] : parameters->items()) INFERD_RETURN_IF_ERROR(take(name, value));
  return ok_status();
}

Status take_flag(const std::string& name, const Json& value, bool& flag) {
  if (!value.is_boolean()) return invalid_argument("'" + name + "' must be true or false");
  flag = value.get<bool>();
  return ok_status();
}

Result<std::vector<int64_t>> shape_of(const Json& input, const std::string& where) {
  const Json* shape = member(input, "shape");
  if (shape == nullptr || !shape->is_array())
    return invalid_argument(where + " needs 'shape', an array of numbers");
  std::vector<int64_t> dims;
  for (const Json& dim : *shape) {
    const bool fits = dim.is_number_integer() &&
                      (!dim.is_number_unsigned() || dim.get<uint64_t>() <= uint64_t{INT64_MAX});
    if (!fits) return invalid_argument("'shape' of " + where + " has " + dim.dump() + " in it");
    dims.push_back(dim.get<int64_t>());
  }
  return dims;
}

// Whether an output stands in the answer's JSON, as numbers or texts.
bool is_written(const InferBody& body, size_t i) {
  return !body.binary[i] && !body.call->outputs[i].options.place;
}

// Decodes one body.
class Decoder {
 public:
  Decoder(const FindForSequence& find, const SharedMemory& memory, std::string_view bytes)
      : find_(find), memory_(memory), bytes_(bytes) {
    body_.call = std::make_shared<InferCall>();
  }

  Result<InferBody> decode(std::string_view text, const JsonLimits& limits) {
    INFERD_ASSIGN_OR_RETURN(const Json json, parse_json(text, limits));
    if (!json.is_object()) return invalid_argument("the request must be a JSON object");
    if (member(json, "id") != nullptr) {
      INFERD_ASSIGN_OR_RETURN(body_.id, text_member(json, "id", "the request"));
    }
    INFERD_RETURN_IF_ERROR(
        each_parameter(json, "the request", [&](const std::string& name, const Json& value) {
          if (name == "binary_data_output") return take_flag(name, value, all_binary_);
          return set_parameter(name, parameter_of(value), body_.call->options);
        }));
    INFERD_RETURN_IF_ERROR(find_model());
    INFERD_ASSIGN_OR_RETURN(const Json* inputs, list_member(json, "inputs"));
    for (const Json& input : *inputs) INFERD_RETURN_IF_ERROR(add_input(input));
    if (!bytes_.empty()) {
      return invalid_argument(std::to_string(bytes_.size()) +
                              " bytes of binary data belong to no input");
    }
    INFERD_ASSIGN_OR_RETURN(body_.call->inputs, binder_->finish());
    INFERD_ASSIGN_OR_RETURN(const Json* outputs, list_member(json, "outputs"));
    for (const Json& output : *outputs) INFERD_RETURN_IF_ERROR(add_output(output));
    return finish();
  }

  // All bytes are the only input, of the shape that its size tells.
  Result<InferBody> decode_raw() {
    INFERD_RETURN_IF_ERROR(find_model());
    const auto inputs = body_.call->model->model->inputs();
    if (inputs.size() != 1) {
      return invalid_argument("a body without JSON needs a model with one input, this one has " +
                              std::to_string(inputs.size()));
    }
    INFERD_ASSIGN_OR_RETURN(const Shape shape, shape_by_size(inputs[0], bytes_.size()));
    INFERD_ASSIGN_OR_RETURN(
        TensorView * view,
        binder_->bind(inputs[0].name, dtype_name(inputs[0].dtype), shape.dims()));
    borrow(bytes_, *view);
    INFERD_ASSIGN_OR_RETURN(body_.call->inputs, binder_->finish());
    all_binary_ = true;
    return finish();
  }

 private:
  // Once the options are known.
  Status find_model() {
    INFERD_ASSIGN_OR_RETURN(body_.call->model, find_(body_.call->options.sequence));
    binder_.emplace(*body_.call->model->model);
    return ok_status();
  }

  static Result<Shape> shape_by_size(const TensorInfo& input, size_t bytes) {
    Shape shape = input.shape;
    int open = -1;
    auto known = static_cast<int64_t>(dtype_size(input.dtype));
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] != kDynamicDim) {
        known *= shape[i];
      } else if (std::exchange(open, i) != -1) {
        return invalid_argument("the shape of input '" + input.name + "', " +
                                input.shape.to_string() + ", does not follow from its size");
      }
    }
    if (open != -1) shape[open] = static_cast<int64_t>(bytes) / std::max<int64_t>(known, 1);
    return shape;
  }

  Status add_input(const Json& input) {
    INFERD_ASSIGN_OR_RETURN(const std::string name, text_member(input, "name", "an input"));
    const std::string where = "input '" + name + "'";
    INFERD_ASSIGN_OR_RETURN(const std::string datatype, text_member(input, "datatype", where));
    INFERD_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, shape_of(input, where));
    INFERD_ASSIGN_OR_RETURN(TensorView * view, binder_->bind(name, datatype, shape));
    std::optional<uint64_t> size;
    TensorOptions unused;
    TensorPlace place;
    INFERD_RETURN_IF_ERROR(
        each_parameter(input, where, [&](const std::string& key, const Json& value) -> Status {
          if (key != "binary_data_size") return take_option(where, key, value, unused, place);
          if (!value.is_number_unsigned())
            return invalid_argument("'binary_data_size' of " + where + " must be a whole number");
          size = value.get<uint64_t>();
          return ok_status();
        }));
    const Json* data = member(input, "data");
    const bool shared = !place.region.empty();
    const int sources = int{data != nullptr} + int{size.has_value()} + int{shared};
    if (sources != 1) {
      return invalid_argument(where + (sources == 0 ? " has none of " : " has more than one of ") +
                              "'data', 'binary_data_size' and 'shared_memory_region'");
    }
    if (shared) return binder_->read(*view, memory_, place, body_.call->shared);
    return size ? take_bytes(where, *size, *view) : take_numbers(where, *data, *view);
  }

  static Status take_option(const std::string& where, const std::string& key, const Json& value,
                            TensorOptions& options, TensorPlace& place) {
    const Parameter parameter = parameter_of(value);
    INFERD_ASSIGN_OR_RETURN(const bool is_place, set_place(where, key, parameter, place));
    return is_place ? ok_status() : set_parameter(where, key, parameter, options);
  }

  Status take_bytes(const std::string& where, uint64_t size, TensorView& view) {
    if (size > bytes_.size()) {
      return invalid_argument(where + " has a 'binary_data_size' of " + std::to_string(size) +
                              ", only " + std::to_string(bytes_.size()) + " bytes are left");
    }
    borrow(bytes_.substr(0, size), view);
    bytes_.remove_prefix(size);
    return ok_status();
  }

  Status take_numbers(const std::string& where, const Json& data, TensorView& view) {
    auto elements = elements_from_json(data, view.dtype);
    if (!elements.ok()) return elements.status().with_context(where);
    INFERD_ASSIGN_OR_RETURN(const int64_t needed, checked_elements(view.shape));
    const size_t given = elements->size() / dtype_size(view.dtype);
    if (static_cast<int64_t>(given) != needed) {
      return invalid_argument(where + " has " + std::to_string(given) + " elements, shape " +
                              view.shape.to_string() + " needs " + std::to_string(needed));
    }
    own(std::move(*elements), view);
    return ok_status();
  }

  void own(std::vector<std::byte> bytes, TensorView& view) {
    body_.call->buffers.push_back(std::move(bytes));
    view.data = body_.call->buffers.back();
  }

  // Kernels read elements where they lie, and the JSON before them has any length.
  void borrow(std::string_view bytes, TensorView& view) {
    view.data = std::as_bytes(std::span(bytes));
    const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % dtype_size(view.dtype) == 0;
    if (!aligned) own({view.data.begin(), view.data.end()}, view);
  }

  Status add_output(const Json& output) {
    INFERD_ASSIGN_OR_RETURN(const std::string name, text_member(output, "name", "an output"));
    std::vector<WantedOutput>& wanted = body_.call->outputs;
    INFERD_RETURN_IF_ERROR(want_output(*body_.call->model->model, name, wanted));
    const std::string where = "output '" + name + "'";
    bool binary = all_binary_;
    TensorOptions& options = wanted.back().options;
    TensorPlace place;
    INFERD_RETURN_IF_ERROR(
        each_parameter(output, where, [&](const std::string& key, const Json& value) {
          if (key == "binary_data") return take_flag(key, value, binary);
          return take_option(where, key, value, options, place);
        }));
    if (!place.region.empty()) {
      auto part = memory_.find(place);
      if (!part.ok()) return part.status().with_context(where);
      options.place = std::move(*part);
    }
    body_.binary.push_back(binary);
    return ok_status();
  }

  Result<InferBody> finish() {
    const Model& model = *body_.call->model->model;
    if (body_.call->outputs.empty()) {
      body_.call->outputs = every_output(model);
      body_.binary.assign(body_.call->outputs.size(), all_binary_);
    }
    for (size_t i = 0; i < body_.binary.size(); ++i) {
      const auto& [index, options] = body_.call->outputs[i];
      const TensorInfo& info = model.outputs()[index];
      if (!is_written(body_, i) || info.dtype != DType::kFloat16 || options.classes > 0) continue;
      return invalid_argument("output '" + info.name +
                              "' is FP16, which has no form in JSON; ask for it with the "
                              "parameter 'binary_data'");
    }
    return std::move(body_);
  }

  InferBody body_;
  const FindForSequence& find_;
  const SharedMemory& memory_;
  std::optional<InputBinder> binder_;  // there since find_model()
  std::string_view bytes_;             // binary data that is not taken yet
  bool all_binary_ = false;            // what outputs are unless they say otherwise
};

// As JSON text, whatever bytes are in it.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Writes the answer's tensors: their description into JSON, their bytes behind it.
class Encoder {
 public:
  void add(const std::string& name, std::string_view datatype, const Shape& shape) {
    json_ += json_.empty() ? "" : ",";
    json_ += R"({"name":)" + quoted(name) + R"(,"datatype":")" + std::string(datatype) +
             R"(","shape":)" + Json(std::vector<int64_t>(shape.begin(), shape.end())).dump();
  }
  void shared(const TensorPlace& place, size_t bytes) {
    json_ += R"(,"parameters":{"shared_memory_region":)" + quoted(place.region) +
             R"(,"shared_memory_byte_size":)" + std::to_string(bytes);
    if (place.offset != 0) json_ += R"(,"shared_memory_offset":)" + std::to_string(place.offset);
    json_ += "}}";
  }
  void bytes(std::string_view data) {
    json_ += R"(,"parameters":{"binary_data_size":)" + std::to_string(data.size()) + "}}";
    bytes_ += data;
    binary_ = true;
  }
  void numbers(const TensorView& tensor) {
    json_ += R"(,"data":)";
    append_json(tensor, json_);
    json_ += '}';
  }
  void texts(const std::vector<std::string>& elements) {
    json_ += R"(,"data":[)";
    for (size_t i = 0; i < elements.size(); ++i) json_ += (i > 0 ? "," : "") + quoted(elements[i]);
    json_ += "]}";
  }

  Response finish(const InferBody& body) {
    const models::ModelVersion& model = *body.call->model;
    std::string head = R"({"model_name":)" + quoted(model.name) + R"(,"model_version":")" +
                       std::to_string(model.version) + '"';
    if (!body.id.empty()) head += R"(,"id":)" + quoted(body.id);
    json_ = head + R"(,"outputs":[)" + json_ + "]}";
    if (!binary_) return json_response(std::move(json_));
    Response response{200, "application/octet-stream", std::move(json_)};
    response.headers.emplace_back(kLayoutHeader, std::to_string(response.body.size()));
    response.body += bytes_;
    return response;
  }

 private:
  std::string json_, bytes_;
  bool binary_ = false;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<BodyLayout> body_layout(const Request& request) {
  BodyLayout layout;
  const std::string* text = request.header(kLayoutHeader);
  if (text == nullptr) return layout;
  int64_t bytes = 0;
  const char* const text_end = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), text_end, bytes);
  if (error != std::errc() || end != text_end || bytes < 0)
    return invalid_argument(std::string(kLayoutHeader) + ": '" + *text + "' is not a number");
  layout.json_bytes = bytes;
  return layout;
}

Result<InferBody> decode_infer(const FindForSequence& find, const SharedMemory& memory,
                               std::string_view body, const BodyLayout& layout) {
  if (layout.json_bytes == 0) return Decoder(find, memory, body).decode_raw();
  const auto json_bytes =
      static_cast<uint64_t>(layout.json_bytes.value_or(static_cast<int64_t>(body.size())));
  if (json_bytes > body.size()) {
    return invalid_argument(std::string(kLayoutHeader) + " is " + std::to_string(json_bytes) +
                            ", the body has " + std::to_string(body.size()) + " bytes");
  }
  Decoder decoder(find, memory, body.substr(json_bytes));
  return decoder.decode(body.substr(0, json_bytes), {.bytes = layout.max_json_memory});
}

bool has_json_data(const InferBody& body) {
  for (size_t i = 0; i < body.binary.size(); ++i) {
    if (is_written(body, i)) return true;
  }
  return false;
}

Result<Response> encode_infer(const InferBody& body, std::span<const TensorView> outputs) {
  const models::ModelVersion& model = *body.call->model;
  Encoder encoder;
  for (size_t i = 0; i < body.call->outputs.size(); ++i) {
    const auto& [index, options] = body.call->outputs[i];
    const TensorView& view = outputs[index];
    const std::string& name = model.model->outputs()[index].name;
    Classes classes;
    std::string text;
    std::string_view bytes = as_text(view.data);
    if (options.classes > 0) {
      classes = classify(view, options.classes, model);
      text = bytes_tensor(classes.elements);
      bytes = text;
      encoder.add(name, "BYTES", classes.shape);
    } else {
      encoder.add(name, dtype_name(view.dtype), view.shape);
    }
    if (options.place) {
      INFERD_RETURN_IF_ERROR(options.place->write(std::as_bytes(std::span(bytes)))
                                 .with_context("output '" + name + "'"));
      encoder.shared(options.place->place(), bytes.size());
    } else if (body.binary[i]) {
      encoder.bytes(bytes);
    } else {
      options.classes > 0 ? encoder.texts(classes.elements) : encoder.numbers(view);
    }
  }
  return encoder.finish(body);
}

}  // namespace inferd::serve
