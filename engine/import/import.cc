// SPDX-License-Identifier: Apache-2.0
#include "engine/import/import.h"

#include <filesystem>

namespace inferd::import {
namespace {

std::string known_formats() {
  std::string names;
  for (const Format& format : formats())
    names += (names.empty() ? "" : ", ") + std::string(format.name);
  return names.empty() ? "none" : names;
}

Status check_limits(const ForeignGraph& foreign, const Limits& limits) {
  const auto over = [](const char* what, size_t count, int64_t limit) {
    return resource_exhausted("the model has " + std::to_string(count) + " " + what +
                              ", more than the limit of " + std::to_string(limit));
  };
  if (static_cast<int64_t>(foreign.nodes.size()) > limits.max_nodes) {
    return over("operators", foreign.nodes.size(), limits.max_nodes);
  }
  if (static_cast<int64_t>(foreign.tensors.size()) > limits.max_tensors) {
    return over("tensors", foreign.tensors.size(), limits.max_tensors);
  }
  return ok_status();
}

Result<std::vector<TensorInfo>> describe(const ForeignGraph& foreign,
                                         const std::vector<std::string>& names) {
  std::vector<TensorInfo> infos;
  for (const std::string& name : names) {
    const auto tensor = foreign.tensors.find(name);
    if (tensor == foreign.tensors.end())
      return invalid_argument("tensor '" + name + "' does not exist");
    const ForeignTensor& t = tensor->second;
    if (!t.unsupported.empty())
      continue;  // a type that TensorInfo cannot tell; lowering reports it
    infos.push_back({t.name, t.dtype, t.shape, t.quantization});
  }
  return infos;
}

Status no_signature(const Source& source) {
  return invalid_argument("the model has no signature '" + source.signature + "', it has none");
}

Result<Imported> import_as(const Format& format, const Source& source, const Limits& limits) {
  if (format.import != nullptr) {
    return source.signature.empty() ? format.import(source, limits) : no_signature(source);
  }
  INFERD_ASSIGN_OR_RETURN(const ForeignGraph foreign, format.read(source, limits));
  if (!source.signature.empty() && foreign.signatures.empty()) return no_signature(source);
  INFERD_RETURN_IF_ERROR(check_limits(foreign, limits));
  Imported imported;
  imported.format = foreign.format;
  imported.description = foreign.description;
  imported.signatures = foreign.signatures;
  imported.signature = foreign.signature;
  INFERD_ASSIGN_OR_RETURN(imported.inputs, describe(foreign, foreign.inputs));
  INFERD_ASSIGN_OR_RETURN(imported.outputs, describe(foreign, foreign.outputs));
  INFERD_ASSIGN_OR_RETURN(imported.graph, format.lower(foreign, &imported.unsupported));
  if (imported.unsupported.empty()) INFERD_RETURN_IF_ERROR(ir::verify(imported.graph));
  return imported;
}

}  // namespace

Result<Imported> import_file(const std::string& path, const Limits& limits,
                             const std::string& signature) {
  INFERD_ASSIGN_OR_RETURN(auto file, MappedFile::open(path, limits.max_file_bytes));
  const Source source{std::move(file), path, std::filesystem::path(path).parent_path().string(),
                      signature};
  for (const Format& format : formats()) {
    if (!format.sniff(source)) continue;
    Result<Imported> imported = import_as(format, source, limits);
    if (!imported.ok()) return imported.status().with_context(path);
    imported->file = source.file;
    source.file->forget();
    return imported;
  }
  return invalid_argument("'" + path + "' is not a model in a known format (" + known_formats() +
                          ")");
}

}  // namespace inferd::import
