// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/local_package.h"

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <utility>

#include "package/delta.h"
#include "package/digest.h"
#include "package/signature.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

constexpr int kLevel = 3;  // of compression; higher ones gain little on weights (docs/packages.md)

Status add_file(const std::string& path, const std::string& file, LocalPackage& package) {
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  if (error) return not_found("cannot read '" + file + "': " + error.message());
  INFERD_ASSIGN_OR_RETURN(std::string sha256, package::sha256_of_file(file));
  package.parsed.files.push_back({path, static_cast<int64_t>(bytes), std::move(sha256)});
  package.files[path] = file;
  return ok_status();
}

// Reading it back finds what no manifest may say.
Result<LocalPackage> finish(LocalPackage package) {
  package.manifest = package::write_manifest(package.parsed);
  INFERD_ASSIGN_OR_RETURN(package.parsed, package::parse_manifest(package.manifest));
  return package;
}

}  // namespace

Result<LocalPackage> read_package(const std::string& folder) {
  LocalPackage package;
  INFERD_ASSIGN_OR_RETURN(package::ManifestText text, package::read_manifest(folder));
  package.manifest = std::move(text.manifest);
  package.signature = std::move(text.signature);
  INFERD_ASSIGN_OR_RETURN(package.parsed, package::parse_manifest(package.manifest));
  INFERD_RETURN_IF_ERROR(package::check_folder(folder, package.parsed));
  for (const package::ManifestFile& file : package.parsed.files)
    package.files[file.path] = folder + "/" + file.path;
  return package;
}

Result<LocalPackage> make_package(const std::string& folder, const std::string& name,
                                  int64_t version) {
  LocalPackage package;
  INFERD_ASSIGN_OR_RETURN(package.parsed, package::describe_folder(folder, name, version));
  for (const package::ManifestFile& file : package.parsed.files)
    package.files[file.path] = folder + "/" + file.path;
  return finish(std::move(package));
}

Result<LocalPackage> make_package(const PackageParts& parts, const std::string& name,
                                  int64_t version) {
  LocalPackage package;
  package.parsed.model = name;
  package.parsed.version = version;
  package.parsed.created_s = std::time(nullptr);
  const std::string extension = fs::path(parts.model).extension();
  INFERD_RETURN_IF_ERROR(add_file("model" + extension, parts.model, package));
  if (!parts.config.empty()) INFERD_RETURN_IF_ERROR(add_file("model.yaml", parts.config, package));
  if (!parts.labels.empty()) INFERD_RETURN_IF_ERROR(add_file("labels.txt", parts.labels, package));
  if (parts.self_test.empty()) return finish(std::move(package));
  std::error_code error;
  for (fs::recursive_directory_iterator it(parts.self_test, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code unknown;
    if (it->is_directory(unknown)) continue;
    const std::string path =
        "selftest/" + fs::relative(it->path(), parts.self_test, unknown).string();
    INFERD_RETURN_IF_ERROR(add_file(path, it->path(), package));
  }
  if (error) return not_found("cannot read '" + parts.self_test + "': " + error.message());
  return finish(std::move(package));
}

Status sign_package(LocalPackage& package, const std::string& key) {
  INFERD_ASSIGN_OR_RETURN(const auto secret, package::load_secret_key(key));
  package.signature = package::sign(package.manifest, secret);
  return ok_status();
}

PackedFiles::~PackedFiles() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

Status PackedFiles::pack(const LocalPackage& package,
                         const std::map<std::string, std::string>& bases) {
  std::error_code error;
  std::string pattern = (fs::temp_directory_path(error) / "inferctl-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return unavailable("cannot make the temporary folder '" + pattern + "'");
  folder_ = pattern;
  take(package);
  for (TransferInfo& transfer : transfers_) {
    const auto base = bases.find(transfer.path);
    const std::string& original = package.files.at(transfer.path);
    const std::string packed = folder_ + "/" + std::to_string(&transfer - transfers_.data());
    const bool has_base = base != bases.end();
    INFERD_RETURN_IF_ERROR(package::encode(original, has_base ? base->second : "", packed, kLevel));
    const auto bytes = static_cast<int64_t>(fs::file_size(packed, error));
    if (error || bytes >= transfer.bytes) continue;
    transfer.compressed = true;
    transfer.bytes = bytes;
    if (has_base) {
      INFERD_ASSIGN_OR_RETURN(transfer.base_sha256, package::sha256_of_file(base->second));
    }
    files_[transfer.path] = packed;
  }
  return ok_status();
}

void PackedFiles::take(const LocalPackage& package) {
  files_ = package.files;
  transfers_.clear();
  for (const package::ManifestFile& file : package.parsed.files) {
    TransferInfo transfer;
    transfer.path = file.path;
    transfer.bytes = file.bytes;
    transfers_.push_back(std::move(transfer));
  }
}

}  // namespace inferd::ctl
