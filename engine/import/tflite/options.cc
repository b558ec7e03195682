// SPDX-License-Identifier: Apache-2.0
#include "engine/import/tflite/options.h"

#include <flatbuffers/flexbuffers.h>

#include <algorithm>

namespace inferd::import {
namespace {

std::vector<int64_t> ints(const flatbuffers::Vector<int32_t>* values) {
  if (values == nullptr) return {};
  return {values->begin(), values->end()};
}

}  // namespace

flatbuffers::Verifier verifier_of(std::span<const std::byte> file, const Limits& limits) {
  const int64_t tables = 8 * (limits.max_nodes + limits.max_tensors);
  return {reinterpret_cast<const uint8_t*>(file.data()), file.size(),
          static_cast<flatbuffers::uoffset_t>(limits.max_nesting),
          static_cast<flatbuffers::uoffset_t>(std::min<int64_t>(tables, 100'000'000))};
}

Status OptionsReader::read(const tflite::Operator& op, ForeignNode& node) const {
  auto& attrs = node.attrs;
  const auto set = [&](const char* name, int64_t value) { attrs[name] = value; };
  const std::string& kind = node.op;
  if (node.domain == "custom") return read_custom(op, node);
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
  if (kind.starts_with("RANDOM_") || kind == "MULTINOMIAL") {
    return with_options<tflite::RandomOptions>(op, [&](const auto& o) {
      set("seed", o.seed());
      set("seed2", o.seed2());
    });
  }
  if (kind == "BUCKETIZE") {
    return with_options<tflite::BucketizeOptions>(op, [&](const auto& o) {
      if (o.boundaries() == nullptr) return;
      attrs["boundaries"] = std::vector<float>(o.boundaries()->begin(), o.boundaries()->end());
    });
  }
  if (kind == "FAKE_QUANT") {
    return with_options<tflite::FakeQuantOptions>(op, [&](const auto& o) {
      attrs["min"] = o.min();
      attrs["max"] = o.max();
      set("num_bits", o.num_bits());
      set("narrow_range", o.narrow_range());
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
  return read_recurrent(op, node);
}

Status OptionsReader::read_recurrent(const tflite::Operator& op, ForeignNode& node) const {
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
  return read_control(op, node);
}

// Other graphs of the file, and variables.
Status OptionsReader::read_control(const tflite::Operator& op, ForeignNode& node) const {
  auto& attrs = node.attrs;
  const std::string& kind = node.op;
  if (kind == "IF") {
    return with_options<tflite::IfOptions>(op, [&](const auto& o) {
      attrs["then_branch"] = int64_t{o.then_subgraph_index()};
      attrs["else_branch"] = int64_t{o.else_subgraph_index()};
    });
  }
  if (kind == "WHILE") {
    return with_options<tflite::WhileOptions>(op, [&](const auto& o) {
      attrs["condition"] = int64_t{o.cond_subgraph_index()};
      attrs["body"] = int64_t{o.body_subgraph_index()};
    });
  }
  if (kind == "CALL") {
    return with_options<tflite::CallOptions>(
        op, [&](const auto& o) { attrs["callee"] = int64_t{o.subgraph()}; });
  }
  if (kind == "CALL_ONCE") {
    return with_options<tflite::CallOnceOptions>(
        op, [&](const auto& o) { attrs["init"] = int64_t{o.init_subgraph_index()}; });
  }
  if (kind == "VAR_HANDLE") {
    return with_options<tflite::VarHandleOptions>(op, [&](const auto& o) {
      if (o.container() != nullptr) attrs["container"] = o.container()->str();
      if (o.shared_name() != nullptr) attrs["shared_name"] = o.shared_name()->str();
    });
  }
  return ok_status();
}

// A map of numbers and booleans in FlexBuffers, which become attributes, or a C struct in the byte
// order of the machine: the bytes are the attribute "struct". Nothing in the file says which it is.
Status OptionsReader::read_custom(const tflite::Operator& op, ForeignNode& node) const {
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

}  // namespace inferd::import
