// SPDX-License-Identifier: Apache-2.0
//
// ONNX file -> ForeignGraph. Protocol Buffers does the decoding, with its own bounds on size and
// nesting, of everything but raw tensor data, which stays in the file. Indices, shapes and sizes
// are checked here.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "engine/import/nibbles.h"
#include "engine/import/onnx/onnx.h"
#include "engine/import/onnx/outline.h"
#include "onnx.pb.h"

namespace inferd::import {
namespace {

namespace fs = std::filesystem;

// Of constants only, which are unpacked.
constexpr int32_t kOnnxUInt4 = 21;
constexpr int32_t kOnnxInt4 = 22;
bool is_4bit(int32_t type) { return type == kOnnxUInt4 || type == kOnnxInt4; }

// TensorProto.DataType
std::optional<DType> dtype_of(int32_t type) {
  switch (type) {
    case 1:
      return DType::kFloat32;
    case 2:
      return DType::kUInt8;
    case 3:
      return DType::kInt8;
    case 4:
      return DType::kUInt16;
    case 5:
      return DType::kInt16;
    case 6:
      return DType::kInt32;
    case 7:
      return DType::kInt64;
    case 9:
      return DType::kBool;
    case 10:
      return DType::kFloat16;
    case 11:
      return DType::kFloat64;
    case 12:
      return DType::kUInt32;
    case 13:
      return DType::kUInt64;
    case kOnnxUInt4:
      return DType::kUInt8;
    case kOnnxInt4:
      return DType::kInt8;
    default:
      return std::nullopt;
  }
}

// Decodes a typed field into elements of type To.
template <typename To, typename Field>
void append_as(const Field& field, std::vector<std::byte>& bytes) {
  for (const auto value : field) {
    const auto element = static_cast<To>(value);
    const auto* data = reinterpret_cast<const std::byte*>(&element);
    bytes.insert(bytes.end(), data, data + sizeof element);
  }
}

std::vector<std::byte> typed_data(const onnx::TensorProto& t, DType dtype) {
  std::vector<std::byte> bytes;
  switch (dtype) {
    case DType::kFloat32:
      append_as<float>(t.float_data(), bytes);
      break;
    case DType::kFloat64:
      append_as<double>(t.double_data(), bytes);
      break;
    case DType::kInt64:
      append_as<int64_t>(t.int64_data(), bytes);
      break;
    case DType::kUInt64:
      append_as<uint64_t>(t.uint64_data(), bytes);
      break;
    case DType::kUInt32:
      append_as<uint32_t>(t.uint64_data(), bytes);
      break;
    case DType::kInt32:
      append_as<int32_t>(t.int32_data(), bytes);
      break;
    case DType::kInt16:
      append_as<int16_t>(t.int32_data(), bytes);
      break;
    case DType::kUInt16:
    case DType::kFloat16:
      append_as<uint16_t>(t.int32_data(), bytes);
      break;  // float16: its bits
    case DType::kInt8:
      append_as<int8_t>(t.int32_data(), bytes);
      break;
    case DType::kUInt8:
    case DType::kBool:
      append_as<uint8_t>(t.int32_data(), bytes);
      break;
  }
  return bytes;
}

std::string unsupported_type(int32_t type) {
  return "element type " + std::to_string(type) + " is not supported";
}
std::string too_many_dimensions(int count) {
  return std::to_string(count) + " dimensions, more than " + std::to_string(kMaxRank);
}

class Reader {
 public:
  Reader(const Source& source, const Limits& limits) : source_(source), limits_(limits) {}

  Result<ForeignGraph> read() {
    INFERD_RETURN_IF_ERROR(parse());
    graph_.format = "onnx";
    graph_.description = model_.producer_name() + " " + model_.producer_version();
    for (const auto& opset : model_.opset_import()) {
      const std::string domain = opset.domain() == "ai.onnx" ? "" : opset.domain();
      graph_.opsets[domain] = opset.version();
    }
    INFERD_RETURN_IF_ERROR(read_graph(model_.graph()));
    return std::move(graph_);
  }

