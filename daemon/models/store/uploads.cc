// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/uploads.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <optional>
#include <utility>

#include "daemon/models/versions_on_disk.h"
#include "package/delta.h"
#include "package/digest.h"

namespace inferd::models {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxUploads = 16;
constexpr size_t kIdDigits = 16;

std::string id_of(const std::string& manifest) {
  package::Sha256 digest;
  digest.update(std::as_bytes(std::span(manifest)));
  return digest.finish().substr(0, kIdDigits);
}

// Parts of the same bytes have the same name, others never.
std::string part_name(size_t index, const Transfer& transfer) {
  return std::to_string(index) + (transfer.compressed ? "-zstd-" : "-plain-") +
         std::to_string(transfer.bytes) + "-" + transfer.base_sha256.substr(0, kIdDigits);
}

int64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

// When something was last written in an upload, seconds since the epoch.
std::time_t last_write(const std::string& folder) {
  std::time_t last = 0;
  for (const std::string& path : {folder, folder + "/parts", folder + "/package"}) {
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0) last = std::max(last, about.st_mtime);
  }
  return last;
}

Status copy_file(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (!error) return ok_status();
  return error == std::errc::no_space_on_device
             ? resource_exhausted("no space is left to copy '" + from + "'")
             : unavailable("cannot copy '" + from + "': " + error.message());
}

Status check_transfer(const Transfer& transfer, const package::ManifestFile& file) {
  const std::string what = "transfer of '" + transfer.path + "'";
  if (!transfer.compressed && !transfer.base_sha256.empty())
    return invalid_argument(what + ": a difference to a base is compressed");
  if (!transfer.compressed && transfer.bytes != file.bytes) {
    return invalid_argument(what + " has " + std::to_string(transfer.bytes) +
                            " bytes, the file has " + std::to_string(file.bytes));
  }
  // What is longer than the file (and a frame's own few bytes) is better sent as it is.
  if (transfer.bytes < 0 || transfer.bytes > file.bytes + file.bytes / 64 + 1024) {
    return invalid_argument(what + " has " + std::to_string(transfer.bytes) +
                            " bytes for a file of " + std::to_string(file.bytes));
  }
  return ok_status();
}

}  // namespace

struct Uploads::Upload {
  std::string folder;
  UploadStatus status;  // by mutex
  std::mutex mutex;     // of whoever works on it
  // The file that is being written.
  std::optional<AppendedFile> part;
  std::string part_path;

  std::string package() const { return folder + "/package"; }
  std::string part_of(const Transfer& transfer) const {
    const auto& files = status.manifest.files;
    const auto at = std::find_if(files.begin(), files.end(), [&](const package::ManifestFile& f) {
      return f.path == transfer.path;
    });
    return folder + "/parts/" + part_name(static_cast<size_t>(at - files.begin()), transfer);
  }
};

Result<std::shared_ptr<Uploads::Upload>> Uploads::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto upload = uploads_.find(id);
  if (upload == uploads_.end()) return not_found("there is no upload '" + id + "'; begin it");
  return upload->second;
}

Result<std::shared_ptr<Uploads::Upload>> Uploads::open(const std::string& id,
                                                       const std::string& manifest,
                                                       const std::string& signature) {
  INFERD_ASSIGN_OR_RETURN(package::Manifest parsed, package::parse_manifest(manifest));
  const std::lock_guard lock(mutex_);
  if (const auto known = uploads_.find(id); known != uploads_.end()) return known->second;
  if (uploads_.size() >= kMaxUploads) {
    return resource_exhausted("there are " + std::to_string(kMaxUploads) +
                              " uploads under way; abandon one or wait");
  }
  auto upload = std::make_shared<Upload>();
  upload->folder = folder_ + "/" + id;
  upload->status.id = id;
  upload->status.manifest = std::move(parsed);
  INFERD_RETURN_IF_ERROR(make_folders(upload->folder + "/parts"));
  INFERD_RETURN_IF_ERROR(make_folders(upload->package()));
  INFERD_RETURN_IF_ERROR(write_durably(upload->package() + "/manifest.json", manifest));
  if (!signature.empty())
    INFERD_RETURN_IF_ERROR(write_durably(upload->package() + "/manifest.sig", signature));
  uploads_[id] = upload;
  return upload;
}

