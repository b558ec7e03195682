// SPDX-License-Identifier: Apache-2.0
//
// A package as it lies on this machine, to be sent to a daemon.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "inferd/client/deployments.h"
#include "package/manifest.h"

namespace inferd::ctl {

struct LocalPackage {
  std::string manifest, signature;  // texts; the second may be empty
  package::Manifest parsed;
  std::map<std::string, std::string> files;  // where each path of the manifest is
};

// What a package is made of when there is no folder of one.
struct PackageParts {
  std::string model;                      // file
  std::string config, labels, self_test;  // model.yaml, labels.txt, a folder of cases; or ""
};

// A folder with a manifest: as it is, checked. Errors are those of package::check_folder().
Result<LocalPackage> read_package(const std::string& folder);

// A folder of files, or single files, as version `version` of `name`.
Result<LocalPackage> make_package(const std::string& folder, const std::string& name,
                                  int64_t version);
Result<LocalPackage> make_package(const PackageParts& parts, const std::string& name,
                                  int64_t version);

// Signs what has no signature yet. Errors are those of package::load_secret_key().
Status sign_package(LocalPackage& package, const std::string& key);

// How the files of a package are to travel, and the files that then are sent: packed ones lie in a
// temporary folder, which goes with this.
class PackedFiles {
 public:
  PackedFiles() = default;
  ~PackedFiles();
  PackedFiles(const PackedFiles&) = delete;
  PackedFiles& operator=(const PackedFiles&) = delete;

  // Compresses each file, as a difference to the file of the same path in `bases` where there is
  // one; a file that does not become smaller travels as it is.
  Status pack(const LocalPackage& package, const std::map<std::string, std::string>& bases);
  // All files as they are.
  void take(const LocalPackage& package);

  const std::vector<TransferInfo>& transfers() const { return transfers_; }
  const std::string& file(const std::string& path) const { return files_.at(path); }

 private:
  std::string folder_;
  std::vector<TransferInfo> transfers_;
  std::map<std::string, std::string> files_;
};

}  // namespace inferd::ctl
