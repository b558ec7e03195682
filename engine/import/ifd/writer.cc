// SPDX-License-Identifier: Apache-2.0
//
// ir::Graph -> compiled model: header, blocks (constants, then packed weights), graph section.
#include <fcntl.h>
#include <flatbuffers/flatbuffers.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <set>

#include "engine/import/ifd/attributes.h"
#include "engine/import/ifd/file_header.h"
#include "engine/import/ifd/ifd.h"

namespace inferd::import {
namespace {

// A file that takes the place of `path` when it is whole, and is gone if it never is.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {}
  ~NewFile() {
    if (fd_ >= 0) ::close(fd_);
    if (fd_ >= 0 && !done_) ::unlink(partial_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  Status open() {
    fd_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd_ >= 0 ? ok_status() : failed("create");
  }
  uint64_t offset() const { return offset_; }

  Status pad_to(size_t alignment) {
    const std::vector<std::byte> zeros((alignment - offset_ % alignment) % alignment);
    return append(zeros);
  }
  Status append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return failed("write");
      offset_ += static_cast<uint64_t>(written);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return ok_status();
  }
  Status finish(std::span<const std::byte> header) {
    const auto size = static_cast<ssize_t>(header.size());
    if (::pwrite(fd_, header.data(), header.size(), 0) != size) return failed("write");
    if (::fsync(fd_) != 0) return failed("write");
    if (std::rename(partial_.c_str(), path_.c_str()) != 0) return failed("replace");
    done_ = true;
    return ok_status();
  }

 private:
  Status failed(const char* what) const {
    return unavailable("cannot " + std::string(what) + " '" + path_ + "': " + std::strerror(errno));
  }

  const std::string path_;
  const std::string partial_;
  int fd_ = -1;
  uint64_t offset_ = 0;
  bool done_ = false;
};

class Writer {
 public:
  Writer(const std::string& path, const ir::Graph& graph, const Compiled& compiled,
         std::span<const PackedSource> packed, RawWeights raw)
      : file_(path), graph_(graph), compiled_(compiled), packed_(packed), raw_(raw) {}

  Status write() {
    INFERD_RETURN_IF_ERROR(list_graphs(graph_));
    INFERD_RETURN_IF_ERROR(file_.open());
    INFERD_RETURN_IF_ERROR(file_.append(std::as_bytes(std::span(&header_, 1))));
    INFERD_RETURN_IF_ERROR(write_constants());
    INFERD_RETURN_IF_ERROR(write_packed());
    builder_.Finish(finish_model());
    return write_graph_section();
  }

 private:
  // Values that somebody uses; passes leave others behind.
  static std::set<ir::ValueId> used_values(const ir::Graph& graph) {
    std::set<ir::ValueId> used(graph.inputs().begin(), graph.inputs().end());
    used.insert(graph.outputs().begin(), graph.outputs().end());
    for (const ir::Node& node : graph.nodes()) {
      used.insert(node.inputs.begin(), node.inputs.end());
      used.insert(node.outputs.begin(), node.outputs.end());
    }
    return used;
  }

  // Lists `graph` and the bodies in it, those after their owner.
  Status list_graphs(const ir::Graph& graph) {
    graphs_.push_back(&graph);
    for (const ir::Node& node : graph.nodes()) {
      if (node.kind == OpKind::kLate) {
        return failed_precondition("what '" + node.name +
                                   "' does depends on the shapes of a request: a model can be "
                                   "compiled only where its inputs' shapes say everything");
      }
      for (const auto& body : node.bodies) {
        body_index_[&node].push_back(static_cast<uint32_t>(graphs_.size()));
        INFERD_RETURN_IF_ERROR(list_graphs(*body));
      }
    }
    return ok_status();
  }

  // Constants that only nodes with packed weights read.
  std::set<const Constant*> only_packed() const {
    std::set<const ir::Node*> packed;
    for (const PackedSource& source : packed_) packed.insert(&graphs_[0]->nodes()[source.node]);
    std::set<const Constant*> constants, others;
    for (const ir::Graph* graph : graphs_) {
      for (const ir::Node& node : graph->nodes()) {
        for (ir::ValueId id : node.inputs) {
          (packed.contains(&node) ? constants : others).insert(graph->value(id).constant.get());
        }
      }
      for (ir::ValueId id : graph->outputs()) others.insert(graph->value(id).constant.get());
    }
    for (const Constant* constant : others) constants.erase(constant);
    return constants;
  }

  Status align_for(size_t bytes) {
    return file_.pad_to(bytes >= kPageAlignment ? kPageAlignment : kBlockAlignment);
  }

