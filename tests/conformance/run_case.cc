// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/run_case.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "inferd/engine/engine.h"
#include "onnx.pb.h"

namespace inferd::conformance {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMostSeconds = 60;

struct Tensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;
  TensorView view() const { return {dtype, shape, data}; }
};

// By TensorProto.DataType.
std::optional<DType> dtype_of(int32_t type) {
  static const std::vector<std::pair<int32_t, DType>> kTypes = {
      {1, DType::kFloat32},  {2, DType::kUInt8},    {3, DType::kInt8},    {4, DType::kUInt16},
      {5, DType::kInt16},    {6, DType::kInt32},    {7, DType::kInt64},   {9, DType::kBool},
      {10, DType::kFloat16}, {11, DType::kFloat64}, {12, DType::kUInt32}, {13, DType::kUInt64}};
  for (const auto& [number, dtype] : kTypes) {
    if (number == type) return dtype;
  }
  return std::nullopt;
}

template <typename Element, typename Field>
void append(const Field& field, std::vector<std::byte>* bytes) {
  for (const auto value : field) {
    const auto element = static_cast<Element>(value);
    const auto* data = reinterpret_cast<const std::byte*>(&element);
    bytes->insert(bytes->end(), data, data + sizeof element);
  }
}

void append_typed(const onnx::TensorProto& proto, DType dtype, std::vector<std::byte>* bytes) {
  append<float>(proto.float_data(), bytes);
  append<double>(proto.double_data(), bytes);
  append<int64_t>(proto.int64_data(), bytes);
  if (dtype == DType::kUInt64) append<uint64_t>(proto.uint64_data(), bytes);
  if (dtype == DType::kUInt32) append<uint32_t>(proto.uint64_data(), bytes);
  switch (dtype_size(dtype)) {
    case 1:
      return append<uint8_t>(proto.int32_data(), bytes);
    case 2:
      return append<uint16_t>(proto.int32_data(), bytes);
    default:
      return append<int32_t>(proto.int32_data(), bytes);
  }
}

Result<Tensor> read_tensor(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  onnx::TensorProto proto;
  if (!proto.ParseFromIstream(&file))
    return unimplemented(path.filename().string() + " is no tensor");
  const std::optional<DType> dtype = dtype_of(proto.data_type());
  if (!dtype) {
    return unimplemented(path.filename().string() + " is no tensor of a type that the engine has");
  }
  Tensor tensor{*dtype, Shape(), {}};
  for (const int64_t dim : proto.dims()) tensor.shape.push_back(dim);
  if (proto.has_raw_data()) {
    tensor.data.resize(proto.raw_data().size());
    std::memcpy(tensor.data.data(), proto.raw_data().data(), tensor.data.size());
  } else {
    append_typed(proto, *dtype, &tensor.data);
  }
  return tensor;
}

