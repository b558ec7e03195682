// SPDX-License-Identifier: Apache-2.0
//
// Packages on disk.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>

#include "package/digest.h"
#include "package/file.h"
#include "package/manifest.h"
#include "package/name.h"
#include "package/text.h"

namespace inferd::package {
namespace {

namespace fs = std::filesystem;

using Sizes = std::map<std::string, int64_t>;  // of files by their paths in the folder

Status unreadable(const fs::path& path, const std::error_code& error) {
  const std::string message = "cannot read '" + path.string() + "': " + error.message();
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory) {
    return not_found(message);
  }
  return error == std::errc::permission_denied ? permission_denied(message) : unavailable(message);
}

// One entry of a folder. `path` is its path in the package.
Status add_entry(const fs::directory_entry& entry, const std::string& path, Sizes& sizes,
                 std::vector<std::string>& folders) {
  if (path == kManifestFile || path == kSignatureFile) return ok_status();
  std::error_code error;
  const fs::file_status status = entry.symlink_status(error);
  if (error) return unreadable(entry.path(), error);
  if (!is_package_path(path)) {
    return invalid_argument("a package cannot have " + shown(path) +
                            ": up to four names of letters, digits, '.', '_' and '-', none with a "
                            "'.' at the beginning");
  }
  if (fs::is_directory(status)) {
    folders.push_back(path);
  } else if (fs::is_regular_file(status)) {
    const uintmax_t bytes = entry.file_size(error);
    if (error) return unreadable(entry.path(), error);
    sizes.emplace(path, static_cast<int64_t>(bytes));
  } else {
    return invalid_argument("'" + path + "' is " +
                            (fs::is_symlink(status) ? "a symbolic link" : "not a regular file") +
                            "; a package has regular files only");
  }
  if (std::max(sizes.size(), folders.size()) > kMaxFiles) {
    return invalid_argument("there are more than " + std::to_string(kMaxFiles) +
                            " files or folders; a package has fewer");
  }
  return ok_status();
}

// The files of a folder and of those in it, but the manifest and its signature.
Result<Sizes> list_files(const fs::path& root) {
  Sizes sizes;
  std::vector<std::string> folders = {""};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    const fs::path here = folder.empty() ? root : root / folder;
    std::error_code error;
    fs::directory_iterator it(here, error);
    // Unlike a range-based loop, increment() does not throw.
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      const std::string name = it->path().filename();
      INFERD_RETURN_IF_ERROR(
          add_entry(*it, folder.empty() ? name : folder + "/" + name, sizes, folders)
              .with_context(root.string()));
    }
    if (error) return unreadable(here, error);
  }
  return sizes;
}

Status differs(const std::string& folder, const std::string& path, const std::string& how) {
  return data_loss("'" + folder + "' is not what its manifest says: '" + path + "' " + how);
}

}  // namespace

Result<ManifestText> read_manifest(const std::string& folder) {
  const auto read = [&](std::string_view name, int64_t max_bytes) -> Result<std::string> {
    INFERD_ASSIGN_OR_RETURN(const InputFile file,
                            InputFile::open(folder + "/" + std::string(name)));
    return read_text(file, max_bytes);
  };
  ManifestText text;
  INFERD_ASSIGN_OR_RETURN(text.manifest, read(kManifestFile, kMaxManifestBytes));
  Result<std::string> signature = read(kSignatureFile, kMaxSignatureBytes);
  if (signature.ok()) {
    text.signature = *std::move(signature);
  } else if (signature.status().code() != StatusCode::kNotFound) {
    return signature.status();
  }
  return text;
}

Result<Manifest> describe_folder(const std::string& folder, const std::string& model,
                                 int64_t version) {
  if (!is_model_name(model)) {
    return invalid_argument(shown(model) + " is not a model name: " + std::string(kModelNameRule));
  }
  if (version < 1) return invalid_argument("a version is an integer of 1 or more");
  INFERD_ASSIGN_OR_RETURN(const Sizes sizes, list_files(folder));
  if (sizes.empty()) return invalid_argument("'" + folder + "' has no files");
  Manifest manifest;
  manifest.model = model;
  manifest.version = version;
  manifest.created_s = std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  for (const auto& [path, bytes] : sizes) {
    INFERD_ASSIGN_OR_RETURN(std::string sha256, sha256_of_file(folder + "/" + path));
    manifest.files.push_back({path, bytes, std::move(sha256)});
  }
  return manifest;
}

Status check_folder(const std::string& folder, const Manifest& manifest) {
  const Result<Sizes> listed = list_files(folder);
  if (!listed.ok()) {
    // What no package may have is one way of being too much.
    const Status status = listed.status();
    return status.code() == StatusCode::kInvalidArgument ? data_loss(status.message()) : status;
  }
  Sizes extra = *listed;
  for (const ManifestFile& file : manifest.files) {
    const auto found = extra.find(file.path);
    if (found == extra.end()) return differs(folder, file.path, "is missing");
    if (found->second != file.bytes) {
      return differs(
          folder, file.path,
          "has " + std::to_string(found->second) + " bytes, not " + std::to_string(file.bytes));
    }
    extra.erase(found);
  }
  if (!extra.empty()) return differs(folder, extra.begin()->first, "is not in it");
  for (const ManifestFile& file : manifest.files) {
    INFERD_ASSIGN_OR_RETURN(const std::string sha256, sha256_of_file(folder + "/" + file.path));
    if (sha256 != file.sha256) return differs(folder, file.path, "has another checksum");
  }
  return ok_status();
}

}  // namespace inferd::package
