// SPDX-License-Identifier: Apache-2.0
//
// Compiled model -> ir::Graph. The FlatBuffers verifier makes every access to the graph section
// stay inside it; what it cannot know (indices, names, places of blocks) is checked here, and what
// a graph must be by ir::verify().
#include <flatbuffers/flatbuffers.h>

#include "engine/base/checked.h"
#include "engine/import/flat_vector.h"
#include "engine/import/ifd/attributes.h"
#include "engine/import/ifd/file_header.h"
#include "engine/import/ifd/ifd.h"
#include "engine/ir/ops.h"

namespace inferd::import {
namespace {

std::string text(const flatbuffers::String* s) { return s == nullptr ? "" : s->str(); }

// Elements of a vector that may be absent.
template <typename T>
flatbuffers::uoffset_t count(const flatbuffers::Vector<T>* v) {
  return v == nullptr ? 0 : v->size();
}

template <typename T>
std::vector<T> copy_of(const flatbuffers::Vector<T>* v) {
  std::vector<T> copy(count(v));
  for (flatbuffers::uoffset_t i = 0; i < count(v); ++i) copy[i] = element(*v, i);
  return copy;
}

Result<Shape> read_shape(const flatbuffers::Vector<int64_t>* dims) {
  const std::vector<int64_t> copy = copy_of(dims);
  if (copy.size() > static_cast<size_t>(kMaxRank)) {
    return invalid_argument("a shape has " + std::to_string(copy.size()) + " dimensions");
  }
  for (const int64_t dim : copy) {
    if (dim < kDynamicDim) return invalid_argument("a dimension is " + std::to_string(dim));
  }
  return Shape(copy);
}

Status check_limit(const char* what, size_t count, int64_t limit) {
  if (static_cast<int64_t>(count) <= limit) return ok_status();
  return resource_exhausted("the model has " + std::to_string(count) + " " + what +
                            ", more than the limit of " + std::to_string(limit));
}

// INVALID_ARGUMENT, DATA_LOSS or UNIMPLEMENTED when this is no whole file of a known version.
Result<FileHeader> read_header(std::span<const std::byte> file) {
  FileHeader header;
  if (file.size() < sizeof(header)) return data_loss("the file ends within its header");
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.version > kIfdVersion) {
    return unimplemented("the file has format version " + std::to_string(header.version) +
                         ", this inferd reads up to " + std::to_string(kIfdVersion) +
                         ": compile the model again with this inferd's inferctl");
  }
  if (header.version == 0 || header.checksum != header.expected_checksum()) {
    return data_loss("the file is corrupt: its header's checksum does not match");
  }
  if (header.file_bytes != file.size()) {
    return data_loss("the file has " + std::to_string(file.size()) + " bytes instead of " +
                     std::to_string(header.file_bytes) + ": it was truncated, or appended to");
  }
  return header;
}

class Reader {
 public:
  Reader(const Source& source, const Limits& limits)
      : source_(source), limits_(limits), file_(source.file->bytes()) {}

  Result<Imported> read() {
    INFERD_ASSIGN_OR_RETURN(header_, read_header(file_));
    INFERD_RETURN_IF_ERROR(find_model());
    INFERD_RETURN_IF_ERROR(check_limits());
    Imported imported;
    INFERD_ASSIGN_OR_RETURN(imported.graph, read_graphs());
    INFERD_RETURN_IF_ERROR(ir::verify(imported.graph));
    INFERD_ASSIGN_OR_RETURN(imported.compiled, read_compiled(imported.graph));
    imported.format = "ifd";
    imported.description = describe(*imported.compiled);
    return imported;
  }

 private:
  Status find_model() {
    const bool inside = header_.graph_offset % kBlockAlignment == 0 &&
                        header_.graph_offset <= file_.size() &&
                        header_.graph_bytes <= file_.size() - header_.graph_offset &&
                        header_.graph_bytes <= FLATBUFFERS_MAX_BUFFER_SIZE;
    if (!inside) return data_loss("the graph section is outside of the file");
    const auto section = file_.subspan(header_.graph_offset, header_.graph_bytes);
    if (crc32c(section) != header_.graph_checksum) {
      return data_loss("the file is corrupt: the graph section's checksum does not match");
    }
    const auto* const data = reinterpret_cast<const uint8_t*>(section.data());
    // No table takes fewer bytes; more can only be the same ones again and again.
    constexpr size_t kLeastTableBytes = 8;
    flatbuffers::Verifier verifier(
        data, section.size(), static_cast<flatbuffers::uoffset_t>(limits_.max_nesting),
        static_cast<flatbuffers::uoffset_t>(section.size() / kLeastTableBytes));
    if (!ifd::VerifyModelBuffer(verifier)) {
      return data_loss("the graph section is corrupt (FlatBuffers verification failed)");
    }
    model_ = ifd::GetModel(data);
    return count(model_->graphs()) > 0 ? ok_status() : invalid_argument("the file has no graph");
  }

