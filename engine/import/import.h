// SPDX-License-Identifier: Apache-2.0
//
// Model file -> verified ir::Graph. One row per format in sniff.cc.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/mapped_file.h"
#include "engine/import/foreign_graph.h"
#include "engine/ir/graph.h"

namespace inferd::import {

// A file to import.
struct Source {
  std::shared_ptr<const MappedFile> file;
  std::string path;
  std::string folder;     // where external data may lie (ONNX), nowhere else
  std::string signature;  // which of the file's signatures; empty: its default (LoadOptions)
};

// Weights of a node as a kernel packed them when the model was compiled.
struct PackedBlock {
  size_t node = 0;  // of the graph's nodes
  std::string kernel;
  std::span<const std::byte> bytes;  // of the file
  uint32_t checksum = 0;             // crc32c() of them
};

// What a compiled model says beside its graph, which is an optimised one of batch 1.
struct Compiled {
  std::string engine_version;     // that wrote it
  std::string packing_id;         // kernels::packing_id() of that engine
  std::string isa;                // for which kernels were chosen
  std::string choice;             // settings with which they were
  bool raw_left_out = false;      // of the constants, those that were packed are not in the file
  std::vector<Shape> chosen_for;  // shapes of the inputs; empty: no kernels were chosen
  std::string format;             // of the file that was compiled
  std::string description;
  std::vector<LeftConversion> conversions;
  std::vector<PackedBlock> packed;
};

struct Imported {
  std::string format;
  std::string description;
  std::shared_ptr<const MappedFile> file;  // null when there is none
  ir::Graph graph;                         // verified unless `unsupported` is not empty
  std::vector<UnsupportedOp> unsupported;
  std::vector<TensorInfo> inputs, outputs;  // as the file declares them, also when unsupported
  std::vector<std::string> signatures;      // of the file
  std::string signature;                    // the one that this is
  std::optional<Compiled> compiled;         // of a compiled model, which is optimised
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
  // Instead of these two, for files that hold ir.
  Result<Imported> (*import)(const Source&, const Limits&) = nullptr;
};

std::span<const Format> formats();

// Maps and imports. Errors as Engine::load(), with the path in front.
Result<Imported> import_file(const std::string& path, const Limits& limits,
                             const std::string& signature = "");

}  // namespace inferd::import
