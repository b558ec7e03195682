// SPDX-License-Identifier: Apache-2.0
//
// Pictures from a file or a folder, played at a rate. With `pan`, each picture is seen through a
// window that moves over it, so that a few photos make a moving stream.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string path;
  double fps = 10;
  bool loop = false;
  bool live = true;
  bool pan = false;
  double zoom = 1.3;  // the window is the picture's size divided by this
  double hold = 3;    // seconds per picture when panning
};

bool is_picture(const fs::path& path) {
  std::string extension = path.extension();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

class Images final : public Source {
 public:
  explicit Images(Options options)
      : options_(std::move(options)),
        frames_per_file_(
            options_.pan ? std::max<int64_t>(std::llround(options_.hold * options_.fps), 1) : 1) {}

  bool live() const override { return options_.live; }
  int64_t patience_ns() const override { return 0; }  // it may be as slow as it is told to be

  Status open() override;

  Result<bool> next(Stopper& stopper, Frame& frame) override {
    const auto file = static_cast<size_t>(played_ / frames_per_file_);
    if (!options_.loop && file >= files_.size()) return false;
    const std::string& path = files_[file % files_.size()];
    if (options_.live) {
      if (due_ns_ == 0) due_ns_ = schedule::now_ns();
      if (!stopper.wait_until(due_ns_)) return false;
      due_ns_ += static_cast<int64_t>(1e9 / options_.fps);
    } else if (stopper.stopped()) {
      return false;
    }
    frame.capture_ns = schedule::now_ns();
    if (path != loaded_path_) {
      INFERD_ASSIGN_OR_RETURN(media::Image image, media::read_image(path));
      loaded_ = std::make_shared<const media::Image>(std::move(image));
      loaded_path_ = path;
      loaded_name_ = fs::path(path).filename();
    }
    frame.name = loaded_name_;
    frame.picture = media::view_of(*loaded_);
    if (options_.pan) frame.picture = window(played_ % frames_per_file_, frame.picture);
    frame.lease = loaded_;
    ++played_;
    return true;
  }

 private:
  // The window goes once round an ellipse while the picture is shown, starting at its left edge.
  media::Picture window(int64_t step, const media::Picture& whole) const {
    const auto side = [&](int full) { return std::max(1, static_cast<int>(full / options_.zoom)); };
    const int width = side(whole.width);
    const int height = side(whole.height);
    const double turn =
        2 * std::numbers::pi * static_cast<double>(step) / static_cast<double>(frames_per_file_);
    const auto place = [](int room, double at) {
      return static_cast<int>(std::lround(room * (0.5 - 0.5 * at)));
    };
    return media::crop(whole, place(whole.width - width, std::cos(turn)),
                       place(whole.height - height, std::sin(turn)), width, height);
  }

  const Options options_;
  const int64_t frames_per_file_;
  std::vector<std::string> files_;
  int64_t played_ = 0;
  int64_t due_ns_ = 0;
  std::string loaded_path_, loaded_name_;
  std::shared_ptr<const media::Image> loaded_;  // frames show parts of it
};

Result<std::vector<std::string>> find_files(const std::string& path) {
  std::error_code error;
  std::vector<std::string> files;
  if (fs::is_regular_file(path, error)) files.push_back(path);
  if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::directory_iterator(path, error)) {
      if (entry.is_regular_file(error) && is_picture(entry.path()))
        files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty())
    return not_found("'" + path + "' is neither a picture nor a folder with pictures");
  return files;
}

// From the first picture on, after an error as well: what is in the folder may have changed.
Status Images::open() {
  INFERD_ASSIGN_OR_RETURN(files_, find_files(options_.path));
  played_ = 0;
  due_ns_ = 0;
  loaded_path_.clear();
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Source>> make_images(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.path = r.required_text("path");
  options.fps = r.number("fps", options.fps, 0.01, 1000);
  options.loop = r.boolean("loop", options.loop);
  options.live = r.boolean("live", options.live);
  options.pan = r.boolean("pan", options.pan);
  options.zoom = r.number("zoom", options.zoom, 1, 20);
  options.hold = r.number("hold", options.hold, 0.1, 3600);
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Source>(std::make_unique<Images>(std::move(options)));
}

}  // namespace inferd::pipeline