  Status check_limits() const {
    size_t nodes = 0;
    size_t values = 0;
    for (const ifd::Graph* graph : *model_->graphs()) {
      nodes += count(graph->nodes());
      values += count(graph->values());
    }
    INFERD_RETURN_IF_ERROR(check_limit("operators", nodes, limits_.max_nodes));
    INFERD_RETURN_IF_ERROR(check_limit("tensors", values, limits_.max_tensors));
    return check_limit("constants", count(model_->constants()), limits_.max_tensors);
  }

  Result<std::span<const std::byte>> bytes_of(const ifd::Block& block) const {
    if (block.offset() % kBlockAlignment != 0 || block.offset() > file_.size() ||
        block.size() > file_.size() - block.offset()) {
      return data_loss("a block of " + std::to_string(block.size()) + " bytes at " +
                       std::to_string(block.offset()) + " is outside of the file");
    }
    return file_.subspan(block.offset(), block.size());
  }

  // Address space is all that these take, but of that no more than a whole file might.
  Result<std::shared_ptr<const Constant>> left_out(uint64_t bytes) {
    left_out_bytes_ += static_cast<int64_t>(bytes);
    if (left_out_bytes_ > limits_.max_file_bytes || !addressable(left_out_bytes_)) {
      return resource_exhausted("constants that were left out have more bytes than a file may");
    }
    return Constant::left_out(static_cast<size_t>(bytes));
  }

  Result<std::shared_ptr<const Constant>> read_constant(const ifd::Block& block) {
    if (block.size() > static_cast<uint64_t>(limits_.max_tensor_bytes)) {
      return resource_exhausted("a constant has " + std::to_string(block.size()) +
                                " bytes, more than the limit of " +
                                std::to_string(limits_.max_tensor_bytes));
    }
    if (block.left_out()) return left_out(block.size());
    if (block.size() == 0) return Constant::own({});
    INFERD_ASSIGN_OR_RETURN(const auto bytes, bytes_of(block));
    return Constant::in_checked_file(source_.file, bytes, kBlockAlignment, block.checksum());
  }

  Result<ir::Value> read_value(const ifd::Value& stored) const {
    ir::Value value;
    value.name = text(stored.name());
    const std::optional<DType> dtype = dtype_from_name(text(stored.dtype()));
    if (!dtype) return unimplemented("element type '" + text(stored.dtype()) + "' is unknown");
    value.dtype = *dtype;
    INFERD_ASSIGN_OR_RETURN(value.shape, read_shape(stored.shape()));
    value.shape_known = stored.shape_known();
    if (const ifd::Quantization* q = stored.quantization(); q != nullptr) {
      value.quantization = {copy_of(q->scales()), copy_of(q->zero_points()), q->axis()};
    }
    if (stored.constant() < 0) return value;
    if (static_cast<size_t>(stored.constant()) >= constants_.size() || !value.shape_known) {
      return invalid_argument("its constant does not exist, or it has no shape");
    }
    value.constant = constants_[static_cast<size_t>(stored.constant())];
    return value;
  }

  // Takes the bodies of a node of graph `owner`: later graphs, which nothing else has, so that they
  // form a tree.
  Status take_bodies(const ifd::Node& stored, size_t owner, ir::Node* node) {
    for (const uint32_t body : copy_of(stored.bodies())) {
      if (body <= owner || body >= graphs_.size() || graphs_[body].graph == nullptr) {
        return invalid_argument("body " + std::to_string(body) +
                                " does not exist, or is another's");
      }
      graphs_[owner].depth = std::max(graphs_[owner].depth, graphs_[body].depth + 1);
      node->bodies.push_back(std::move(graphs_[body].graph));
    }
    if (graphs_[owner].depth <= limits_.max_nesting) return ok_status();
    return resource_exhausted("bodies are nested deeper than " +
                              std::to_string(limits_.max_nesting));
  }

  Result<ir::Node> read_node(const ifd::Node& stored, size_t owner) {
    ir::Node node;
    node.name = text(stored.name());
    const std::optional<OpKind> kind = ir::op_from_name(text(stored.op()));
    if (!kind) {
      return unimplemented("this version of inferd has no operator '" + text(stored.op()) +
                           "'; the file was made by " + to_text(header_.engine_version));
    }
    node.kind = *kind;
    node.attrs = ir::default_attrs(*kind);
    INFERD_RETURN_IF_ERROR(read_attributes(stored.attributes(), &node.attrs));
    node.inputs = copy_of(stored.inputs());
    node.outputs = copy_of(stored.outputs());
    INFERD_RETURN_IF_ERROR(take_bodies(stored, owner, &node));
    return node;
  }