Result<UploadStatus> Uploads::begin(const std::string& manifest, const std::string& signature,
                                    const std::vector<Transfer>& transfers) {
  INFERD_ASSIGN_OR_RETURN(const auto upload, open(id_of(manifest), manifest, signature));
  const std::unique_lock lock(upload->mutex, std::try_to_lock);
  if (!lock) return unavailable("this package is being sent by somebody else");
  INFERD_RETURN_IF_ERROR(take_what_is_here(*upload, transfers));
  return upload->status;
}

Status Uploads::take_what_is_here(Upload& upload, const std::vector<Transfer>& transfers) {
  const package::Manifest& manifest = upload.status.manifest;
  upload.status.files.clear();
  upload.part.reset();
  std::error_code error;
  for (const package::ManifestFile& file : manifest.files) {
    const std::string place = upload.package() + "/" + file.path;
    if (fs::exists(place, error) && size_of(place) == file.bytes) continue;  // checked later
    if (const std::string known = find_file_(manifest.model, file.sha256); !known.empty()) {
      INFERD_RETURN_IF_ERROR(copy_file(known, place));
      continue;
    }
    const auto transfer = std::find_if(transfers.begin(), transfers.end(),
                                       [&](const Transfer& t) { return t.path == file.path; });
    const Transfer plain = {file.path, false, "", file.bytes};
    const Transfer& chosen = transfer == transfers.end() ? plain : *transfer;
    INFERD_RETURN_IF_ERROR(check_transfer(chosen, file));
    const std::string& base = chosen.base_sha256;
    if (!base.empty() && find_file_(manifest.model, base).empty()) {
      return not_found("'" + file.path + "' is sent as a difference to a file with checksum " +
                       base + ", which no version of '" + manifest.model +
                       "' here has; send it whole");
    }
    upload.status.files.push_back({chosen, size_of(upload.part_of(chosen))});
  }
  return ok_status();
}

Result<int64_t> Uploads::append(const std::string& id, const std::string& path, int64_t offset,
                                std::span<const std::byte> bytes) {
  INFERD_ASSIGN_OR_RETURN(const auto upload, find(id));
  const std::unique_lock lock(upload->mutex, std::try_to_lock);
  if (!lock) return unavailable("this package is being sent by somebody else");
  auto& files = upload->status.files;
  const auto file = std::find_if(files.begin(), files.end(), [&](const UploadedFile& candidate) {
    return candidate.transfer.path == path;
  });
  if (file == files.end()) return invalid_argument("'" + path + "' is not to be sent");
  if (offset != file->received) {
    return out_of_range("of '" + path + "', " + std::to_string(file->received) +
                        " bytes are here; got what begins at " + std::to_string(offset));
  }
  if (static_cast<int64_t>(bytes.size()) > file->transfer.bytes - file->received) {
    return out_of_range("'" + path + "' was to take " + std::to_string(file->transfer.bytes) +
                        " bytes; got more");
  }
  const std::string part = upload->part_of(file->transfer);
  if (!upload->part || upload->part_path != part) {
    INFERD_ASSIGN_OR_RETURN(upload->part, AppendedFile::open(part));
    upload->part_path = part;
  }
  // A part of what failed before may be behind what counts.
  if (upload->part->size() != file->received)
    INFERD_RETURN_IF_ERROR(upload->part->truncate(file->received));
  INFERD_RETURN_IF_ERROR(upload->part->append(bytes));
  file->received += static_cast<int64_t>(bytes.size());
  return file->received;
}

