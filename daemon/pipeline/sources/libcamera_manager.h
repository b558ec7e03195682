// SPDX-License-Identifier: Apache-2.0
//
// What knows the cameras. libcamera allows one a process, which has a thread of its own.
#pragma once

#include <libcamera/camera.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// One of its users: the manager is there as long as anybody has one, and looks for cameras anew
// when the first one comes. Used by one thread; several may have one each.
class LibcameraUse {
 public:
  // UNAVAILABLE: libcamera does not start.
  static Result<std::unique_ptr<LibcameraUse>> begin();
  ~LibcameraUse();
  LibcameraUse(const LibcameraUse&) = delete;
  LibcameraUse& operator=(const LibcameraUse&) = delete;

  // All that are there now.
  std::vector<std::shared_ptr<libcamera::Camera>> cameras() const;

  // `wish`: its id, its place in the list from 0 on, its model where only one has that, or empty:
  // the first. Give it up before this. NOT_FOUND: there is none; the message lists what there is.
  Result<std::shared_ptr<libcamera::Camera>> find(const std::string& wish) const;

  // `call` when this camera is unplugged, on the manager's thread, until this ends. Once.
  void when_unplugged(const std::string& id, std::function<void()> call);

 private:
  LibcameraUse() = default;
};

// Empty: it says none.
std::string libcamera_model(const libcamera::Camera& camera);

}  // namespace inferd::pipeline
