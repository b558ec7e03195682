// SPDX-License-Identifier: Apache-2.0
//
// What the importers' tests share: model files that exist only for a test, and what becomes of them
// as text.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/import/import.h"
#include "inferd/engine/engine.h"

namespace inferd::import {

// A folder that goes away with the test.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "inferd-import-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

inline Result<Imported> import_bytes(const std::string& bytes, const Limits& limits = {}) {
  const TestFolder folder;
  return import_file(folder.write("model", bytes), limits);
}

// What an import gives, as text: "CODE: message", or one line "unsupported OP 'node': reason" for
// each operator that the engine lacks, or the lines of ir::to_text() that tell the nodes.
inline std::string outcome(const Result<Imported>& imported) {
  if (!imported.ok()) {
    EXPECT_FALSE(imported.status().message().empty());
    return imported.status().to_string();
  }
  std::string text;
  for (const UnsupportedOp& op : imported->unsupported) {
    text += "unsupported " + op.op + " '" + op.node + "': " + op.reason + "\n";
  }
  if (!text.empty()) return text;
  text = ir::to_text(imported->graph);
  const size_t first = text.find('\n') + 1;
  return text.substr(first, text.rfind("outputs ") - first);
}
inline std::string outcome(const std::string& bytes, const Limits& limits = {}) {
  return outcome(import_bytes(bytes, limits));
}

// The first output for float inputs of the model's own shapes.
inline std::vector<float> run_floats(const std::string& bytes,
                                     const std::vector<std::vector<float>>& inputs) {
  const TestFolder folder;
  const auto engine = Engine::create({.threads = 1, .log = nullptr, .prefer_kernels = {}});
  const auto model = (*engine)->load(folder.write("model", bytes));
  if (!model.ok()) {
    ADD_FAILURE() << model.status().to_string();
    return {};
  }
  const auto context = (*model)->create_context();
  std::vector<TensorView> views;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Shape shape = (*model)->inputs()[i].shape;
    if (shape.rank() > 0 && shape[0] == kDynamicDim) shape[0] = 1;
    views.push_back({DType::kFloat32, shape, std::as_bytes(std::span(inputs[i]))});
  }
  const auto outputs = (*context)->run(views);
  if (!outputs.ok()) {
    ADD_FAILURE() << outputs.status().to_string();
    return {};
  }
  const auto values = (*outputs)[0].as<float>();
  return {values.begin(), values.end()};
}

}  // namespace inferd::import
