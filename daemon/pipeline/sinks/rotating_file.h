// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "daemon/config/config.h"
#include "daemon/pipeline/sink.h"

namespace inferd::pipeline {

// Text that is appended to a file line by line. The file is opened by the first line, and again
// where that failed, or where somebody has moved or removed it; folders are not made (one that has
// gone may be a disk that is not there). A file that would grow over `max_bytes` becomes PATH.1,
// PATH.1 becomes PATH.2, and so on up to PATH.`keep`. A line that does not fit on the disk leaves
// nothing of itself behind. Used by one thread but for status().
class RotatingFile {
 public:
  // "-": standard output, which never rotates. `max_bytes` 0: without end. `header`: the first
  // line of each file; "": none.
  RotatingFile(std::string path, int64_t max_bytes, int keep, std::string header = "");
  ~RotatingFile();
  RotatingFile(const RotatingFile&) = delete;
  RotatingFile& operator=(const RotatingFile&) = delete;

  // Reads `path`, `max_bytes` and `keep`.
  static std::unique_ptr<RotatingFile> from(config::NodeReader& reader,
                                            const std::string& fallback_path,
                                            const std::string& header = "");

  // `lines` with their newlines. UNAVAILABLE says why, and they are counted as dropped.
  Status append(std::string_view lines);
  SinkStatus status() const;

 private:
  Status open();
  Status rotate();
  Status put(std::string_view lines);
  Status try_append(std::string_view lines);
  bool moved() const;
  void close();

  const std::string path_;
  const int64_t max_bytes_;
  const int keep_;
  const std::string header_;
  int fd_ = -1;
  int64_t size_ = 0;  // of the open file

  mutable std::mutex mutex_;
  SinkStatus status_;  // by mutex_
};

}  // namespace inferd::pipeline
