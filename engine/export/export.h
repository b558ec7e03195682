// SPDX-License-Identifier: Apache-2.0
//
// ir::Graph -> model file. One row per format in export.cc.
#pragma once

#include <span>
#include <string>

#include "engine/ir/graph.h"

namespace inferd::exporter {

struct Format {
  const char* extension;  // ".onnx"
  // Writes a verified graph. An existing file is replaced at once: readers see the old one or the
  // new one. UNIMPLEMENTED names the operator that the format does not have.
  Status (*write)(const ir::Graph& graph, const std::string& path);
};

// By the extension of `path`. INVALID_ARGUMENT lists those that are known.
Result<const Format*> format_for(const std::string& path);

// Writes beside `path` and renames.
Status replace_file(const std::string& path, std::span<const char> bytes);

}  // namespace inferd::exporter
