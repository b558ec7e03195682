// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite file -> ForeignGraph. The FlatBuffers verifier makes every access below stay
// inside the file; what it cannot know (indices, shapes against sizes) is checked here.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/import/flat_vector.h"
#include "engine/import/nibbles.h"
#include "engine/import/tflite/builtin_names.h"
#include "engine/import/tflite/options.h"
#include "engine/import/tflite/sparsity.h"
#include "engine/import/tflite/tflite.h"

namespace inferd::import {
namespace {

constexpr int8_t kTfliteInt4 = 17;  // constants only, which are unpacked

std::optional<DType> dtype_of(int8_t type) {
  switch (type) {
    case 0:
      return DType::kFloat32;
    case 1:
      return DType::kFloat16;
    case 2:
      return DType::kInt32;
    case 3:
      return DType::kUInt8;
    case 4:
      return DType::kInt64;
    case 6:
      return DType::kBool;
    case 7:
      return DType::kInt16;
    case 9:
      return DType::kInt8;
    case 10:
      return DType::kFloat64;
    case 12:
      return DType::kUInt64;
    case 15:
      return DType::kUInt32;
    case 16:
      return DType::kUInt16;
    case kTfliteInt4:
      return DType::kInt8;
    default:
      return std::nullopt;
  }
}

std::string text(const flatbuffers::String* s) { return s == nullptr ? "" : s->str(); }

class Reader {
 public:
  Reader(const Source& source, const Limits& limits)
      : source_(source), limits_(limits), bytes_(source.file->bytes()), options_(bytes_, limits) {}

  Result<ForeignGraph> read() {
    if (bytes_.size() > FLATBUFFERS_MAX_BUFFER_SIZE) {
      return resource_exhausted("a TensorFlow Lite file may have at most 2 GiB");
    }
    flatbuffers::Verifier verifier = verifier_of(bytes_, limits_);
    if (!tflite::VerifyModelBuffer(verifier)) {
      return data_loss("the file is truncated or corrupt (FlatBuffers verification failed)");
    }
    model_ = tflite::GetModel(bytes_.data());
    if (model_->version() != 3) {
      return invalid_argument("schema version " + std::to_string(model_->version()) + " is not 3");
    }
    if (model_->subgraphs() == nullptr || model_->subgraphs()->size() == 0) {
      return invalid_argument("the file has no graph");
    }
    INFERD_ASSIGN_OR_RETURN(const tflite::SignatureDef* signature, choose_signature());
    graphs_.resize(model_->subgraphs()->size());
    INFERD_RETURN_IF_ERROR(
        read_graph(signature == nullptr ? 0 : signature->subgraph_index(), signature));
    graph_.format = "tflite";
    graph_.description = text(model_->description());
    for (const tflite::SignatureDef* s : signatures()) {
      graph_.signatures.push_back(text(s->signature_key()));
    }
    if (signature != nullptr) graph_.signature = text(signature->signature_key());
    return std::move(graph_);
  }

 private:
  // A graph of the file that is the body of operators.
  struct Body {
    std::shared_ptr<const ForeignGraph> graph;  // null: not read yet
    bool open = false;                          // being read: what refers to it is inside of it
    int64_t operators = 0;                      // once all graphs in it are put in place
  };

  std::vector<const tflite::SignatureDef*> signatures() const {
    if (model_->signature_defs() == nullptr) return {};
    return {model_->signature_defs()->begin(), model_->signature_defs()->end()};
  }

  // The one that was asked for, or what TensorFlow serves by default, or the first. Null: the file
  // has none.
  Result<const tflite::SignatureDef*> choose_signature() const {
    const auto all = signatures();
    const std::string wanted = source_.signature.empty() ? "serving_default" : source_.signature;
    std::string names;
    for (const tflite::SignatureDef* s : all) {
      const std::string name = text(s->signature_key());
      if (name == wanted) return s;
      names += (names.empty() ? "'" : ", '") + name + "'";
    }
    if (source_.signature.empty()) return all.empty() ? nullptr : all.front();
    return invalid_argument("the model has no signature '" + source_.signature + "', it has " +
                            (names.empty() ? "none" : names));
  }

