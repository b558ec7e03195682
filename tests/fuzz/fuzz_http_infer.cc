// SPDX-License-Identifier: Apache-2.0
//
// A body of inference over HTTP, JSON with or without bytes behind it, on its way to the queue,
// and, when all is well, an answer made of its inputs. The first byte says how the body is divided.
#include "daemon/serve/http/infer_body.h"
#include "inferd/engine/engine.h"

namespace inferd {
namespace {

// Only described: requests are checked against it, nothing runs.
class Described final : public Model {
 public:
  explicit Described(std::span<const DType> dtypes) {
    for (const DType dtype : dtypes) {
      const std::string name(dtype_name(dtype));
      info_.inputs.push_back({name, dtype, {kDynamicDim, 2}, {}});
      info_.outputs.push_back({name, dtype, {kDynamicDim, 2}, {}});
    }
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return unimplemented("nothing runs here");
  }

 private:
  ModelInfo info_;
};

std::shared_ptr<const models::ModelVersion> describe(std::span<const DType> dtypes) {
  auto version = std::make_shared<models::ModelVersion>();
  version->name = "m";
  version->version = 1;
  version->model = std::make_shared<Described>(dtypes);
  return version;
}

void fuzz(const std::shared_ptr<const models::ModelVersion>& model, std::string_view body,
          const serve::BodyLayout& layout) {
  static const serve::SharedMemory memory({});
  const auto find = [&](const schedule::Sequence&) { return Result(model); };
  const auto decoded = serve::decode_infer(find, memory, body, layout);
  if (!decoded.ok()) return;
  const std::vector<TensorView>& views = decoded->call->inputs;
  if (!check_inputs(model->model->inputs(), views).ok()) return;
  for (const TensorView& view : views) {
    // Every byte that a kernel would read must be there, where it can read it.
    if (static_cast<int64_t>(view.data.size()) != *checked_bytes(view.dtype, view.shape))
      __builtin_trap();
    if (reinterpret_cast<uintptr_t>(view.data.data()) % dtype_size(view.dtype) != 0)
      __builtin_trap();
    unsigned sum = 0;
    for (const std::byte b : view.data) sum += std::to_integer<unsigned>(b);
    if (view.dtype == DType::kBool && sum > view.data.size()) __builtin_trap();
  }
  if (!serve::encode_infer(*decoded, views).ok()) __builtin_trap();
}

}  // namespace
}  // namespace inferd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using inferd::DType;
  static constexpr DType kMixed[] = {DType::kUInt8, DType::kFloat32, DType::kBool};
  static constexpr DType kOne[] = {DType::kInt64};
  static const auto mixed = inferd::describe(kMixed);
  static const auto one = inferd::describe(kOne);
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  inferd::serve::BodyLayout layout{.json_bytes = std::nullopt, .max_json_memory = 1 << 16};
  // Below 128, so many bytes are tensors; 255: all of them.
  if (data[0] == 255) layout.json_bytes = 0;
  if (data[0] < 128 && data[0] < body.size())
    layout.json_bytes = static_cast<int64_t>(body.size() - data[0]);
  inferd::fuzz(mixed, body, layout);
  inferd::fuzz(one, body, layout);
  return 0;
}