  Status write_constants() {
    std::set<const Constant*> left_out;
    if (raw_ == RawWeights::kLeaveOut) left_out = only_packed();
    for (const auto& initial : graph_.initial_states()) {
      if (initial == nullptr) continue;
      if (!constant_index_.emplace(initial.get(), static_cast<int>(constants_.size())).second) {
        continue;
      }
      INFERD_RETURN_IF_ERROR(write_constant(initial, false).with_context("initial state"));
    }
    // Small ones side by side: those are read when the model is loaded.
    for (const bool large : {false, true}) {
      for (const ir::Graph* graph : graphs_) {
        for (const ir::ValueId id : used_values(*graph)) {
          const ir::Value& value = graph->value(id);
          const Constant* const constant = value.constant.get();
          if (constant == nullptr || (constant->size() >= kPageAlignment) != large) continue;
          if (!constant_index_.emplace(constant, static_cast<int>(constants_.size())).second) {
            continue;
          }
          INFERD_RETURN_IF_ERROR(write_constant(value.constant, left_out.contains(constant))
                                     .with_context("constant '" + value.name + "'"));
        }
      }
    }
    return ok_status();
  }

  Status write_constant(const std::shared_ptr<const Constant>& constant, bool left_out) {
    if (left_out) {
      constants_.emplace_back(0, constant->size(), 0, true);
      return ok_status();
    }
    INFERD_RETURN_IF_ERROR(constant->check());
    const ConstantUse use(constant);
    INFERD_RETURN_IF_ERROR(align_for(use.bytes().size()));
    constants_.emplace_back(file_.offset(), use.bytes().size(), crc32c(use.bytes()), false);
    return file_.append(use.bytes());
  }

  Status write_packed() {
    for (const PackedSource& packed : packed_) {
      size_t bytes = 0;
      for (const auto& array : packed.arrays) bytes += array.size();
      INFERD_RETURN_IF_ERROR(align_for(bytes));
      const uint64_t begin = file_.offset();
      uint32_t checksum = 0;
      for (const auto& array : packed.arrays) {
        const uint64_t gap = file_.offset();
        INFERD_RETURN_IF_ERROR(file_.pad_to(kBlockAlignment));
        checksum = crc32c(std::vector<std::byte>(file_.offset() - gap), checksum);
        checksum = crc32c(array, checksum);
        INFERD_RETURN_IF_ERROR(file_.append(array));
      }
      const ifd::Block block(begin, file_.offset() - begin, checksum, false);
      packed_tables_.push_back(ifd::CreatePacked(builder_, static_cast<uint32_t>(packed.node),
                                                 builder_.CreateSharedString(packed.kernel),
                                                 &block));
    }
    return ok_status();
  }

  flatbuffers::Offset<ifd::Value> add_value(const ir::Value& value) {
    const auto name = builder_.CreateString(value.name);
    const auto dtype = builder_.CreateSharedString(std::string(dtype_name(value.dtype)));
    const auto shape = builder_.CreateVector(value.shape.dims().data(), value.shape.dims().size());
    flatbuffers::Offset<ifd::Quantization> quantization;
    if (const Quantization& q = value.quantization; !q.empty()) {
      const auto scales = builder_.CreateVector(q.scales);
      const auto zero_points = builder_.CreateVector(q.zero_points);
      quantization = ifd::CreateQuantization(builder_, scales, zero_points, q.axis);
    }
    const int constant = value.is_constant() ? constant_index_.at(value.constant.get()) : -1;
    return ifd::CreateValue(builder_, name, dtype, shape, value.shape_known, quantization,
                            constant);
  }

  flatbuffers::Offset<ifd::Graph> add_graph(const ir::Graph& graph) {
    std::map<ir::ValueId, int32_t> number;
    std::vector<flatbuffers::Offset<ifd::Value>> values;
    for (const ir::ValueId id : used_values(graph)) {
      number.emplace(id, static_cast<int32_t>(values.size()));
      values.push_back(add_value(graph.value(id)));
    }
    const auto renumbered = [&](const std::vector<ir::ValueId>& ids) {
      std::vector<int32_t> numbers;
      numbers.reserve(ids.size());
      for (const ir::ValueId id : ids) numbers.push_back(number.at(id));
      return builder_.CreateVector(numbers);
    };
    std::vector<flatbuffers::Offset<ifd::Node>> nodes;
    for (const ir::Node& node : graph.nodes()) {
      const auto op = builder_.CreateSharedString(std::string(op_name(node.kind)));
      const auto name = builder_.CreateString(node.name);
      const auto attributes = builder_.CreateVector(write_attributes(node.attrs, builder_));
      const auto inputs = renumbered(node.inputs);
      const auto outputs = renumbered(node.outputs);
      const auto bodies = builder_.CreateVector(body_index_[&node]);
      nodes.push_back(ifd::CreateNode(builder_, op, name, attributes, inputs, outputs, bodies));
    }
    const auto all_values = builder_.CreateVector(values);
    const auto all_nodes = builder_.CreateVector(nodes);
    const auto inputs = renumbered(graph.inputs());
    const auto outputs = renumbered(graph.outputs());
    return ifd::CreateGraph(builder_, all_values, all_nodes, inputs, outputs);
  }