  // Into graph_; `signature` may be null.
  Status read_graph(int64_t index, const tflite::SignatureDef* signature) {
    if (index < 0 || index >= static_cast<int64_t>(graphs_.size())) {
      return invalid_argument("graph " + std::to_string(index) + " does not exist, the file has " +
                              std::to_string(graphs_.size()));
    }
    Body& self = graphs_[static_cast<size_t>(index)];
    self.open = true;
    const tflite::SubGraph& subgraph =
        *model_->subgraphs()->Get(static_cast<flatbuffers::uoffset_t>(index));
    graph_.name = text(subgraph.name()) + "#" + std::to_string(index);
    if (signature != nullptr) INFERD_RETURN_IF_ERROR(name_by(*signature, subgraph));
    INFERD_RETURN_IF_ERROR(read_tensors(subgraph));
    INFERD_RETURN_IF_ERROR(read_operators(subgraph, self));
    INFERD_ASSIGN_OR_RETURN(graph_.inputs, names_of(subgraph.inputs(), "graph inputs"));
    INFERD_ASSIGN_OR_RETURN(graph_.outputs, names_of(subgraph.outputs(), "graph outputs"));
    tell_empty_tensors_apart();
    self.open = false;
    return ok_status();
  }

  // Graph `index` as the body of an operator of `outer`; read once.
  Result<std::shared_ptr<const ForeignGraph>> read_body(int64_t index, Body& outer) {
    const bool exists = index >= 0 && index < static_cast<int64_t>(graphs_.size());
    Body* const body = exists ? &graphs_[static_cast<size_t>(index)] : nullptr;
    if (exists && body->open) {
      return invalid_argument("graph " + std::to_string(index) + " is part of itself");
    }
    if (!exists || body->graph == nullptr) {
      if (++depth_ > limits_.max_nesting) {
        return resource_exhausted("graphs are nested deeper than " +
                                  std::to_string(limits_.max_nesting));
      }
      ForeignGraph around = std::exchange(graph_, {});
      std::vector<std::string> names = std::exchange(names_, {});
      signature_names_.clear();
      reserved_.clear();
      const Status status = read_graph(index, nullptr);
      graph_.is_closed = true;
      ForeignGraph made = std::exchange(graph_, std::move(around));
      names_ = std::move(names);
      --depth_;
      INFERD_RETURN_IF_ERROR(status.with_context("graph " + std::to_string(index)));
      body->graph = std::make_shared<const ForeignGraph>(std::move(made));
    }
    // Each place where a body stands has its operators once more, a loop's condition twice.
    outer.operators += 2 * body->operators;
    if (outer.operators <= limits_.max_nodes) return body->graph;
    return resource_exhausted("with its bodies the graph has more operators than the limit of " +
                              std::to_string(limits_.max_nodes));
  }

  // Tensors that a signature names have that name.
  Status name_by(const tflite::SignatureDef& signature, const tflite::SubGraph& subgraph) {
    const uint32_t count = subgraph.tensors() == nullptr ? 0 : subgraph.tensors()->size();
    for (const auto* maps : {signature.inputs(), signature.outputs()}) {
      if (maps == nullptr) continue;
      for (const tflite::TensorMap* map : *maps) {
        if (map->tensor_index() >= count) {
          return invalid_argument("signature '" + text(signature.signature_key()) +
                                  "' refers to tensor " + std::to_string(map->tensor_index()) +
                                  " of " + std::to_string(count));
        }
        const std::string name = text(map->name());
        if (name.empty() || signature_names_.contains(map->tensor_index())) continue;
        if (reserved_.insert(name).second) signature_names_.emplace(map->tensor_index(), name);
      }
    }
    return ok_status();
  }

  // The name of tensor `i`, which no other has.
  std::string unique_name(uint32_t i, const tflite::Tensor& t) const {
    const auto given = signature_names_.find(i);
    if (given != signature_names_.end()) return given->second;
    std::string name = text(t.name());
    while (name.empty() || graph_.tensors.contains(name) || reserved_.contains(name)) {
      name += "#" + std::to_string(i);
    }
    return name;
  }

