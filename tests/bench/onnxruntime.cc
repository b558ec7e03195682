// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/onnxruntime.h"

#include <dlfcn.h>

#include <cstdint>

namespace inferd::bench {
namespace {

// Positions in the function table of onnxruntime_c_api.h, fixed since API version 1.
enum Function {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetSessionGraphOptimizationLevel = 23,
  kSetIntraOpNumThreads = 24,
  kCreateTensorWithDataAsOrtValue = 49,
  kCreateCpuMemoryInfo = 69,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseSession = 95,
  kReleaseValue = 96,
};
constexpr uint32_t kApiVersion = 1;
constexpr int kError = 3;  // logs nothing less
constexpr int kEnableAll = 99;
constexpr int kArenaAllocator = 1;
constexpr int kDefaultMemory = 0;

// ONNXTensorElementDataType has the numbers of onnx.proto's TensorProto.DataType.
Result<int> element_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 1;
    case DType::kUInt8:
      return 2;
    case DType::kInt8:
      return 3;
    case DType::kInt32:
      return 6;
    case DType::kInt64:
      return 7;
    default:
      return unimplemented("no ONNX Runtime tensors of this type here");
  }
}

struct Api {
  const void* const* table = nullptr;

  template <typename R, typename... Args>
  R call(Function function, Args... args) const {
    return reinterpret_cast<R (*)(Args...)>(const_cast<void*>(table[function]))(args...);
  }
  // A call that returns OrtStatus*.
  template <typename... Args>
  Status checked(Function function, Args... args) const {
    void* status = call<void*>(function, args...);
    if (status == nullptr) return Status();
    const std::string message = call<const char*>(kGetErrorMessage, status);
    call<void>(kReleaseStatus, status);
    return internal_error("ONNX Runtime: " + message);
  }
};

struct Library final : OnnxRuntime {
  Api api;
  void* env = nullptr;
  std::string version_string;

  std::string version() const override { return version_string; }

  struct Model final : Session {
    const Api& api;
    void* session = nullptr;
    std::vector<void*> values;
    std::vector<std::string> input_names, output_names;
    std::vector<const char*> inputs, outputs;
    explicit Model(const Api& a) : api(a) {}
    ~Model() override {
      for (void* value : values) api.call<void>(kReleaseValue, value);
      if (session != nullptr) api.call<void>(kReleaseSession, session);
    }
    Status run() override {
      std::vector<void*> results(outputs.size(), nullptr);
      Status status =
          api.checked(kRun, session, static_cast<void*>(nullptr), inputs.data(), values.data(),
                      values.size(), outputs.data(), outputs.size(), results.data());
      for (void* value : results) api.call<void>(kReleaseValue, value);
      return status;
    }
  };

  Result<std::unique_ptr<Session>> load(const std::string& model, int threads,
                                        const std::vector<std::string>& names,
                                        const std::vector<TensorView>& inputs,
                                        const std::vector<std::string>& output_names) override {
    auto loaded = std::make_unique<Model>(api);
    void* options = nullptr;
    if (Status s = api.checked(kCreateSessionOptions, &options); !s.ok()) return s;
    if (Status s = api.checked(kSetIntraOpNumThreads, options, threads); !s.ok()) return s;
    if (Status s = api.checked(kSetSessionGraphOptimizationLevel, options, kEnableAll); !s.ok()) {
      return s;
    }
    if (Status s = api.checked(kCreateSession, env, model.c_str(), options, &loaded->session);
        !s.ok()) {
      return s;
    }
    void* memory = nullptr;
    if (Status s = api.checked(kCreateCpuMemoryInfo, kArenaAllocator, kDefaultMemory, &memory);
        !s.ok()) {
      return s;
    }
    for (const TensorView& input : inputs) {
      Result<int> type = element_type(input.dtype);
      if (!type.ok()) return type.status();
      std::vector<int64_t> dims;
      for (int i = 0; i < input.shape.rank(); ++i) dims.push_back(input.shape[i]);
      void* value = nullptr;
      if (Status s = api.checked(kCreateTensorWithDataAsOrtValue, memory,
                                 const_cast<std::byte*>(input.data.data()), input.data.size(),
                                 dims.data(), dims.size(), *type, &value);
          !s.ok()) {
        return s;
      }
      loaded->values.push_back(value);
    }
    loaded->input_names = names;
    loaded->output_names = output_names;
    for (const std::string& name : loaded->input_names) loaded->inputs.push_back(name.c_str());
    for (const std::string& name : loaded->output_names) loaded->outputs.push_back(name.c_str());
    return std::unique_ptr<Session>(std::move(loaded));
  }
};

}  // namespace

Result<std::unique_ptr<OnnxRuntime>> OnnxRuntime::open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return unavailable(dlerror());
  struct ApiBase {
    const void* const* (*get_api)(uint32_t);
    const char* (*get_version)();
  };
  auto* get_base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) return unavailable(path + ": no OrtGetApiBase in it");
  auto library = std::make_unique<Library>();
  library->version_string = get_base()->get_version();
  library->api.table = get_base()->get_api(kApiVersion);
  if (library->api.table == nullptr) return unavailable(path + ": no API of version 1");
  if (Status s = library->api.checked(kCreateEnv, kError, "bench", &library->env); !s.ok()) {
    return s;
  }
  return std::unique_ptr<OnnxRuntime>(std::move(library));
}

}  // namespace inferd::bench
