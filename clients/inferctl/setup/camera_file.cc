// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/setup/camera_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>

namespace inferd::ctl {
namespace {

constexpr double kUsualFps = 30;

bool is_printable(char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7F'; }

// What a device calls itself, as a part of a comment.
std::string in_comment(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !is_printable(c); }, '?');
  return text;
}

std::string number_text(double number) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.4g", number);
  return text.data();
}

std::string source_text(const Camera& camera, const CameraMode& mode) {
  std::string text = "  " + camera.source + ": {";
  text += (camera.source == "v4l2" ? "device: " : "camera: ") + yaml_text(camera.id);
  if (mode.width > 0) {
    text += ", width: " + std::to_string(mode.width) + ", height: " + std::to_string(mode.height);
  }
  if (mode.fps > 0) text += ", fps: " + number_text(std::min(mode.fps, kUsualFps));
  return text + "}\n";
}

Status error_of(const std::string& path) {
  const std::string text = "cannot write " + path + ": " + std::strerror(errno);
  if (errno == EACCES || errno == EPERM || errno == EROFS)
    return permission_denied(text + "; run it with sudo, or name another file with --output");
  if (errno == ENOENT) return not_found(text + "; name a folder that is there with --output");
  return internal_error(text);
}

Status exists(const std::string& path) {
  return already_exists(path +
                        " is there already; replace it with --force, or name another file "
                        "with --output");
}

}  // namespace

std::string yaml_text(const std::string& text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!is_printable(c)) {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned char>(c));
      out += escape.data();
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    if (text.compare(i, 2, "${") == 0) out += '$';
    out += c;
  }
  return out + "\"";
}

std::string camera_file(const std::string& name, const Camera& camera, const CameraMode& mode,
                        const std::string& stages) {
  std::string text =
      "# yaml-language-server: $schema=/usr/share/inferd/schema/pipeline.schema.json\n"
      "# Written by inferctl setup camera. After a change: inferctl pipeline check FILE, then\n"
      "# sudo systemctl reload inferd.\n\n"
      "name: " +
      yaml_text(name) + "\nsource:\n  # " + in_comment(camera.name) +
      (camera.device.empty() ? "" : ", now " + camera.device) +
      ". What else it has: inferctl setup camera --list\n" + source_text(camera, mode);
  if (stages.empty()) {
    text +=
        "# No model that detects things was there. Once there is one, such as one that ends in\n"
        "# TFLite_Detection_PostProcess (others: docs/pipelines.md, Decoders):\n"
        "# stages:\n#   - resize\n#   - infer: {model: detector}\n"
        "#   - decode_detections: {min_score: 0.5}\n#   - labels\n";
  } else {
    text += "stages:\n" + stages;
  }
  return text + "# Results go to whoever runs inferctl pipeline watch " + name +
         ". Others who may have them: docs/pipelines.md,\n# Sinks. Such as a picture for "
         "browsers:\n"
         "# sinks:\n#   - mjpeg: {listen: 127.0.0.1:8090}\n";
}

FileToBe::FileToBe(std::string path, bool replace)
    : path_(std::move(path)), draft_(path_ + ".new"), replace_(replace) {}

FileToBe::FileToBe(FileToBe&& other) noexcept
    : path_(std::move(other.path_)),
      draft_(std::exchange(other.draft_, {})),
      replace_(other.replace_) {}

FileToBe::~FileToBe() {
  if (!draft_.empty()) ::unlink(draft_.c_str());
}

Result<FileToBe> FileToBe::make(const std::string& path, bool replace) {
  if (!replace && ::access(path.c_str(), F_OK) == 0) return exists(path);
  FileToBe file(path, replace);
  INFERD_RETURN_IF_ERROR(file.write(""));
  return file;
}

Status FileToBe::write(const std::string& text) {
  constexpr mode_t kAllMayRead = 0644;
  const int fd =
      ::open(draft_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kAllMayRead);
  if (fd < 0) return error_of(path_);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fchmod(fd, kAllMayRead) == 0 && ::fsync(fd) == 0;
  const Status status = written ? ok_status() : error_of(path_);
  ::close(fd);
  return status;
}

Status FileToBe::publish() {
  if (!replace_) {
    if (::link(draft_.c_str(), path_.c_str()) != 0)
      return errno == EEXIST ? exists(path_) : error_of(path_);
    return ok_status();  // the draft goes with this
  }
  if (::rename(draft_.c_str(), path_.c_str()) != 0) return error_of(path_);
  draft_.clear();
  return ok_status();
}

}  // namespace inferd::ctl
