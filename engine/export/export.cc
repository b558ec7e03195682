// SPDX-License-Identifier: Apache-2.0
#include "engine/export/export.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#ifdef INFERD_READ_ONNX
#include "engine/export/onnx/onnx.h"
#endif

namespace inferd::exporter {
namespace {

const Format kFormats[] = {
#ifdef INFERD_READ_ONNX
    {".onnx", write_onnx},
#endif
};

Status cannot_write(const std::string& path) {
  return unavailable("cannot write '" + path + "': " + std::strerror(errno));
}

}  // namespace

Result<const Format*> format_for(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  std::string known;
  for (const Format& format : kFormats) {
    if (extension == format.extension) return &format;
    known += (known.empty() ? "" : ", ") + std::string(format.extension);
  }
  return invalid_argument("'" + path + "': the name of a model to write must end in one of " +
                          (known.empty() ? "(none in this build)" : known));
}

Status replace_file(const std::string& path, std::span<const char> bytes) {
  const std::string temporary = path + ".tmp" + std::to_string(getpid());
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (file == nullptr) return cannot_write(path);
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() &&
                       std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  const bool closed = std::fclose(file) == 0;
  if (written && closed && std::rename(temporary.c_str(), path.c_str()) == 0) return ok_status();
  const Status status = cannot_write(path);
  std::remove(temporary.c_str());
  return status;
}

}  // namespace inferd::exporter