  Status read_tensors(const tflite::SubGraph& subgraph) {
    if (subgraph.tensors() == nullptr) return invalid_argument("the graph has no tensors");
    tensors_ += subgraph.tensors()->size();
    if (tensors_ > limits_.max_tensors) {
      return resource_exhausted(std::to_string(tensors_) + " tensors, more than the limit of " +
                                std::to_string(limits_.max_tensors));
    }
    for (flatbuffers::uoffset_t i = 0; i < subgraph.tensors()->size(); ++i) {
      const tflite::Tensor& t = *subgraph.tensors()->Get(i);
      const std::string name = unique_name(i, t);
      names_.push_back(name);
      Result<ForeignTensor> tensor = read_tensor(t, name);
      if (!tensor.ok()) return tensor.status().with_context("tensor '" + name + "'");
      graph_.tensors.emplace(name, std::move(*tensor));
    }
    return ok_status();
  }

  Result<ForeignTensor> read_tensor(const tflite::Tensor& t, const std::string& name) {
    ForeignTensor tensor;
    tensor.name = name;
    const std::optional<DType> dtype = dtype_of(t.type());
    if (!dtype) {
      tensor.unsupported = "element type " + std::to_string(t.type()) + " is not supported";
    } else if (t.sparsity() != nullptr && t.type() == kTfliteInt4) {
      tensor.unsupported = "sparse integers of 4 bits are not supported";
    } else if (t.shape() != nullptr && t.shape()->size() > static_cast<size_t>(kMaxRank)) {
      tensor.unsupported =
          std::to_string(t.shape()->size()) + " dimensions, more than " + std::to_string(kMaxRank);
    }
    if (!tensor.unsupported.empty()) return tensor;
    tensor.dtype = *dtype;
    tensor.is_variable = t.is_variable();
    INFERD_ASSIGN_OR_RETURN(tensor.shape, read_shape(t));
    INFERD_ASSIGN_OR_RETURN(tensor.quantization, read_quantization(t.quantization()));
    INFERD_RETURN_IF_ERROR(attach_data(t, tensor));
    if (t.type() == kTfliteInt4 && !tensor.has_data) {
      tensor.unsupported = "integers of 4 bits are supported as constants only";
    }
    return tensor;
  }

  static Result<Shape> read_shape(const tflite::Tensor& t) {
    Shape shape;
    if (t.shape() == nullptr) return shape;
    const bool signature =
        t.shape_signature() != nullptr && t.shape_signature()->size() == t.shape()->size();
    for (flatbuffers::uoffset_t d = 0; d < t.shape()->size(); ++d) {
      const int32_t dim = signature ? t.shape_signature()->Get(d) : t.shape()->Get(d);
      if (dim < kDynamicDim)
        return invalid_argument("dimension " + std::to_string(dim) + " is negative");
      // A batch left open in the signature was 1 when the file was made; the engine opens it itself
      // where that is sound.
      shape.push_back(dim == kDynamicDim && d == 0 && t.shape()->Get(d) == 1 ? 1 : dim);
    }
    return shape;
  }

  static Result<Quantization> read_quantization(const tflite::QuantizationParameters* q) {
    Quantization result;
    if (q == nullptr || q->scale() == nullptr || q->scale()->size() == 0) return result;
    const bool has_zero = q->zero_point() != nullptr && q->zero_point()->size() != 0;
    if (has_zero && q->zero_point()->size() != q->scale()->size()) {
      return invalid_argument("has " + std::to_string(q->scale()->size()) + " scales but " +
                              std::to_string(q->zero_point()->size()) + " zero points");
    }
    for (flatbuffers::uoffset_t i = 0; i < q->scale()->size(); ++i) {
      const int64_t zero = has_zero ? element(*q->zero_point(), i) : 0;
      if (zero < INT32_MIN || zero > INT32_MAX)
        return invalid_argument("a zero point is out of range");
      result.scales.push_back(q->scale()->Get(i));
      result.zero_points.push_back(static_cast<int32_t>(zero));
    }
    result.axis = q->quantized_dimension();
    return result;
  }