Status Uploads::unpack(const Upload& upload, const UploadedFile& file) const {
  const package::Manifest& manifest = upload.status.manifest;
  const Transfer& transfer = file.transfer;
  const std::string part = upload.part_of(transfer);
  const std::string place = upload.package() + "/" + transfer.path;
  std::error_code error;
  fs::create_directories(fs::path(place).parent_path(), error);
  if (transfer.bytes == 0 && !transfer.compressed) return write_durably(place, "");
  if (!transfer.compressed) {
    fs::rename(part, place, error);
    return error ? unavailable("cannot make '" + place + "': " + error.message()) : ok_status();
  }
  std::string base;
  if (!transfer.base_sha256.empty()) base = find_file_(manifest.model, transfer.base_sha256);
  if (base.empty() && !transfer.base_sha256.empty())
    return not_found("the file that '" + transfer.path + "' is a difference to is gone");
  const auto entry =
      std::find_if(manifest.files.begin(), manifest.files.end(),
                   [&](const package::ManifestFile& f) { return f.path == transfer.path; });
  fs::remove(place, error);
  INFERD_ASSIGN_OR_RETURN(AppendedFile output, AppendedFile::open(place));
  const auto sink = [&](std::span<const std::byte> bytes) { return output.append(bytes); };
  INFERD_RETURN_IF_ERROR(package::decode(part, base, sink, entry->bytes));
  fs::remove(part, error);
  return ok_status();
}

Result<std::string> Uploads::complete(const std::string& id) {
  INFERD_ASSIGN_OR_RETURN(const auto upload, find(id));
  const std::unique_lock lock(upload->mutex, std::try_to_lock);
  if (!lock) return unavailable("this package is being sent by somebody else");
  for (const UploadedFile& file : upload->status.files) {
    if (file.received == file.transfer.bytes) continue;
    return failed_precondition("of '" + file.transfer.path + "', " + std::to_string(file.received) +
                               " of " + std::to_string(file.transfer.bytes) + " bytes are here");
  }
  upload->part.reset();
  Status status;
  while (status.ok() && !upload->status.files.empty()) {
    status = unpack(*upload, upload->status.files.back());
    if (status.ok()) upload->status.files.pop_back();
  }
  if (status.ok()) status = package::check_folder(upload->package(), upload->status.manifest);
  if (status.ok()) status = sync_tree(upload->package());
  if (status.ok()) return upload->package();
  if (status.code() == StatusCode::kDataLoss) {
    (void)remove_tree(upload->folder);
    const std::lock_guard forgetting(mutex_);
    uploads_.erase(id);
  }
  return status;
}

Result<UploadStatus> Uploads::status(const std::string& id) const {
  INFERD_ASSIGN_OR_RETURN(const auto upload, find(id));
  const std::lock_guard lock(upload->mutex);
  return upload->status;
}

Status Uploads::abandon(const std::string& id) {
  INFERD_ASSIGN_OR_RETURN(const auto upload, find(id));
  const std::unique_lock lock(upload->mutex, std::try_to_lock);
  if (!lock) return unavailable("this package is being sent by somebody else");
  {
    const std::lock_guard forgetting(mutex_);
    uploads_.erase(id);
  }
  return remove_tree(upload->folder);
}

int64_t Uploads::clean(int64_t max_idle_s) {
  const std::time_t now = std::time(nullptr);
  const std::lock_guard lock(mutex_);
  int64_t left = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string id = it->path().filename();
    const auto known = uploads_.find(id);
    const bool is_used = known != uploads_.end() && known->second.use_count() > 1;
    if (is_used || now - last_write(it->path()) < max_idle_s) {
      left += bytes_in_folder(it->path());
      continue;
    }
    if (known != uploads_.end()) uploads_.erase(known);
    (void)remove_tree(it->path());
  }
  return left;
}

}  // namespace inferd::models
