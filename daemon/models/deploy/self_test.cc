// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/self_test.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "daemon/models/deploy/one_run.h"
#include "media/npy.h"

namespace inferd::models {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTimeoutMs = 60'000;

fs::path file_of(const fs::path& folder, std::string tensor) {
  for (char& c : tensor) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    if (!plain) c = '_';
  }
  return folder / (tensor + ".npy");
}

// Files of a folder that are no tensor of the model would be taken for a test that is none.
Status check_no_others(const fs::path& folder, std::span<const TensorInfo> tensors) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const bool known = std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) {
      return file_of(folder, tensor.name) == it->path();
    });
    if (!known) return invalid_argument("'" + it->path().string() + "' is no tensor of the model");
  }
  return ok_status();
}

Status run_case(const std::shared_ptr<const ModelVersion>& version, const fs::path& folder,
                const Tolerance& tolerance) {
  const auto inputs = version->model->inputs(), outputs = version->model->outputs();
  INFERD_RETURN_IF_ERROR(check_no_others(folder / "inputs", inputs));
  INFERD_RETURN_IF_ERROR(check_no_others(folder / "outputs", outputs));
  std::vector<media::Array> given;
  for (const TensorInfo& input : inputs) {
    INFERD_ASSIGN_OR_RETURN(given.emplace_back(),
                            media::read_npy(file_of(folder / "inputs", input.name)));
  }
  INFERD_ASSIGN_OR_RETURN(const OneRun run, run_once(version, std::move(given), kTimeoutMs));
  size_t compared = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const fs::path file = file_of(folder / "outputs", outputs[i].name);
    std::error_code error;
    if (!fs::exists(file, error)) continue;
    INFERD_ASSIGN_OR_RETURN(const media::Array expected, media::read_npy(file));
    if (run.outputs[i].dtype != expected.dtype) {
      return invalid_argument("'" + file.string() + "' holds " +
                              std::string(dtype_name(expected.dtype)) + ", the output is " +
                              std::string(dtype_name(run.outputs[i].dtype)));
    }
    INFERD_RETURN_IF_ERROR(check_close(outputs[i].name, to_numbers(run.outputs[i].view()),
                                       to_numbers(expected.view()), tolerance));
    ++compared;
  }
  if (compared > 0) return ok_status();
  return invalid_argument("'" + (folder / "outputs").string() + "' says nothing of any output");
}

}  // namespace

std::vector<std::string> self_test_cases(const std::string& version_folder) {
  std::vector<std::string> cases;
  std::error_code error;
  const fs::path folder = fs::path(version_folder) / "selftest";
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code unknown;
    if (it->is_directory(unknown)) cases.push_back(it->path().filename());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

Status run_self_test(const std::shared_ptr<const ModelVersion>& version,
                     const std::string& version_folder, const std::string& name,
                     const Tolerance& tolerance) {
  return run_case(version, fs::path(version_folder) / "selftest" / name, tolerance)
      .with_context("self-test '" + name + "'");
}

}  // namespace inferd::models