 private:
  // Into graph_.
  Status read_graph(const onnx::GraphProto& graph) {
    INFERD_RETURN_IF_ERROR(check_counts(graph));
    for (const auto& info : graph.value_info()) {
      // Only a hint, so one that says nothing is no mistake.
      const bool says = !info.name().empty() && info.type().tensor_type().elem_type() != 0;
      if (says) INFERD_RETURN_IF_ERROR(declare(info));
    }
    for (const auto& info : graph.output()) {
      // What a body makes has the type that its operators give it; exporters may leave it open.
      const bool open = in_body_ && !info.type().has_tensor_type();
      if (!open) INFERD_RETURN_IF_ERROR(declare(info));
    }
    for (const auto& info : graph.input()) INFERD_RETURN_IF_ERROR(declare(info));
    for (const auto& tensor : graph.initializer()) INFERD_RETURN_IF_ERROR(add_initializer(tensor));
    for (int i = 0; i < graph.node_size(); ++i) INFERD_RETURN_IF_ERROR(add_node(graph.node(i), i));
    for (const auto& info : graph.input()) {
      // Old files list initializers among the inputs.
      if (!graph_.tensors.at(info.name()).has_data) graph_.inputs.push_back(info.name());
    }
    for (const auto& info : graph.output()) graph_.outputs.push_back(info.name());
    return ok_status();
  }

  // The nesting of messages, which parse() limits, limits that of bodies.
  Result<std::shared_ptr<const ForeignGraph>> read_body(const onnx::GraphProto& graph) {
    ForeignGraph outer = std::exchange(graph_, {});
    graph_.format = outer.format;
    graph_.opsets = outer.opsets;
    const bool outer_is_body = std::exchange(in_body_, true);
    const Status status = read_graph(graph);
    in_body_ = outer_is_body;
    auto body = std::make_shared<ForeignGraph>(std::exchange(graph_, std::move(outer)));
    INFERD_RETURN_IF_ERROR(status);
    return std::shared_ptr<const ForeignGraph>(std::move(body));
  }

  Status parse() {
    const std::span<const std::byte> bytes = source_.file->bytes();
    constexpr size_t kProtobufLimit = (size_t{1} << 31) - 1;
    if (bytes.size() > kProtobufLimit)
      return resource_exhausted("an ONNX file may have at most 2 GiB");
    INFERD_ASSIGN_OR_RETURN(const std::string outline, outline_of(bytes, limits_.max_nesting));
    google::protobuf::io::ArrayInputStream stream(outline.data(), static_cast<int>(outline.size()));
    google::protobuf::io::CodedInputStream coded(&stream);
    coded.SetRecursionLimit(limits_.max_nesting);
    if (!model_.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
      return data_loss("the file is truncated or corrupt (not a valid Protocol Buffers message)");
    }
    if (!model_.has_graph()) return invalid_argument("the file has no graph");
    return ok_status();
  }

  // All graphs of the file together.
  Status check_counts(const onnx::GraphProto& graph) {
    nodes_ += graph.node_size();
    tensors_ += int64_t{graph.initializer_size()} + graph.value_info_size();
    if (nodes_ <= limits_.max_nodes && tensors_ <= limits_.max_tensors) return ok_status();
    return resource_exhausted("the graph has " + std::to_string(nodes_) + " operators and " +
                              std::to_string(tensors_) + " tensors, more than the limits");
  }

  Status declare(const onnx::ValueInfoProto& info) {
    ForeignTensor tensor;
    tensor.name = info.name();
    if (tensor.name.empty()) return invalid_argument("a graph input or output has no name");
    const auto& type = info.type().tensor_type();
    const std::optional<DType> dtype = dtype_of(type.elem_type());
    if (!info.has_type()) {
      tensor.shape_known = false;  // a body's, whose types are those of the values it is given
    } else if (!info.type().has_tensor_type()) {
      tensor.unsupported = "not a tensor (a sequence, a map, an optional or of no type)";
    } else if (!dtype) {
      tensor.unsupported = unsupported_type(type.elem_type());
    } else if (is_4bit(type.elem_type())) {
      tensor.unsupported = "integers of 4 bits are supported as constants only";
    } else if (type.shape().dim_size() > kMaxRank) {
      tensor.unsupported = too_many_dimensions(type.shape().dim_size());
    } else {
      tensor.dtype = *dtype;
      tensor.shape_known = type.has_shape();
      for (const auto& dim : type.shape().dim()) {
        const bool given = dim.has_dim_value() && dim.dim_value() >= 0;
        tensor.shape.push_back(given ? dim.dim_value() : kDynamicDim);
      }
    }
    graph_.tensors[tensor.name] = std::move(tensor);
    return ok_status();
  }

  Status add_initializer(const onnx::TensorProto& proto) {
    Result<ForeignTensor> tensor = read_tensor(proto);
    if (!tensor.ok()) return tensor.status().with_context("initializer '" + proto.name() + "'");
    const auto existing = graph_.tensors.find(proto.name());
    if (existing != graph_.tensors.end() && existing->second.has_data) {
      return invalid_argument("initializer '" + proto.name() + "' appears twice");
    }
    graph_.tensors[proto.name()] = std::move(*tensor);
    return ok_status();
  }