  flatbuffers::Offset<ifd::Model> finish_model() {
    std::vector<flatbuffers::Offset<ifd::Graph>> graphs;
    for (const ir::Graph* graph : graphs_) graphs.push_back(add_graph(*graph));
    std::vector<flatbuffers::Offset<ifd::Conversion>> conversions;
    for (const LeftConversion& c : compiled_.conversions) {
      conversions.push_back(
          ifd::CreateConversionDirect(builder_, c.op.c_str(), c.node.c_str(), c.reason.c_str()));
    }
    std::vector<flatbuffers::Offset<ifd::Dims>> shapes;
    for (const Shape& shape : compiled_.chosen_for) {
      const auto dims = builder_.CreateVector(shape.dims().data(), shape.dims().size());
      shapes.push_back(ifd::CreateDims(builder_, dims));
    }
    const auto format = builder_.CreateString(compiled_.format);
    const auto description = builder_.CreateString(compiled_.description);
    const auto all_conversions = builder_.CreateVector(conversions);
    const auto all_graphs = builder_.CreateVector(graphs);
    const auto constants = builder_.CreateVectorOfStructs(constants_);
    const auto packed = builder_.CreateVector(packed_tables_);
    const auto packed_for = builder_.CreateVector(shapes);
    const auto choice = builder_.CreateString(compiled_.choice);
    std::vector<int32_t> initial;
    for (const auto& constant : graph_.initial_states()) {
      initial.push_back(constant == nullptr ? -1 : constant_index_.at(constant.get()));
    }
    const auto states = builder_.CreateVector(initial);
    return ifd::CreateModel(builder_, format, description, all_conversions, all_graphs, constants,
                            packed, packed_for, choice, states);
  }

  Status write_graph_section() {
    const auto graph = std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize()));
    INFERD_RETURN_IF_ERROR(file_.pad_to(kBlockAlignment));
    header_.version = graph_.initial_states().empty() ? kIfdVersionWithoutStates : kIfdVersion;
    header_.graph_offset = file_.offset();
    header_.graph_bytes = graph.size();
    header_.graph_checksum = crc32c(graph);
    INFERD_RETURN_IF_ERROR(file_.append(graph));
    header_.file_bytes = file_.offset();
    set_text(INFERD_VERSION, &header_.engine_version);
    set_text(compiled_.packing_id, &header_.packing_id);
    set_text(compiled_.isa, &header_.isa);
    header_.checksum = header_.expected_checksum();
    return file_.finish(std::as_bytes(std::span(&header_, 1)));
  }

  NewFile file_;
  const ir::Graph& graph_;
  const Compiled& compiled_;
  const std::span<const PackedSource> packed_;
  const RawWeights raw_;
  FileHeader header_;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<const ir::Graph*> graphs_;  // the model's first
  std::map<const ir::Node*, std::vector<uint32_t>> body_index_;
  std::map<const Constant*, int> constant_index_;
  std::vector<ifd::Block> constants_;
  std::vector<flatbuffers::Offset<ifd::Packed>> packed_tables_;
};

}  // namespace

Status write_ifd(const std::string& path, const ir::Graph& graph, const Compiled& compiled,
                 std::span<const PackedSource> packed, RawWeights raw) {
  return Writer(path, graph, compiled, packed, raw).write();
}

void reseal_ifd(std::span<std::byte> file) {
  FileHeader header;
  if (file.size() < sizeof(header)) return;
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.graph_offset <= file.size() &&
      header.graph_bytes <= file.size() - header.graph_offset) {
    header.graph_checksum = crc32c(file.subspan(header.graph_offset, header.graph_bytes));
  }
  header.file_bytes = file.size();
  header.checksum = header.expected_checksum();
  std::memcpy(file.data(), &header, sizeof(header));
}

}  // namespace inferd::import
