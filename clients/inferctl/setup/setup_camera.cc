// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/setup/setup_camera.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/setup/camera_file.h"
#include "clients/inferctl/setup/detector.h"
#include "clients/inferctl/setup/video_devices.h"

namespace inferd::ctl {
namespace {

// Somebody who can answer.
bool on_terminal() { return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0; }

nlohmann::json to_json(const Camera& camera) {
  nlohmann::json json = {{"source", camera.source},   {"id", camera.id},
                         {"name", camera.name},       {"device", camera.device},
                         {"trouble", camera.trouble}, {"modes", nlohmann::json::array()}};
  for (const CameraMode& mode : camera.modes) {
    json["modes"].push_back({{"format", mode.format},
                             {"width", mode.width},
                             {"height", mode.height},
                             {"fps", mode.fps}});
  }
  return json;
}

// A line for each format: "yuyv: 640x480 (30/s), 1280x720 (10/s)".
void print_modes(const Camera& camera) {
  std::string format;
  for (const CameraMode& mode : camera.modes) {
    if (mode.format != format) {
      std::printf("%s    %s:", format.empty() ? "" : "\n", mode.format.c_str());
      format = mode.format;
    }
    if (mode.width > 0) std::printf(" %dx%d", mode.width, mode.height);
    if (mode.width == 0) std::printf(" any size that it takes");
    if (mode.fps > 0) std::printf(" (%.4g/s)", mode.fps);
  }
  if (!format.empty()) std::printf("\n");
}

void print(size_t number, const Camera& camera) {
  std::printf("%zu. %s, by %s%s%s\n    %s\n", number, camera.name.c_str(), camera.source.c_str(),
              camera.device.empty() ? "" : ", now ", camera.device.c_str(), camera.id.c_str());
  if (!camera.trouble.empty()) std::printf("    not of use: %s\n", camera.trouble.c_str());
}

void print_list(const Globals& globals, const CameraListing& listing) {
  if (globals.json) {
    nlohmann::json json = {{"cameras", nlohmann::json::array()}, {"missing", listing.missing}};
    for (const Camera& camera : listing.cameras) json["cameras"].push_back(to_json(camera));
    std::cout << json.dump(2) << "\n";
    return;
  }
  for (size_t i = 0; i < listing.cameras.size(); ++i) {
    print(i + 1, listing.cameras[i]);
    print_modes(listing.cameras[i]);
  }
  if (listing.cameras.empty()) std::printf("there is no camera\n");
  std::fflush(stdout);
  if (!listing.missing.empty()) std::cerr << "inferctl: " << listing.missing << "\n";
}

// Empty: nothing was said.
std::string ask(const std::string& question) {
  std::cout << question << " " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer;
}

Result<Camera> one_of(const std::vector<Camera>& cameras, const CameraOptions& options) {
  if (!options.yes && on_terminal()) {
    for (size_t i = 0; i < cameras.size(); ++i) print(i + 1, cameras[i]);
    const std::string answer = ask("Which camera? [1]");
    if (answer.empty()) return cameras.front();
    for (size_t i = 0; i < cameras.size(); ++i) {
      if (answer == std::to_string(i + 1)) return cameras[i];
    }
    return find_camera(cameras, answer);
  }
  if (options.yes) return cameras.front();
  std::string list;
  for (const Camera& camera : cameras)
    list += "\n  --camera '" + camera.id + "'  (" + camera.name + ")";
  return invalid_argument(
      "there are several cameras; name one of them, or take the first with "
      "--yes:" +
      list);
}

Result<Camera> choose_camera(const CameraListing& listing, const CameraOptions& options) {
  Camera camera;
  if (!options.camera.empty()) {
    INFERD_ASSIGN_OR_RETURN(camera, find_camera(listing.cameras, options.camera));
  } else {
    std::vector<Camera> usable;
    std::copy_if(listing.cameras.begin(), listing.cameras.end(), std::back_inserter(usable),
                 [](const Camera& c) { return c.trouble.empty(); });
    if (usable.size() > 1) return one_of(usable, options);
    if (usable.empty() && listing.cameras.empty())
      return not_found(
          "there is no camera; is it plugged in? dmesg | tail says what the kernel saw");
    camera = usable.empty() ? listing.cameras.front() : usable.front();
  }
  if (camera.trouble.empty()) return camera;
  return failed_precondition("'" + camera.name + "' (" + camera.id + "): " + camera.trouble);
}

Result<CameraMode> choose(const Camera& camera, const CameraOptions& options) {
  CameraWish wish;
  if (!options.size.empty()) {
    INFERD_ASSIGN_OR_RETURN(wish, read_size(options.size));
  }
  wish.fps = options.fps;
  INFERD_ASSIGN_OR_RETURN(CameraMode mode, choose_mode(camera, wish));
  if (options.fps > 0) mode.fps = options.fps;
  return mode;
}

// What the daemon says of a draft; and whether it was asked.
struct Checked {
  Detector detector;
  bool by_daemon = false;
};

// The whole file for the stages that will do, in the draft.
Result<Checked> fill(Client& client, const CameraOptions& options, FileToBe& file,
                     const std::function<std::string(const std::string& stages)>& text) {
  Checked checked;
  const auto models = client.models();
  if (!models.ok() && models.status().code() == StatusCode::kUnavailable && options.model.empty()) {
    INFERD_RETURN_IF_ERROR(file.write(text("")));
    return checked;
  }
  INFERD_RETURN_IF_ERROR(models.status());
  std::vector<std::string> errors;
  const auto check = [&](const std::string& stages) -> Result<bool> {
    INFERD_RETURN_IF_ERROR(file.write(text(stages)));
    INFERD_ASSIGN_OR_RETURN(const PipelineCheck found, client.check_pipeline(file.draft(), {}));
    errors = found.errors;
    return errors.empty();
  };
  // With a camera alone, so that what is wrong with that is not taken for a model's fault.
  INFERD_ASSIGN_OR_RETURN(const bool good, check(""));
  if (!good) return failed_precondition("the daemon does not take that camera: " + errors.front());
  INFERD_ASSIGN_OR_RETURN(checked.detector, find_detector(*models, options.model, check));
  INFERD_RETURN_IF_ERROR(file.write(text(checked.detector.stages)));
  checked.by_daemon = true;
  return checked;
}

// As it is said in shells.
std::string next_steps(const std::string& name, const CameraOptions& options,
                       const Checked& checked) {
  std::string text;
  if (!checked.by_daemon)
    text += "not checked, as no daemon answers; once it does: inferctl pipeline check " +
            options.output + "\n";
  if (checked.detector.model.empty())
    text +=
        "no model that detects things was found; bring one with inferctl model push, then run "
        "this again with --force\n";
  return text + "next:\n  sudo systemctl reload inferd\n  inferctl pipeline watch " + name + "\n";
}

void report(const Globals& globals, const CameraOptions& options, const std::string& name,
            const Camera& camera, const Checked& checked) {
  if (globals.json) {
    std::cout << nlohmann::json{{"file", options.output},
                                {"pipeline", name},
                                {"camera", camera.id},
                                {"model", checked.detector.model},
                                {"checked", checked.by_daemon}}
                     .dump(2)
              << "\n";
    return;
  }
  std::cout << options.output << ": " << camera.name
            << (checked.detector.model.empty() ? "" : " with model " + checked.detector.model)
            << "\n"
            << next_steps(name, options, checked);
}

}  // namespace

CameraListing merge_cameras(std::vector<Camera> local,
                            const Result<std::vector<CameraInfo>>& told) {
  CameraListing listing{std::move(local), {}};
  if (!told.ok()) {
    listing.missing = "cameras of libcamera are not listed: " + told.status().message();
    return listing;
  }
  const size_t own = listing.cameras.size();
  for (const CameraInfo& info : *told) {
    // libcamera knows those of USB as well, which need nothing of it.
    const bool known =
        std::any_of(listing.cameras.begin(), listing.cameras.begin() + static_cast<ptrdiff_t>(own),
                    [&](const Camera& c) { return c.trouble.empty() && c.name == info.model; });
    if (known) continue;
    Camera camera{.source = info.source,
                  .id = info.id,
                  .name = info.model.empty() ? info.id : info.model,
                  .modes = {}};
    for (const auto& mode : info.modes)
      camera.modes.push_back({mode.format, mode.width, mode.height, 0});
    if (camera.modes.empty()) camera.trouble = "it gives none of the formats that are known here";
    listing.cameras.push_back(std::move(camera));
  }
  return listing;
}

Status setup_camera(const Globals& globals, const CameraOptions& options) {
  INFERD_ASSIGN_OR_RETURN(ConnectOptions connection, connect_options(globals));
  connection.timeout_ms = 60'000;  // libcamera's first look at a slow board's cameras
  INFERD_ASSIGN_OR_RETURN(const auto client, Client::connect(globals.endpoint, connection));
  const CameraListing listing =
      merge_cameras(list_video_devices(kernel_video(), ""), client->cameras());
  if (options.list) {
    print_list(globals, listing);
    return ok_status();
  }
  if (!listing.missing.empty()) std::cerr << "inferctl: " << listing.missing << "\n";
  INFERD_ASSIGN_OR_RETURN(const Camera camera, choose_camera(listing, options));
  INFERD_ASSIGN_OR_RETURN(const CameraMode mode, choose(camera, options));
  INFERD_ASSIGN_OR_RETURN(FileToBe file, FileToBe::make(options.output, options.force));
  const std::string name = std::filesystem::path(options.output).stem();
  std::string written;
  const auto text = [&](const std::string& stages) {
    return written = camera_file(name, camera, mode, stages);
  };
  INFERD_ASSIGN_OR_RETURN(const Checked checked, fill(*client, options, file, text));
  if (!options.yes && !globals.json && on_terminal()) {
    const std::string answer = ask(written + "\nWrite this to " + options.output + "? [Y/n]");
    if (!answer.empty() && answer != "y" && answer != "Y") return cancelled("nothing was written");
  }
  INFERD_RETURN_IF_ERROR(file.publish());
  report(globals, options, name, camera, checked);
  return ok_status();
}

}  // namespace inferd::ctl
