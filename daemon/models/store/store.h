// SPDX-License-Identifier: Apache-2.0
//
// The repository's folder as deployments change it: versions arrive, are published, taken back and
// removed, and a power cut at any moment leaves either the state before or the one after.
//
//   <root>/<model>/<version>/          a version; with manifest.json if it came as a package
//   <root>/.inferd/decisions           which of them serve (decisions.h)
//   <root>/.inferd/incoming/<id>/      packages that are not complete (uploads.h)
//   <root>/.inferd/trash/              what is being removed
//   <root>/.inferd/running             while the daemon runs (crash_mark.h)
//   <root>/.inferd/lock                one daemon at a time
//
// A repository that nobody deploys to may be read-only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/store/crash_mark.h"
#include "daemon/models/store/decisions.h"
#include "daemon/models/store/folder_stamp.h"
#include "daemon/models/store/uploads.h"
#include "package/manifest.h"
#include "package/signature.h"

namespace inferd::models {

struct ModelAndVersion {
  std::string model;
  int64_t version = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the operator for a comparison with 0
  auto operator<=>(const ModelAndVersion&) const = default;
};

// "version 3 of model 'm'", for messages.
inline std::string name_of(const ModelAndVersion& version) {
  return "version " + std::to_string(version.version) + " of model '" + version.model + "'";
}

// That a version was as it was signed and sent, and what its files were then. Made by
// Store::verify() alone, so that nobody can say it of what was not looked at.
class Verified {
 private:
  friend class Store;
  Verified(ModelAndVersion version, FolderStamp stamp)
      : version_(std::move(version)), stamp_(std::move(stamp)) {}

  ModelAndVersion version_;
  FolderStamp stamp_;
};

struct StoredVersion {
  int64_t version = 0;
  bool is_package = false;  // came with a manifest; without one, somebody copied it there
  int64_t bytes = 0;
  VersionNote note;  // with an empty reason and time 0 where nothing was decided of it
};

// Thread-safe.
class Store {
 public:
  // Reads what is decided, tidies up what an earlier process left behind, and blames versions for
  // its death; the log says what. Where the folder cannot be written to, or another daemon has it,
  // everything that changes something fails with FAILED_PRECONDITION. `read_only`: so it does
  // anyway, for `inferd --check`. Fails when a trusted key or the decisions cannot be read.
  static Result<std::unique_ptr<Store>> open(const config::ModelsConfig& config, bool read_only);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // ---- Packages come in ----

  // As Uploads has them. Begin also checks the signature where keys are trusted
  // (PERMISSION_DENIED), the dates, the version (ALREADY_EXISTS when it is there with another
  // content; a package that is there as it is needs nothing), and the room for it, which removes
  // what it may (RESOURCE_EXHAUSTED). `in_use`: versions that nothing removes.
  Result<UploadStatus> begin_upload(const std::string& manifest, const std::string& signature,
                                    const std::vector<Transfer>& transfers,
                                    const std::set<ModelAndVersion>& in_use);
  Uploads& uploads() { return uploads_; }

  // Makes a complete upload a version of its model, which nothing serves yet.
  Result<ModelAndVersion> stage(const std::string& upload);

  // ---- What lies here ----

  ModelDecision decided(const std::string& model) const { return decisions_->of(model); }
  ModelDecisions all_decided() const { return decisions_->all(); }
  std::vector<StoredVersion> versions(const std::string& model) const;  // ascending
  std::string folder(const ModelAndVersion& version) const;

  // Whether all files of a package are as they were signed and sent; OK for what is no package.
  // DATA_LOSS, PERMISSION_DENIED. Reads all of them, unless `verified` is of this version and no
  // file was touched since.
  Status check(const ModelAndVersion& version, const Verified* verified = nullptr) const;
  // The same, for a check() to come.
  Result<Verified> verify(const ModelAndVersion& version) const;

  // Versions of a model that may serve by themselves, the first choice first: the one that is
  // decided, then the one to fall back to, or where nothing is decided those on disk, the newest
  // first. Those that were refused, taken back or quarantined are not among them.
  std::vector<int64_t> candidates(const std::string& model) const;
  bool may_serve(const ModelAndVersion& version) const;  // good, on probation, or copied there

  // ---- Decisions; each is durable when OK ----

  // Before versions begin to serve, all or none. `probation_of`: the deployment that watches them
  // until settle(); "": they are good. What they take the place of is what a rollback goes to,
  // unless it was on probation itself.
  struct Change {
    ModelAndVersion version;
    int64_t replaces = 0;  // 0: none served
  };
  Status publish(const std::vector<Change>& changes, const std::string& probation_of);
  Status refuse(const std::vector<ModelAndVersion>& versions, const std::string& reason);
  // They are good now.
  Status settle(const std::vector<ModelAndVersion>& versions);
  // Those that they took the place of serve again. Gives what shall serve; version 0: what
  // candidates() say.
  Result<std::vector<ModelAndVersion>> roll_back(const std::vector<ModelAndVersion>& versions,
                                                 const std::string& reason);
  Status pin(const std::string& model, bool pinned);

  // FAILED_PRECONDITION for a version that serves, is in use, or is what a rollback goes to.
  Status remove(const ModelAndVersion& version, const std::set<ModelAndVersion>& in_use);
  // Removes packages that are neither needed nor among the `keep_versions` newest of their model.
  void collect(const std::set<ModelAndVersion>& in_use);

  // ---- Crashes ----

  void begin_loading(const ModelAndVersion& version);  // it is to blame for a death until done
  void done_loading();
  // It has run long enough: earlier crashes do not count any more.
  void has_run_well(const ModelAndVersion& version);

 private:
  Store(const config::ModelsConfig& config, std::unique_ptr<Decisions> decisions,
        package::TrustedKeys keys);

  Status lock();  // makes .inferd, too
  void tidy();    // what an earlier process left
  void blame();   // the same
  bool exists(const ModelAndVersion& version) const;
  std::string find_file(const std::string& model, const std::string& sha256) const;
  Status check_signature(const std::string& manifest, const std::string& signature) const;
  Status make_room(int64_t bytes, const std::set<ModelAndVersion>& in_use);
  std::vector<ModelAndVersion> removable(const std::set<ModelAndVersion>& in_use,
                                         int keep_versions) const;
  Status remove_now(const ModelAndVersion& version);

  const config::ModelsConfig config_;
  const std::string root_, own_;  // <root>/.inferd
  const package::TrustedKeys keys_;
  const std::unique_ptr<Decisions> decisions_;
  Uploads uploads_;
  Status writable_;  // set by open(): why nothing can be changed
  int lock_file_ = -1;
  std::unique_ptr<CrashMark> crash_mark_;  // null where nothing can be changed
  std::mutex mutex_;                       // of what changes folders
  int64_t removed_ = 0;                    // by mutex_; for names in the trash
};

}  // namespace inferd::models
