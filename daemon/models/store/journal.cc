// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/journal.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "package/digest.h"

namespace inferd::models {
namespace {

constexpr size_t kChecksum = 16;  // hexadecimal digits

std::string checksum_of(std::string_view record) {
  package::Sha256 digest;
  digest.update(std::as_bytes(std::span(record)));
  return digest.finish().substr(0, kChecksum);
}

std::string line_of(std::string_view record) {
  return checksum_of(record) + " " + std::string(record) + "\n";
}

}  // namespace

Result<Journal> Journal::read(const std::string& path) {
  Journal journal(path);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return journal;
  std::ifstream stream(path, std::ios::binary);
  std::stringstream content;
  content << stream.rdbuf();
  if (!stream) return unavailable("cannot read '" + path + "'");
  const std::string text = std::move(content).str();
  const std::string_view all = text;
  size_t begin = 0;
  for (size_t end; (end = all.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
    const std::string_view line = all.substr(begin, end - begin);
    const std::string_view record = line.size() > kChecksum ? line.substr(kChecksum + 1) : "";
    if (line.substr(0, kChecksum) == checksum_of(record)) {
      journal.records_.emplace_back(record);
    } else {
      ++journal.damaged_;
    }
  }
  if (begin != text.size()) ++journal.damaged_;
  journal.bytes_ = static_cast<int64_t>(begin);
  return journal;
}

Status Journal::append(std::string_view record) {
  if (!file_) {
    INFERD_ASSIGN_OR_RETURN(file_, AppendedFile::open(path_));
  }
  // What a failed append or a power cut has left behind.
  if (file_->size() != bytes_) INFERD_RETURN_IF_ERROR(file_->truncate(bytes_));
  const std::string line = line_of(record);
  Status written = file_->append(std::as_bytes(std::span(line)));
  if (written.ok()) written = file_->sync();
  if (!written.ok()) {
    // Neither now nor after a restart must it count. Where even this fails, the next append tries
    // it again, and a restart finds what the caller was told had failed.
    (void)file_->truncate(bytes_);
    (void)file_->sync();
    return written;
  }
  bytes_ += static_cast<int64_t>(line.size());
  return ok_status();
}

Status Journal::replace(std::string_view record) {
  const std::string line = line_of(record);
  file_.reset();  // the file that it is may be no more
  Status written = write_durably(path_, line);
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  if (written.ok() || (!error && size == line.size())) bytes_ = static_cast<int64_t>(line.size());
  return written;
}

}  // namespace inferd::models
