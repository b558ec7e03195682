// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/services/pipeline_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "daemon/models/store/durable.h"
#include "package/digest.h"

namespace inferd::serve {
namespace {

constexpr size_t kMaxBytes = 1 << 20;  // as daemon/config reads it

// Where it really lies.
Result<std::string> target_of(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error) return failed_precondition("cannot open '" + path + "': " + error.message());
  return target.string();
}

Status cannot_write(const std::string& what) {
  const int error = errno;
  const std::string why = "the daemon cannot write " + what + ": " + std::strerror(error);
  if (error != EROFS) return failed_precondition(why + "; give its user that right");
  return failed_precondition(why +
                             "; under systemd, name the folder in ReadWritePaths= "
                             "('systemctl edit inferd')");
}

}  // namespace

std::string revision_of(std::string_view text) {
  package::Sha256 sha256;
  sha256.update(std::as_bytes(std::span(text)));
  return sha256.finish();
}

Result<std::string> read_pipeline_text(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::string target, target_of(path));
  std::ifstream file(target, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) return failed_precondition("cannot read '" + path + "'");
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxBytes) return failed_precondition("'" + path + "' is larger than 1 MiB");
  return text;
}

Status check_writable(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::string target, target_of(path));
  // The file itself is replaced; but who may not write it shall not do that, either.
  if (::faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0)
    return cannot_write("'" + target + "'");
  const std::string folder = std::filesystem::path(target).parent_path().string();
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return cannot_write("to the folder '" + folder + "'");
  return ok_status();
}

Status replace_pipeline_text(const std::string& path, const std::string& text,
                             const std::string& revision) {
  INFERD_RETURN_IF_ERROR(check_writable(path));
  INFERD_ASSIGN_OR_RETURN(const std::string target, target_of(path));
  INFERD_ASSIGN_OR_RETURN(const std::string before, read_pipeline_text(target));
  if (!revision.empty() && revision != revision_of(before)) {
    return failed_precondition("'" + path +
                               "' was changed by somebody else since it was read: read it again");
  }
  struct stat info {};
  if (::stat(target.c_str(), &info) != 0) return cannot_write("'" + target + "'");
  return models::write_durably(target, text, info.st_mode & 07777);
}

}  // namespace inferd::serve