  // The model's, with all others in it.
  Result<ir::Graph> read_graphs() {
    for (flatbuffers::uoffset_t i = 0; i < count(model_->constants()); ++i) {
      INFERD_ASSIGN_OR_RETURN(auto constant, read_constant(copied(model_->constants()->Get(i))));
      constants_.push_back(std::move(constant));
    }
    graphs_.resize(count(model_->graphs()));
    for (size_t i = graphs_.size(); i-- > 1;) {
      INFERD_ASSIGN_OR_RETURN(ir::Graph graph, read_graph(i));
      graphs_[i].graph = std::make_shared<const ir::Graph>(std::move(graph));
    }
    INFERD_ASSIGN_OR_RETURN(ir::Graph model, read_graph(0));
    for (const int32_t initial : copy_of(model_->initial_states())) {
      if (initial >= static_cast<int64_t>(constants_.size())) {
        return invalid_argument("the constant that a state begins as does not exist");
      }
      model.initial_states().push_back(initial < 0 ? nullptr
                                                   : constants_[static_cast<size_t>(initial)]);
    }
    return model;
  }

  Result<ir::Graph> read_graph(size_t index) {
    const ifd::Graph& from = *model_->graphs()->Get(static_cast<flatbuffers::uoffset_t>(index));
    ir::Graph graph;
    for (flatbuffers::uoffset_t i = 0; i < count(from.values()); ++i) {
      const ifd::Value& stored = *from.values()->Get(i);
      Result<ir::Value> value = read_value(stored);
      if (!value.ok()) return value.status().with_context("tensor '" + text(stored.name()) + "'");
      graph.add_value(*std::move(value));
    }
    for (flatbuffers::uoffset_t i = 0; i < count(from.nodes()); ++i) {
      const ifd::Node& stored = *from.nodes()->Get(i);
      Result<ir::Node> node = read_node(stored, index);
      if (!node.ok()) return node.status().with_context("node '" + text(stored.name()) + "'");
      graph.add_node(*std::move(node));
    }
    graph.inputs() = copy_of(from.inputs());
    graph.outputs() = copy_of(from.outputs());
    return graph;
  }

  Result<std::optional<Compiled>> read_compiled(const ir::Graph& graph) const {
    Compiled compiled;
    compiled.engine_version = to_text(header_.engine_version);
    compiled.packing_id = to_text(header_.packing_id);
    compiled.isa = to_text(header_.isa);
    compiled.choice = text(model_->choice());
    compiled.raw_left_out = left_out_bytes_ > 0;
    compiled.format = text(model_->format());
    compiled.description = text(model_->description());
    for (flatbuffers::uoffset_t i = 0; i < count(model_->packed_for()); ++i) {
      INFERD_ASSIGN_OR_RETURN(const Shape shape, read_shape(model_->packed_for()->Get(i)->dims()));
      compiled.chosen_for.push_back(shape);
    }
    for (flatbuffers::uoffset_t i = 0; i < count(model_->conversions()); ++i) {
      const ifd::Conversion& c = *model_->conversions()->Get(i);
      compiled.conversions.push_back({text(c.op()), text(c.node()), text(c.reason())});
    }
    for (flatbuffers::uoffset_t i = 0; i < count(model_->packed()); ++i) {
      const ifd::Packed& packed = *model_->packed()->Get(i);
      if (packed.node() >= graph.nodes().size() || packed.block() == nullptr) {
        return invalid_argument("packed weights belong to no operator");
      }
      const ifd::Block block = copied(packed.block());
      INFERD_ASSIGN_OR_RETURN(const auto bytes, bytes_of(block));
      compiled.packed.push_back({packed.node(), text(packed.kernel()), bytes, block.checksum()});
    }
    return std::optional(std::move(compiled));
  }

  static std::string describe(const Compiled& compiled) {
    std::string text = "compiled by inferd " + compiled.engine_version + " from " + compiled.format;
    if (!compiled.packed.empty()) text += " for " + compiled.isa;
    return text + (compiled.description.empty() ? "" : ": " + compiled.description);
  }

  const Source& source_;
  const Limits& limits_;
  const std::span<const std::byte> file_;
  FileHeader header_;
  const ifd::Model* model_ = nullptr;
  struct Body {
    std::shared_ptr<const ir::Graph> graph;  // null once a node has it
    int depth = 0;                           // of the bodies in it
  };
  std::vector<Body> graphs_;
  std::vector<std::shared_ptr<const Constant>> constants_;
  int64_t left_out_bytes_ = 0;
};

}  // namespace

bool sniff_ifd(const Source& source) {
  const std::span<const std::byte> file = source.file->bytes();
  return file.size() >= kIfdMagic.size() &&
         std::memcmp(file.data(), kIfdMagic.data(), kIfdMagic.size()) == 0;
}

Result<Imported> import_ifd(const Source& source, const Limits& limits) {
  return Reader(source, limits).read();
}

}  // namespace inferd::import