// prefix_0.pb, prefix_1.pb, ... as far as they go.
Result<std::vector<Tensor>> read_tensors(const fs::path& folder, const std::string& prefix) {
  std::vector<Tensor> tensors;
  for (int i = 0;; ++i) {
    const fs::path path = folder / (prefix + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return tensors;
    INFERD_ASSIGN_OR_RETURN(tensors.emplace_back(), read_tensor(path));
  }
}

bool is_float(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kFloat64;
}

bool near(double actual, double expected) {
  if (std::isnan(expected)) return std::isnan(actual);
  if (std::isinf(expected)) return actual == expected;
  return std::abs(actual - expected) <= 1e-7 + 1e-3 * std::abs(expected);
}

Outcome wrong(const std::string& reason) { return {Verdict::kWrong, reason}; }

Outcome compare(const TensorView& actual, const TensorView& expected) {
  if (actual.dtype != expected.dtype || !(actual.shape == expected.shape)) {
    return wrong(std::string(dtype_name(actual.dtype)) + actual.shape.to_string() + " instead of " +
                 std::string(dtype_name(expected.dtype)) + expected.shape.to_string());
  }
  if (!is_float(actual.dtype)) {
    const auto different = std::mismatch(actual.data.begin(), actual.data.end(),
                                         expected.data.begin(), expected.data.end());
    if (different.first == actual.data.end()) return {Verdict::kPassed, ""};
  }
  const std::vector<double> got = to_numbers(actual);
  const std::vector<double> want = to_numbers(expected);
  for (size_t i = 0; i < got.size(); ++i) {
    if (is_float(actual.dtype) ? near(got[i], want[i]) : got[i] == want[i]) continue;
    return wrong("element " + std::to_string(i) + " of " + actual.shape.to_string() + " is " +
                 std::to_string(got[i]) + " instead of " + std::to_string(want[i]));
  }
  return is_float(actual.dtype) ? Outcome{Verdict::kPassed, ""} : wrong("64-bit numbers differ");
}

Outcome outcome_of(const Status& status) {
  std::string reason = status.message();
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  const bool unsupported = status.code() == StatusCode::kUnimplemented;
  return {unsupported ? Verdict::kUnsupported : Verdict::kFailed, reason};
}

Result<Outcome> run_data_set(Context& context, const fs::path& folder) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, read_tensors(folder, "input"));
  INFERD_ASSIGN_OR_RETURN(const std::vector<Tensor> expected, read_tensors(folder, "output"));
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.view());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, context.run(views));
  if (outputs.size() != expected.size()) {
    return wrong(std::to_string(outputs.size()) + " outputs instead of " +
                 std::to_string(expected.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    Outcome outcome = compare(outputs[i], expected[i].view());
    if (outcome.verdict == Verdict::kPassed) continue;
    outcome.reason = "output " + std::to_string(i) + ": " + outcome.reason;
    return outcome;
  }
  return Outcome{Verdict::kPassed, ""};
}

Result<Outcome> run_model(const fs::path& folder) {
  EngineOptions options;
  options.threads = 1;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(options));
  INFERD_ASSIGN_OR_RETURN(const auto model, engine->load((folder / "model.onnx").string()));
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  int sets = 0;
  for (;; ++sets) {
    const fs::path set = folder / ("test_data_set_" + std::to_string(sets));
    if (!fs::exists(set)) break;
    INFERD_ASSIGN_OR_RETURN(const Outcome outcome, run_data_set(*context, set));
    if (outcome.verdict != Verdict::kPassed) return outcome;
  }
  if (sets == 0) return Outcome{Verdict::kFailed, "the case has no data"};
  return Outcome{Verdict::kPassed, ""};
}

// The verdict's number as one byte, then the reason.
[[noreturn]] void report_from_child(int pipe, const std::string& folder) {
  alarm(kMostSeconds);
  const Result<Outcome> outcome = run_model(folder);
  const Outcome said = outcome.ok() ? *outcome : outcome_of(outcome.status());
  constexpr size_t kMostReason = 400;  // within what a pipe takes at once
  const std::string line = static_cast<char>(said.verdict) + said.reason.substr(0, kMostReason);
  const bool written = write(pipe, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  _exit(written ? 0 : 1);
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed:
      return "passed";
    case Verdict::kWrong:
      return "wrong";
    case Verdict::kUnsupported:
      return "unsupported";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kCrashed:
      return "crashed";
  }
  return "";
}

Outcome run_case(const std::string& folder) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return {Verdict::kFailed, "no pipe"};
  const pid_t child = fork();
  if (child < 0) return {Verdict::kFailed, "no process"};
  if (child == 0) report_from_child(ends[1], folder);
  close(ends[1]);
  std::string said;
  std::array<char, 512> buffer{};
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    said.append(buffer.data(), static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return {Verdict::kCrashed, "signal " + std::to_string(WTERMSIG(status))};
  }
  if (said.empty()) return {Verdict::kCrashed, "ended without a word"};
  return {static_cast<Verdict>(said[0]), said.substr(1)};
}

}  // namespace inferd::conformance