  Status attach_data(const tflite::Tensor& t, ForeignTensor& tensor) {
    if (t.buffer() == 0) return ok_status();  // buffer 0 is empty by definition
    if (model_->buffers() == nullptr || t.buffer() >= model_->buffers()->size()) {
      return invalid_argument("buffer " + std::to_string(t.buffer()) + " does not exist");
    }
    const tflite::Buffer& buffer = *model_->buffers()->Get(t.buffer());
    std::span<const std::byte> data;
    if (buffer.data() != nullptr && buffer.data()->size() != 0) {
      data = std::as_bytes(std::span(buffer.data()->data(), buffer.data()->size()));
    } else if (buffer.offset() > 1) {  // large models keep data behind the FlatBuffer
      if (buffer.offset() > bytes_.size() || buffer.size() > bytes_.size() - buffer.offset()) {
        return data_loss("its data lies outside the file");
      }
      data = bytes_.subspan(buffer.offset(), buffer.size());
    }
    if (data.empty()) return ok_status();
    INFERD_ASSIGN_OR_RETURN(const int64_t expected, checked_bytes(tensor.dtype, tensor.shape));
    if (expected > limits_.max_tensor_bytes) {
      return resource_exhausted("has " + std::to_string(expected) +
                                " bytes, more than the limit of " +
                                std::to_string(limits_.max_tensor_bytes) + " for a tensor");
    }
    if (t.sparsity() != nullptr) {
      const size_t element = dtype_size(tensor.dtype);
      INFERD_ASSIGN_OR_RETURN(
          tensor.data, densify(*t.sparsity(), options_, tensor.shape, element, data, source_.file));
      tensor.has_data = true;
      return ok_status();
    }
    const bool packed = t.type() == kTfliteInt4;
    const size_t stored =
        packed ? nibble_bytes(static_cast<size_t>(expected)) : static_cast<size_t>(expected);
    if (data.size() != stored) {
      return data_loss("has " + std::to_string(data.size()) + " bytes of data, " +
                       tensor.shape.to_string() + " needs " + std::to_string(stored));
    }
    // The file may place data at any address; kernels read elements in place.
    tensor.data = Constant::in_file(source_.file, data, dtype_size(tensor.dtype));
    if (packed) {
      tensor.data = unpack_nibbles(tensor.data, static_cast<size_t>(expected), true);
      tensor.was_4bit = true;
    }
    tensor.has_data = true;
    return ok_status();
  }

  // A tensor without data is a constant of no elements, computed, or an input; and without
  // dimensions it is a scalar or of unknown rank. Who makes it tells.
  void tell_empty_tensors_apart() {
    std::set<std::string> inputs(graph_.inputs.begin(), graph_.inputs.end());
    std::set<std::string> made;
    for (const ForeignNode& node : graph_.nodes)
      made.insert(node.outputs.begin(), node.outputs.end());
    for (auto& [name, tensor] : graph_.tensors) {
      if (tensor.has_data || inputs.contains(name)) continue;
      if (made.contains(name)) {
        tensor.shape_known = tensor.shape.rank() > 0;
      } else {
        tensor.has_data =
            tensor.shape.is_static() && tensor.shape.rank() > 0 &&
            std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
        if (tensor.has_data) tensor.data = Constant::own({});
      }
    }
  }

  Status read_operators(const tflite::SubGraph& subgraph, Body& self) {
    if (subgraph.operators() == nullptr) return ok_status();
    self.operators += subgraph.operators()->size();
    if (self.operators > limits_.max_nodes) {
      return resource_exhausted(std::to_string(self.operators) +
                                " operators, more than the limit of " +
                                std::to_string(limits_.max_nodes));
    }
    for (flatbuffers::uoffset_t i = 0; i < subgraph.operators()->size(); ++i) {
      ForeignNode node;
      INFERD_RETURN_IF_ERROR(read_operator(*subgraph.operators()->Get(i), self, node)
                                 .with_context("operator " + std::to_string(i)));
      graph_.nodes.push_back(std::move(node));
    }
    return ok_status();
  }

