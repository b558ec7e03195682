// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite file -> ForeignGraph. The FlatBuffers verifier makes every access below stay
// inside the file; what it cannot know (indices, shapes against sizes) is checked here.
#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engine/import/nibbles.h"
#include "engine/import/tflite/builtin_names.h"
#include "engine/import/tflite/tflite.h"
#include "schema_generated.h"

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
      : source_(source), limits_(limits), bytes_(source.file->bytes()) {}

  Result<ForeignGraph> read() {
    if (bytes_.size() > FLATBUFFERS_MAX_BUFFER_SIZE) {
      return resource_exhausted("a TensorFlow Lite file may have at most 2 GiB");
    }
    flatbuffers::Verifier verifier = make_verifier();
    if (!tflite::VerifyModelBuffer(verifier)) {
      return data_loss("the file is truncated or corrupt (FlatBuffers verification failed)");
    }
    model_ = tflite::GetModel(data());
    if (model_->version() != 3) {
      return invalid_argument("schema version " + std::to_string(model_->version()) + " is not 3");
    }
    if (model_->subgraphs() == nullptr || model_->subgraphs()->size() == 0) {
      return invalid_argument("the file has no graph");
    }
    graph_.format = "tflite";
    graph_.description = text(model_->description());
    const tflite::SubGraph& subgraph = *model_->subgraphs()->Get(0);
    INFERD_RETURN_IF_ERROR(read_tensors(subgraph));
    INFERD_RETURN_IF_ERROR(read_operators(subgraph));
    INFERD_ASSIGN_OR_RETURN(graph_.inputs, names_of(subgraph.inputs(), "graph inputs"));
    INFERD_ASSIGN_OR_RETURN(graph_.outputs, names_of(subgraph.outputs(), "graph outputs"));
    tell_empty_tensors_apart();
    return std::move(graph_);
  }

 private:
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes_.data()); }

  flatbuffers::Verifier make_verifier() const {
    const int64_t tables = 8 * (limits_.max_nodes + limits_.max_tensors);
    return {data(), bytes_.size(), static_cast<flatbuffers::uoffset_t>(limits_.max_nesting),
            static_cast<flatbuffers::uoffset_t>(std::min<int64_t>(tables, 100'000'000))};
  }

  Status read_tensors(const tflite::SubGraph& subgraph) {
    if (subgraph.tensors() == nullptr) return invalid_argument("the graph has no tensors");
    const auto count = static_cast<int64_t>(subgraph.tensors()->size());
    if (count > limits_.max_tensors) {
      return resource_exhausted(std::to_string(count) + " tensors, more than the limit of " +
                                std::to_string(limits_.max_tensors));
    }
    for (flatbuffers::uoffset_t i = 0; i < subgraph.tensors()->size(); ++i) {
      const tflite::Tensor& t = *subgraph.tensors()->Get(i);
      std::string name = text(t.name());
      while (name.empty() || graph_.tensors.contains(name)) name += "#" + std::to_string(i);
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
    } else if (t.sparsity() != nullptr) {
      tensor.unsupported = "sparse tensors are not supported";
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
      const int64_t zero = has_zero ? q->zero_point()->Get(i) : 0;
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

  Status read_operators(const tflite::SubGraph& subgraph) {
    if (subgraph.operators() == nullptr) return ok_status();
    if (static_cast<int64_t>(subgraph.operators()->size()) > limits_.max_nodes) {
      return resource_exhausted(std::to_string(subgraph.operators()->size()) +
                                " operators, more than the limit of " +
                                std::to_string(limits_.max_nodes));
    }
    for (flatbuffers::uoffset_t i = 0; i < subgraph.operators()->size(); ++i) {
      ForeignNode node;
      INFERD_RETURN_IF_ERROR(read_operator(*subgraph.operators()->Get(i), node)
                                 .with_context("operator " + std::to_string(i)));
      graph_.nodes.push_back(std::move(node));
    }
    return ok_status();
  }

  Status read_operator(const tflite::Operator& op, ForeignNode& node) {
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
    return read_options(op, node).with_context(node.op + " '" + node.name + "'");
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

  // The options table as T, verified; null when the operator has none.
  template <typename T>
  Result<const T*> options(const tflite::Operator& op) const {
    const auto* table = reinterpret_cast<const T*>(op.options_table());
    flatbuffers::Verifier verifier = make_verifier();
    if (table != nullptr && !verifier.VerifyTable(table))
      return data_loss("its options are corrupt");
    return table;
  }

  template <typename T, typename Fill>
  Status with_options(const tflite::Operator& op, Fill fill) const {
    INFERD_ASSIGN_OR_RETURN(const T* table, options<T>(op));
    if (table == nullptr) return ok_status();  // lowering sees defaults
    fill(*table);
    return ok_status();
  }

  static std::vector<int64_t> ints(const flatbuffers::Vector<int32_t>* values) {
    if (values == nullptr) return {};
    return {values->begin(), values->end()};
  }

  Status read_options(const tflite::Operator& op, ForeignNode& node) const;
  Status read_recurrent_options(const tflite::Operator& op, ForeignNode& node) const;
  Status read_custom_options(const tflite::Operator& op, ForeignNode& node) const;

  const Source& source_;
  const Limits& limits_;
  std::span<const std::byte> bytes_;
  const tflite::Model* model_ = nullptr;
  std::vector<std::string> names_;  // of tensors, by index
  ForeignGraph graph_;
};

Status Reader::read_options(const tflite::Operator& op, ForeignNode& node) const {
  auto& attrs = node.attrs;
  const auto set = [&](const char* name, int64_t value) { attrs[name] = value; };
  const std::string& kind = node.op;
  if (node.domain == "custom") return read_custom_options(op, node);
  if (kind == "CONV_2D" || kind == "DEPTHWISE_CONV_2D") {
    const auto fill = [&](const auto& o) {
      set("padding", o.padding());
      set("stride_h", o.stride_h());
      set("stride_w", o.stride_w());
      set("dilation_h", o.dilation_h());
      set("dilation_w", o.dilation_w());
      set("activation", o.activation());
    };
    return kind == "CONV_2D" ? with_options<tflite::Conv2DOptions>(op, fill)
                             : with_options<tflite::DepthwiseConv2DOptions>(op, fill);
  }
  if (kind == "TRANSPOSE_CONV") {
    return with_options<tflite::TransposeConvOptions>(op, [&](const auto& o) {
      set("padding", o.padding());
      set("stride_h", o.stride_h());
      set("stride_w", o.stride_w());
      set("activation", o.activation());
    });
  }
  if (kind == "CONV_3D" || kind == "CONV_3D_TRANSPOSE") {
    return with_options<tflite::Conv3DOptions>(op, [&](const auto& o) {
      set("padding", o.padding());
      set("stride_d", o.stride_d());
      set("stride_h", o.stride_h());
      set("stride_w", o.stride_w());
      set("dilation_d", o.dilation_d());
      set("dilation_h", o.dilation_h());
      set("dilation_w", o.dilation_w());
      set("activation", o.activation());
    });
  }
  if (kind == "AVERAGE_POOL_2D" || kind == "MAX_POOL_2D" || kind == "L2_POOL_2D") {
    return with_options<tflite::Pool2DOptions>(op, [&](const auto& o) {
      set("padding", o.padding());
      set("stride_h", o.stride_h());
      set("stride_w", o.stride_w());
      set("filter_h", o.filter_h());
      set("filter_w", o.filter_w());
      set("activation", o.activation());
    });
  }
  if (kind == "FULLY_CONNECTED") {
    return with_options<tflite::FullyConnectedOptions>(op, [&](const auto& o) {
      set("activation", o.activation());
      set("weights_format", o.weights_format());
      set("keep_num_dims", o.keep_num_dims());
    });
  }
  if (kind == "BATCH_MATMUL") {
    return with_options<tflite::BatchMatMulOptions>(op, [&](const auto& o) {
      set("adj_x", o.adj_x());
      set("adj_y", o.adj_y());
    });
  }
  if (kind == "SOFTMAX") {
    return with_options<tflite::SoftmaxOptions>(op,
                                                [&](const auto& o) { attrs["beta"] = o.beta(); });
  }
  if (kind == "CONCATENATION") {
    return with_options<tflite::ConcatenationOptions>(op, [&](const auto& o) {
      set("axis", o.axis());
      set("activation", o.activation());
    });
  }
  if (kind == "ADD" || kind == "SUB" || kind == "MUL" || kind == "DIV" ||
      kind == "L2_NORMALIZATION") {
    return with_options<tflite::ActivationOptions>(
        op, [&](const auto& o) { set("activation", o.activation()); });
  }
  if (kind == "RESHAPE") {
    return with_options<tflite::ReshapeOptions>(
        op, [&](const auto& o) { attrs["new_shape"] = ints(o.new_shape()); });
  }
  if (kind == "RESIZE_BILINEAR" || kind == "RESIZE_NEAREST_NEIGHBOR") {
    const auto fill = [&](const auto& o) {
      set("align_corners", o.align_corners());
      set("half_pixel_centers", o.half_pixel_centers());
    };
    return kind == "RESIZE_BILINEAR" ? with_options<tflite::ResizeBilinearOptions>(op, fill)
                                     : with_options<tflite::ResizeNearestOptions>(op, fill);
  }
  if (kind == "LEAKY_RELU") {
    return with_options<tflite::LeakyReluOptions>(
        op, [&](const auto& o) { attrs["alpha"] = o.alpha(); });
  }
  if (kind.starts_with("RANDOM_")) {
    return with_options<tflite::RandomOptions>(op, [&](const auto& o) {
      set("seed", o.seed());
      set("seed2", o.seed2());
    });
  }
  if (kind == "GELU") {
    return with_options<tflite::GeluOptions>(
        op, [&](const auto& o) { set("approximate", o.approximate()); });
  }
  if (kind == "SQUEEZE") {
    return with_options<tflite::SqueezeOptions>(
        op, [&](const auto& o) { attrs["squeeze_dims"] = ints(o.squeeze_dims()); });
  }
  if (kind == "MEAN" || kind == "SUM" || kind.starts_with("REDUCE_")) {
    return with_options<tflite::ReducerOptions>(
        op, [&](const auto& o) { set("keep_dims", o.keep_dims()); });
  }
  if (kind == "CUMSUM") {
    return with_options<tflite::CumsumOptions>(op, [&](const auto& o) {
      set("exclusive", o.exclusive());
      set("reverse", o.reverse());
    });
  }
  if (kind == "LOCAL_RESPONSE_NORMALIZATION") {
    return with_options<tflite::LocalResponseNormalizationOptions>(op, [&](const auto& o) {
      set("radius", o.radius());
      attrs["bias"] = o.bias();
      attrs["alpha"] = o.alpha();
      attrs["beta"] = o.beta();
    });
  }
  if (kind == "PACK") {
    return with_options<tflite::PackOptions>(op, [&](const auto& o) { set("axis", o.axis()); });
  }
  if (kind == "UNPACK") {
    return with_options<tflite::UnpackOptions>(op, [&](const auto& o) { set("axis", o.axis()); });
  }
  if (kind == "STRIDED_SLICE") {
    return with_options<tflite::StridedSliceOptions>(op, [&](const auto& o) {
      set("begin_mask", o.begin_mask());
      set("end_mask", o.end_mask());
      set("ellipsis_mask", o.ellipsis_mask());
      set("new_axis_mask", o.new_axis_mask());
      set("shrink_axis_mask", o.shrink_axis_mask());
      set("offset", o.offset());
    });
  }
  if (kind == "GATHER") {
    return with_options<tflite::GatherOptions>(op, [&](const auto& o) {
      set("axis", o.axis());
      set("batch_dims", o.batch_dims());
    });
  }
  if (kind == "DEPTH_TO_SPACE" || kind == "SPACE_TO_DEPTH") {
    return with_options<tflite::BlockOptions>(
        op, [&](const auto& o) { set("block_size", o.block_size()); });
  }
  if (kind == "MIRROR_PAD") {
    return with_options<tflite::MirrorPadOptions>(op,
                                                  [&](const auto& o) { set("mode", o.mode()); });
  }
  if (kind == "ONE_HOT") {
    return with_options<tflite::OneHotOptions>(op, [&](const auto& o) { set("axis", o.axis()); });
  }
  if (kind == "REVERSE_SEQUENCE") {
    return with_options<tflite::ReverseSequenceOptions>(op, [&](const auto& o) {
      set("seq_dim", o.seq_dim());
      set("batch_dim", o.batch_dim());
    });
  }
  return read_recurrent_options(op, node);
}

Status Reader::read_recurrent_options(const tflite::Operator& op, ForeignNode& node) const {
  auto& attrs = node.attrs;
  const auto fill = [&](const auto& o) {
    attrs["activation"] = int64_t{o.activation()};
    if constexpr (requires { o.time_major(); }) attrs["time_major"] = int64_t{o.time_major()};
    if constexpr (requires { o.merge_outputs(); }) {
      attrs["merge_outputs"] = int64_t{o.merge_outputs()};
    }
    if constexpr (requires { o.cell_clip(); }) {
      attrs["cell_clip"] = o.cell_clip();
      attrs["proj_clip"] = o.proj_clip();
    }
    if constexpr (requires { o.kernel_type(); }) attrs["kernel_type"] = int64_t{o.kernel_type()};
    if constexpr (requires { o.diagonal_recurrent(); }) {
      attrs["diagonal_recurrent"] = int64_t{o.diagonal_recurrent()};
    }
    if constexpr (requires { o.rank(); }) attrs["rank"] = int64_t{o.rank()};
  };
  const std::string& kind = node.op;
  if (kind == "LSTM") return with_options<tflite::LstmOptions>(op, fill);
  if (kind == "UNIDIRECTIONAL_SEQUENCE_LSTM") {
    return with_options<tflite::UnidirectionalSequenceLstmOptions>(op, fill);
  }
  if (kind == "BIDIRECTIONAL_SEQUENCE_LSTM") {
    return with_options<tflite::BidirectionalSequenceLstmOptions>(op, fill);
  }
  if (kind == "RNN") return with_options<tflite::RnnOptions>(op, fill);
  if (kind == "UNIDIRECTIONAL_SEQUENCE_RNN") {
    return with_options<tflite::SequenceRnnOptions>(op, fill);
  }
  if (kind == "BIDIRECTIONAL_SEQUENCE_RNN") {
    return with_options<tflite::BidirectionalSequenceRnnOptions>(op, fill);
  }
  if (kind == "SVDF") return with_options<tflite::SvdfOptions>(op, fill);
  return ok_status();
}

// A map of numbers and booleans in FlexBuffers, which become attributes, or a C struct in the byte
// order of the machine: the bytes are the attribute "struct". Nothing in the file says which it is.
Status Reader::read_custom_options(const tflite::Operator& op, ForeignNode& node) const {
  const flatbuffers::Vector<uint8_t>* options = op.custom_options();
  if (options == nullptr || options->size() == 0) return ok_status();
  node.attrs["struct"] =
      std::string(reinterpret_cast<const char*>(options->data()), options->size());
  std::vector<uint8_t> reuse;
  if (!flexbuffers::VerifyBuffer(options->data(), options->size(), &reuse)) {
    return ok_status();
  }
  const flexbuffers::Reference root = flexbuffers::GetRoot(options->data(), options->size());
  if (!root.IsMap()) return ok_status();
  const flexbuffers::Map map = root.AsMap();
  for (size_t i = 0; i < map.size(); ++i) {
    const flexbuffers::Reference value = map.Values()[i];
    const std::string key = map.Keys()[i].AsKey();
    if (value.IsFloat()) {
      node.attrs[key] = value.AsFloat();
    } else if (value.IsInt() || value.IsUInt() || value.IsBool()) {
      node.attrs[key] = value.AsInt64();
    }
  }
  return ok_status();
}

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
