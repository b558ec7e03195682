// SPDX-License-Identifier: Apache-2.0
//
// An encoded ModelInferRequest on its way to the queue: conversion, checks, and, when all is well,
// an answer made of its inputs.
#include "daemon/serve/grpc/infer_messages.h"
#include "inferd/engine/engine.h"

namespace inferd {
namespace {

// Only described: requests are checked against it, nothing runs.
class Described final : public Model {
 public:
  Described() {
    for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
      const auto dtype = static_cast<DType>(i);
      const std::string name(dtype_name(dtype));
      info_.inputs.push_back({name, dtype, {kDynamicDim, 2}, {}});
      info_.outputs.push_back({name, dtype, {kDynamicDim, 2}, {}});
    }
  }
  explicit Described(size_t input) : Described() {
    info_.inputs = {info_.inputs[input]};
    info_.outputs = {info_.outputs[input]};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return unimplemented("nothing runs here");
  }

 private:
  ModelInfo info_;
};

void fuzz(const inference::ModelInferRequest& request, const models::ModelVersion& version) {
  const Model& model = *version.model;
  serve::RequestOptions options;
  for (const auto& [name, value] : request.parameters()) {
    const Status status = serve::set_parameter(name, serve::to_parameter(value), options);
    if (status.ok() && (options.priority < 0 || options.timeout_us < 0)) __builtin_trap();
  }
  static const serve::SharedMemory memory({});
  const auto wanted = serve::wanted_outputs(request, model, memory);
  serve::InferCall call;
  if (!serve::decode_inputs(request, model, memory, call).ok()) return;
  if (!check_inputs(model.inputs(), call.inputs).ok()) return;
  for (const TensorView& view : call.inputs) {
    // Every byte that a kernel would read must be there.
    if (static_cast<int64_t>(view.data.size()) != *checked_bytes(view.dtype, view.shape))
      __builtin_trap();
    unsigned sum = 0;
    for (const std::byte b : view.data) sum += std::to_integer<unsigned>(b);
    if (view.dtype == DType::kBool && sum > view.data.size()) __builtin_trap();
  }
  inference::ModelInferResponse response;
  if (wanted.ok() && !serve::encode_outputs(call.inputs, *wanted, version, response).ok())
    __builtin_trap();
}

}  // namespace
}  // namespace inferd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto version_of = [](auto... input) {
    inferd::models::ModelVersion version;
    version.labels = {"a", "b"};
    version.model = std::make_shared<inferd::Described>(input...);
    return version;
  };
  static const auto all = version_of();
  static const auto singles = [&] {
    std::vector<inferd::models::ModelVersion> versions;
    for (size_t i = 0; i < all.model->inputs().size(); ++i) versions.push_back(version_of(i));
    return versions;
  }();
  inference::ModelInferRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  inferd::fuzz(request, all);
  // One with the input that the request names first, so that most of it is looked at.
  for (const auto& version : singles) {
    if (request.inputs_size() > 0 && request.inputs(0).name() == version.model->inputs()[0].name)
      inferd::fuzz(request, version);
  }
  return 0;
}