  Result<ForeignTensor> read_tensor(const onnx::TensorProto& proto) {
    ForeignTensor tensor;
    tensor.name = proto.name();
    const std::optional<DType> dtype = dtype_of(proto.data_type());
    if (!dtype) {
      tensor.unsupported = unsupported_type(proto.data_type());
    } else if (proto.dims_size() > kMaxRank) {
      tensor.unsupported = too_many_dimensions(proto.dims_size());
    }
    if (!tensor.unsupported.empty()) {
      tensor.has_data = true;  // a constant, though one that cannot be used
      return tensor;
    }
    tensor.dtype = *dtype;
    for (int64_t dim : proto.dims()) {
      if (dim < 0) return invalid_argument("dimension " + std::to_string(dim) + " is negative");
      tensor.shape.push_back(dim);
    }
    INFERD_ASSIGN_OR_RETURN(const int64_t expected, checked_bytes(tensor.dtype, tensor.shape));
    if (expected > limits_.max_tensor_bytes) {
      return resource_exhausted("has " + std::to_string(expected) +
                                " bytes, more than the limit of " +
                                std::to_string(limits_.max_tensor_bytes) + " for a tensor");
    }
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
      INFERD_RETURN_IF_ERROR(attach_external(proto, tensor));
    } else if (proto.has_raw_data()) {
      INFERD_RETURN_IF_ERROR(attach_raw(proto, tensor));
    } else {
      tensor.data = Constant::own(typed_data(proto, tensor.dtype));
      tensor.has_data = true;
    }
    tensor.was_4bit = is_4bit(proto.data_type());
    const auto elements = static_cast<size_t>(expected);
    const size_t stored = tensor.was_4bit ? nibble_bytes(elements) : elements;
    if (tensor.data->size() != stored) {
      return data_loss("has " + std::to_string(tensor.data->size()) + " bytes of data, " +
                       tensor.shape.to_string() + " needs " + std::to_string(stored));
    }
    if (tensor.was_4bit) {
      tensor.data = unpack_nibbles(tensor.data, elements, proto.data_type() == kOnnxInt4);
    }
    return tensor;
  }

  // Kernels read elements in place, so they must lie at an address their type allows.
  static void attach(ForeignTensor& tensor, const std::shared_ptr<const MappedFile>& file,
                     uint64_t offset, uint64_t size) {
    tensor.data =
        Constant::in_file(file, file->bytes().subspan(offset, size), dtype_size(tensor.dtype));
    tensor.has_data = true;
  }

  // What raw_data says was written by outline_of(), unless a file found a way around it.
  Status attach_raw(const onnx::TensorProto& proto, ForeignTensor& tensor) const {
    RawDataPlace place;
    const uint64_t bytes = source_.file->bytes().size();
    if (proto.raw_data().size() != sizeof place) return data_loss("has unreadable raw data");
    std::memcpy(&place, proto.raw_data().data(), sizeof place);
    if (place.offset > bytes || place.size > bytes - place.offset) {
      return data_loss("has raw data outside of the file");
    }
    attach(tensor, source_.file, place.offset, place.size);
    return ok_status();
  }

  // External data may lie only in the model's own folder: a plain relative path that stays inside
  // once links are followed.
  Status attach_external(const onnx::TensorProto& proto, ForeignTensor& tensor) {
    std::string location;
    int64_t offset = 0;
    int64_t length = -1;
    for (const auto& entry : proto.external_data()) {
      const auto number = [&](int64_t* out) {
        const char* end = entry.value().data() + entry.value().size();
        const auto parsed = std::from_chars(entry.value().data(), end, *out);
        return parsed.ec == std::errc() && parsed.ptr == end && *out >= 0;
      };
      if (entry.key() == "location") location = entry.value();
      if (entry.key() == "offset" && !number(&offset))
        return invalid_argument("bad external offset");
      if (entry.key() == "length" && !number(&length))
        return invalid_argument("bad external length");
    }
    INFERD_ASSIGN_OR_RETURN(const std::string path, inside_folder(location));
    std::shared_ptr<const MappedFile>& file = external_[path];
    if (file == nullptr) {
      INFERD_ASSIGN_OR_RETURN(file, MappedFile::open(path, limits_.max_file_bytes));
    }
    const auto size = static_cast<int64_t>(file->bytes().size());
    if (length < 0) length = std::max<int64_t>(size - offset, 0);
    if (offset > size || length > size - offset) {
      return data_loss("its data lies outside '" + location + "'");
    }
    attach(tensor, file, static_cast<uint64_t>(offset), static_cast<uint64_t>(length));
    return ok_status();
  }