  Status read_operator(const tflite::Operator& op, Body& self, ForeignNode& node) {
    if (model_->operator_codes() == nullptr ||
        op.opcode_index() >= model_->operator_codes()->size()) {
      return invalid_argument("operator code " + std::to_string(op.opcode_index()) +
                              " does not exist");
    }
    const tflite::OperatorCode& code = *model_->operator_codes()->Get(op.opcode_index());
    // Codes over 127 did not fit the first field; writers fill both.
    const int32_t builtin = std::max<int32_t>(code.deprecated_builtin_code(), code.builtin_code());
    node.version = code.version();
    if (builtin == kTfliteCustom) {
      node.domain = "custom";
      node.op = text(code.custom_code());
    } else {
      node.op = tflite_builtin_name(builtin);
    }
    INFERD_ASSIGN_OR_RETURN(node.inputs, names_of(op.inputs(), "inputs"));
    INFERD_ASSIGN_OR_RETURN(node.outputs, names_of(op.outputs(), "outputs"));
    if (!node.outputs.empty()) node.name = node.outputs[0];
    if (op.intermediates() != nullptr) {
      INFERD_ASSIGN_OR_RETURN(node.attrs["intermediates"],
                              names_of(op.intermediates(), "intermediates"));
    }
    const std::string title = node.op + " '" + node.name + "'";
    INFERD_RETURN_IF_ERROR(options_.read(op, node).with_context(title));
    return read_bodies(self, node).with_context(title);
  }

  // Puts graphs in the place of their numbers.
  Status read_bodies(Body& self, ForeignNode& node) {
    if (!node.domain.empty()) return ok_status();
    for (const char* name : kGraphOptions) {
      const auto option = node.attrs.find(name);
      if (option == node.attrs.end()) continue;
      const auto* index = std::get_if<int64_t>(&option->second);
      if (index == nullptr) continue;
      INFERD_ASSIGN_OR_RETURN(auto body, read_body(*index, self));
      option->second = std::move(body);
    }
    return ok_status();
  }

  // -1 is an absent optional input.
  Result<std::vector<std::string>> names_of(const flatbuffers::Vector<int32_t>* indices,
                                            const char* what) {
    std::vector<std::string> names;
    if (indices == nullptr) return names;
    for (int32_t index : *indices) {
      if (index == -1) {
        names.emplace_back();
      } else if (index < 0 || static_cast<size_t>(index) >= names_.size()) {
        return invalid_argument(std::string(what) + " refer to tensor " + std::to_string(index) +
                                " of " + std::to_string(names_.size()));
      } else {
        names.push_back(names_[static_cast<size_t>(index)]);
      }
    }
    while (!names.empty() && names.back().empty()) names.pop_back();
    return names;
  }

  const Source& source_;
  const Limits& limits_;
  std::span<const std::byte> bytes_;
  const tflite::Model* model_ = nullptr;
  const OptionsReader options_;
  std::vector<Body> graphs_;  // all of the file
  int64_t tensors_ = 0;       // of graphs that were read
  int depth_ = 0;             // of bodies
  // Of the graph that is being read:
  std::map<uint32_t, std::string> signature_names_;  // of tensors, by index
  std::set<std::string> reserved_;                   // these names
  std::vector<std::string> names_;                   // of tensors, by index
  ForeignGraph graph_;
};

}  // namespace

bool sniff_tflite(const Source& source) {
  const std::span<const std::byte> bytes = source.file->bytes();
  constexpr char kMagic[] = {'T', 'F', 'L', '3'};
  return bytes.size() >= 8 &&
         std::equal(std::begin(kMagic), std::end(kMagic), bytes.begin() + 4,
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

Result<ForeignGraph> read_tflite(const Source& source, const Limits& limits) {
  return Reader(source, limits).read();
}

}  // namespace inferd::import
