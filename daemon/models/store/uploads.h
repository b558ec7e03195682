// SPDX-License-Identifier: Apache-2.0
//
// Packages on their way to the board: <root>/.inferd/incoming/<id>/. What has arrived of one stays
// there over broken links and restarts, until it is complete, abandoned, or old.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "daemon/models/store/durable.h"
#include "package/manifest.h"

namespace inferd::models {

// How the bytes of a file travel.
struct Transfer {
  std::string path;         // in the manifest
  bool compressed = false;  // a zstd frame (package/delta.h)
  std::string base_sha256;  // of the file that it is a difference to; empty: none
  int64_t bytes = 0;        // that travel
};

struct UploadedFile {
  Transfer transfer;
  int64_t received = 0;
};

struct UploadStatus {
  std::string id;  // the same package has the same
  package::Manifest manifest;
  std::vector<UploadedFile> files;  // those that travel; others are on the board already
  bool is_staged = false;           // nothing is to be sent: it is a version of its model already
};

// Thread-safe; one call at a time for each upload.
class Uploads {
 public:
  // Finds a file by its checksum among those that the board has of a model; "" where there is none.
  using FindFile = std::function<std::string(const std::string& model, const std::string& sha256)>;

  Uploads(std::string folder, FindFile find_file)
      : folder_(std::move(folder)), find_file_(std::move(find_file)) {}

  // Begins an upload, or goes on with it. Files that the board has are taken from there.
  // INVALID_ARGUMENT for transfers that do not fit the manifest, NOT_FOUND for a base that is not
  // here (send the file as it is), RESOURCE_EXHAUSTED for too many uploads.
  Result<UploadStatus> begin(const std::string& manifest, const std::string& signature,
                             const std::vector<Transfer>& transfers);

  // Appends to a file that travels and returns how much of it is here. OUT_OF_RANGE unless `offset`
  // is just that: go on from there. UNAVAILABLE while somebody else sends it.
  Result<int64_t> append(const std::string& id, const std::string& path, int64_t offset,
                         std::span<const std::byte> bytes);

  // Unpacks and checks all files and gives the folder, which is durable and holds the package and
  // nothing else. FAILED_PRECONDITION while something is missing. DATA_LOSS for what is not as the
  // manifest says, which is forgotten: begin again.
  Result<std::string> complete(const std::string& id);

  // NOT_FOUND where nothing of it is here.
  Result<UploadStatus> status(const std::string& id) const;
  Status abandon(const std::string& id);

  // Removes those that nobody has written to for so long. Returns how many bytes are left.
  int64_t clean(int64_t max_idle_s);

 private:
  struct Upload;

  Result<std::shared_ptr<Upload>> find(const std::string& id) const;
  Result<std::shared_ptr<Upload>> open(const std::string& id, const std::string& manifest,
                                       const std::string& signature);
  Status take_what_is_here(Upload& upload, const std::vector<Transfer>& transfers);
  Status unpack(const Upload& upload, const UploadedFile& file) const;

  const std::string folder_;
  const FindFile find_file_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<Upload>> uploads_;  // by mutex_; those in use
};

}  // namespace inferd::models
