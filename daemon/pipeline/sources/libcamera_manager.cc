// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/libcamera_manager.h"

#include <libcamera/camera_manager.h>
#include <libcamera/logging.h>
#include <libcamera/property_ids.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace inferd::pipeline {
namespace {

struct Watch {
  std::string id;
  std::function<void()> call;
};

struct Shared {
  std::mutex changing;                                // held by who comes and goes
  int users = 0;                                      // by `changing`
  std::unique_ptr<libcamera::CameraManager> manager;  // by `changing`; null without users
  std::mutex watching;
  std::map<const LibcameraUse*, Watch> watches;  // by `watching`
};

Shared& shared() {
  static Shared shared;
  return shared;
}

// Called on the manager's thread. Of the manager and not of the camera, as nobody may disconnect
// from a signal that is just being sent.
void removed(const std::string& id) {
  const std::lock_guard lock(shared().watching);
  for (const auto& [use, watch] : shared().watches) {
    if (watch.id == id) watch.call();
  }
}

using Cameras = std::vector<std::shared_ptr<libcamera::Camera>>;

std::string list_of(const Cameras& cameras) {
  std::string list;
  for (size_t i = 0; i < cameras.size(); ++i) {
    const std::string model = libcamera_model(*cameras[i]);
    list += (list.empty() ? "" : ", ") + std::to_string(i) + ": '" + cameras[i]->id() + "'" +
            (model.empty() ? "" : " (" + model + ")");
  }
  return list;
}

}  // namespace

std::string libcamera_model(const libcamera::Camera& camera) {
  return std::string(camera.properties().get(libcamera::properties::Model).value_or(""));
}

Result<std::unique_ptr<LibcameraUse>> LibcameraUse::begin() {
  const std::lock_guard lock(shared().changing);
  if (shared().users == 0) {
    auto manager = std::make_unique<libcamera::CameraManager>();
    manager->cameraRemoved.connect(
        &shared(), [](std::shared_ptr<libcamera::Camera> camera) { removed(camera->id()); });
    if (const int failure = manager->start(); failure < 0)
      return unavailable(std::string("libcamera does not start: ") + std::strerror(-failure) +
                         "; it needs /sys and the device nodes that udev makes");
    shared().manager = std::move(manager);
    // Where nobody says otherwise it does not tell again with each try that it has started.
    if (std::getenv("LIBCAMERA_LOG_LEVELS") == nullptr) libcamera::logSetLevel("Camera", "WARN");
  }
  ++shared().users;
  return std::unique_ptr<LibcameraUse>(new LibcameraUse);
}

LibcameraUse::~LibcameraUse() {
  {
    const std::lock_guard lock(shared().watching);
    shared().watches.erase(this);
  }
  const std::lock_guard lock(shared().changing);
  if (--shared().users == 0) shared().manager.reset();
}

Result<std::shared_ptr<libcamera::Camera>> LibcameraUse::find(const std::string& wish) const {
  const std::lock_guard lock(shared().changing);
  const Cameras cameras = shared().manager->cameras();
  if (cameras.empty())
    return not_found(
        "libcamera finds no camera; is it connected, is libcamera-ipa installed, does udev run, "
        "and may the user of inferd (group 'video') open /dev/media* and /dev/video*? 'cam -l' of "
        "libcamera-tools lists what it finds");
  if (wish.empty()) return cameras.front();
  size_t index = 0;
  const char* const end = wish.data() + wish.size();
  const auto [number_end, code] = std::from_chars(wish.data(), end, index);
  if (code == std::errc() && number_end == end && index < cameras.size()) return cameras[index];
  Cameras of_model;
  for (const auto& camera : cameras) {
    if (camera->id() == wish) return camera;
    if (libcamera_model(*camera) == wish) of_model.push_back(camera);
  }
  if (of_model.size() == 1) return of_model.front();
  if (of_model.size() > 1)
    return invalid_argument("there are several cameras '" + wish +
                            "'; name one by its id: " + list_of(of_model));
  return not_found("there is no camera '" + wish + "'; there is " + list_of(cameras));
}

std::vector<std::shared_ptr<libcamera::Camera>> LibcameraUse::cameras() const {
  const std::lock_guard lock(shared().changing);
  return shared().manager->cameras();
}

void LibcameraUse::when_unplugged(const std::string& id, std::function<void()> call) {
  const std::lock_guard lock(shared().watching);
  shared().watches[this] = {id, std::move(call)};
}

}  // namespace inferd::pipeline