  Result<std::string> inside_folder(const std::string& location) const {
    const fs::path relative(location);
    const bool plain = !location.empty() && relative.is_relative() &&
                       std::none_of(relative.begin(), relative.end(),
                                    [](const fs::path& part) { return part == ".."; });
    if (!plain) {
      return invalid_argument("external data '" + location + "' is not inside the model's folder");
    }
    std::error_code error;
    const fs::path folder = fs::canonical(source_.folder.empty() ? "." : source_.folder, error);
    const fs::path target = error ? fs::path() : fs::canonical(folder / relative, error);
    if (error) return not_found("external data '" + location + "': " + error.message());
    const auto [rest, unused] =
        std::mismatch(folder.begin(), folder.end(), target.begin(), target.end());
    if (rest != folder.end()) {
      return invalid_argument("external data '" + location + "' leads out of the model's folder");
    }
    return target.string();
  }

  Status add_node(const onnx::NodeProto& proto, int index) {
    ForeignNode node;
    node.op = proto.op_type();
    node.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
    node.name = !proto.name().empty()     ? proto.name()
                : proto.output_size() > 0 ? proto.output(0)
                                          : "#" + std::to_string(index);
    const auto version = graph_.opsets.find(node.domain);
    node.version = version == graph_.opsets.end()
                       ? 0
                       : static_cast<int>(std::clamp<int64_t>(version->second, 0, 1000));
    node.inputs.assign(proto.input().begin(), proto.input().end());
    node.outputs.assign(proto.output().begin(), proto.output().end());
    while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
    for (const auto& attribute : proto.attribute()) {
      INFERD_RETURN_IF_ERROR(
          add_attribute(attribute, node).with_context(node.op + " '" + node.name + "'"));
    }
    graph_.nodes.push_back(std::move(node));
    return ok_status();
  }

  // AttributeProto.AttributeType; files of early exporters leave it out, then the field that is set
  // tells.
  static int type_of(const onnx::AttributeProto& a) {
    if (a.type() != 0) return a.type();
    if (a.has_f()) return 1;
    if (a.has_i()) return 2;
    if (a.has_s()) return 3;
    if (a.has_t()) return 4;
    if (a.has_g()) return 5;
    if (a.floats_size() > 0) return 6;
    if (a.ints_size() > 0) return 7;
    return a.strings_size() > 0 ? 8 : 0;
  }

  Status add_attribute(const onnx::AttributeProto& a, ForeignNode& node) {
    ForeignAttr value;
    switch (type_of(a)) {
      case 1:
        value = a.f();
        break;
      case 2:
        value = a.i();
        break;
      case 3:
        value = a.s();
        break;
      case 4: {
        INFERD_ASSIGN_OR_RETURN(value, read_tensor(a.t()));
        break;
      }
      case 5: {
        INFERD_ASSIGN_OR_RETURN(value, read_body(a.g()));
        break;
      }
      case 6:
        value = std::vector<float>(a.floats().begin(), a.floats().end());
        break;
      case 7:
        value = std::vector<int64_t>(a.ints().begin(), a.ints().end());
        break;
      case 8:
        value = std::vector<std::string>(a.strings().begin(), a.strings().end());
        break;
      default:
        return ok_status();  // lists of graphs and types: no operator of the engine has them
    }
    node.attrs[a.name()] = std::move(value);
    return ok_status();
  }

  const Source& source_;
  const Limits& limits_;
  onnx::ModelProto model_;
  std::map<std::string, std::shared_ptr<const MappedFile>> external_;
  ForeignGraph graph_;
  bool in_body_ = false;  // graph_ is one
  int64_t nodes_ = 0;
  int64_t tensors_ = 0;
};

}  // namespace

// No magic: the first field of an ONNX file is ir_version, and the extension says the rest.
bool sniff_onnx(const Source& source) {
  const std::span<const std::byte> bytes = source.file->bytes();
  return fs::path(source.path).extension() == ".onnx" ||
         (!bytes.empty() && bytes[0] == std::byte{0x08});
}

Result<ForeignGraph> read_onnx(const Source& source, const Limits& limits) {
  return Reader(source, limits).read();
}

}  // namespace inferd::import
