// SPDX-License-Identifier: Apache-2.0
//
// The file of a pipeline with a camera.
#pragma once

#include <string>

#include "clients/inferctl/setup/camera.h"

namespace inferd::ctl {

// In double quotes for YAML, and without a meaning for pipelines (`${`).
std::string yaml_text(const std::string& text);

// `stages`: lines as Detector has them; empty: an example of them as a comment.
std::string camera_file(const std::string& name, const Camera& camera, const CameraMode& mode,
                        const std::string& stages);

// A file that is there for others once it is whole. Until then it has ".new" at its end, which
// pipelines' folders leave out.
class FileToBe {
 public:
  // ALREADY_EXISTS: there is one, and `replace` is not set. PERMISSION_DENIED, NOT_FOUND: it cannot
  // be made there.
  static Result<FileToBe> make(const std::string& path, bool replace);
  ~FileToBe();  // without publish(), nothing is left
  FileToBe(FileToBe&& other) noexcept;
  FileToBe(const FileToBe&) = delete;
  FileToBe& operator=(const FileToBe&) = delete;

  const std::string& draft() const { return draft_; }  // its path until then
  Status write(const std::string& text);               // instead of what is in it
  // ALREADY_EXISTS: somebody else has made one meanwhile, and `replace` is not set.
  Status publish();

 private:
  FileToBe(std::string path, bool replace);

  std::string path_, draft_;
  bool replace_ = false;
};

}  // namespace inferd::ctl
