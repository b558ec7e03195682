// SPDX-License-Identifier: Apache-2.0
#include "media/file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace inferd::media {

Result<std::vector<uint8_t>> read_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return not_found("cannot open '" + path + "': no such file");
  }
  if (status.type() != std::filesystem::file_type::regular) {
    return invalid_argument("'" + path + "' is not a regular file");
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) return unavailable("cannot read '" + path + "': " + error.message());
  if (size > static_cast<uintmax_t>(kMaxFileBytes))
    return resource_exhausted("'" + path + "' is over 1 GiB");
  std::ifstream stream(path, std::ios::binary);
  std::vector<uint8_t> bytes(size);
  if (!stream ||
      !stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return unavailable("cannot read '" + path + "': " + std::strerror(errno));
  }
  return bytes;
}

Status write_file(const std::string& path, std::span<const std::byte> bytes) {
  const std::string temporary = path + kTemporary + std::to_string(::getpid());
  std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  stream.close();
  std::error_code error;
  if (stream) {
    std::filesystem::rename(temporary, path, error);
    if (!error) return ok_status();
  }
  const std::string reason = error ? error.message() : std::strerror(errno);
  std::filesystem::remove(temporary, error);
  return unavailable("cannot write '" + path + "': " + reason);
}

}  // namespace inferd::media
