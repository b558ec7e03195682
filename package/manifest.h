// SPDX-License-Identifier: Apache-2.0
//
// A package is a folder with one version of a model: the model file and what belongs to it
// (labels.txt, model.yaml, selftest/), manifest.json, which names them all, and manifest.sig when
// it is signed (signature.h). docs/packages.md describes the format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::package {

inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kSignatureFile = "manifest.sig";
inline constexpr int64_t kMaxManifestBytes = int64_t{1} << 20, kMaxSignatureBytes = 256;
inline constexpr size_t kMaxFiles = 1000;

struct ManifestFile {
  std::string path;    // in the package's folder; see is_package_path()
  int64_t bytes = 0;   // 0 or more
  std::string sha256;  // see is_sha256()

  bool operator==(const ManifestFile&) const = default;
};

struct Manifest {
  std::string model;      // see is_model_name()
  int64_t version = 0;    // 1 or more
  int64_t created_s = 0;  // Unix seconds
  int64_t expires_s = 0;  // Unix seconds, after created_s; 0: never
  std::vector<ManifestFile> files;

  int64_t total_bytes() const;  // of the files
  bool operator==(const Manifest&) const = default;
};

// The text of a manifest.json, which may be anybody's. What it returns keeps what is said above;
// there is a file at least and kMaxFiles at most, no path is there twice or both a file and a
// folder, and total_bytes() does not overflow. INVALID_ARGUMENT says which member is wrong, also of
// unknown and repeated ones; RESOURCE_EXHAUSTED: more than kMaxManifestBytes.
Result<Manifest> parse_manifest(std::string_view json);

// The text of a manifest that parse_manifest() would return: the same each time, indented, with a
// newline at the end.
std::string write_manifest(const Manifest& manifest);

// What a folder's manifest.json and manifest.sig say, unchecked.
struct ManifestText {
  std::string manifest;
  std::string signature;  // empty: there is none
};

// NOT_FOUND: the folder has no manifest.json; PERMISSION_DENIED, INVALID_ARGUMENT (no regular
// file), RESOURCE_EXHAUSTED (too large), UNAVAILABLE: one of them cannot be read.
Result<ManifestText> read_manifest(const std::string& folder);

// What a folder holds, as a new version of a model, created now. Reads every file but manifest.json
// and manifest.sig; they are in the order of their paths. NOT_FOUND, PERMISSION_DENIED,
// UNAVAILABLE: something cannot be read; INVALID_ARGUMENT names a link, device or file whose name
// no package may have, or the bad name or version; there is no file at all, or more than kMaxFiles.
Result<Manifest> describe_folder(const std::string& folder, const std::string& model,
                                 int64_t version);

// Whether a folder holds the manifest's files and nothing else but manifest.json and manifest.sig.
// DATA_LOSS names the first file that is missing, has another size or checksum, or is too much.
// NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE: the folder or a file cannot be read.
Status check_folder(const std::string& folder, const Manifest& manifest);

}  // namespace inferd::package
