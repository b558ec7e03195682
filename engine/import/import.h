// SPDX-License-Identifier: Apache-2.0
//
// Model file -> verified ir::Graph. One row per format in sniff.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/mapped_file.h"
#include "engine/import/foreign_graph.h"
#include "engine/ir/graph.h"

namespace inferd::import {

// A file to import. `folder` is where external data may lie (ONNX), nowhere else.
struct Source {
  std::shared_ptr<const MappedFile> file;
  std::string path;
  std::string folder;
};

struct Format {
  const char* name;
  // Looks at the first bytes and, where the format has no magic, the extension.
  bool (*sniff)(const Source&);
  // Bytes -> ForeignGraph. Hostile input: every offset, count and size is checked.
  Result<ForeignGraph> (*read)(const Source&, const Limits&);
  // Operators of the format -> ir. Unsupported operators are collected in `unsupported`, all of
  // them; then the graph is not usable. Any other problem is an error.
  Result<ir::Graph> (*lower)(const ForeignGraph&, std::vector<UnsupportedOp>* unsupported);
};

std::span<const Format> formats();

struct Imported {
  std::string format;
  std::string description;
  std::shared_ptr<const MappedFile> file;  // null when there is none
  ir::Graph graph;                         // verified unless `unsupported` is not empty
  std::vector<UnsupportedOp> unsupported;
  std::vector<TensorInfo> inputs, outputs;  // as the file declares them, also when unsupported
};

// Maps and imports. Errors as Engine::load(), with the path in front.
Result<Imported> import_file(const std::string& path, const Limits& limits);

}  // namespace inferd::import
