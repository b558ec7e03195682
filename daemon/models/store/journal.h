// SPDX-License-Identifier: Apache-2.0
//
// A file of lines, one after the other: a checksum, a space and the record itself. What was
// appended is there after a power cut; of what was being appended then, nothing is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/models/store/durable.h"

namespace inferd::models {

// Belongs to one thread at a time.
class Journal {
 public:
  // Reads what is there; a missing file has no records. Lines that are damaged are left out and
  // counted: the end of the last append before a power cut, or a damaged disk. Writes nothing.
  static Result<Journal> read(const std::string& path);

  const std::vector<std::string>& records() const { return records_; }  // as they were read
  int damaged() const { return damaged_; }
  int64_t bytes() const { return bytes_; }

  // `record` has no line feed. On an error the record is not there, also later.
  Status append(std::string_view record);

  // Puts this one record in the place of all. On an error either is there.
  Status replace(std::string_view record);

 private:
  explicit Journal(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<std::string> records_;
  int damaged_ = 0;
  int64_t bytes_ = 0;                 // of whole lines; what is behind them goes with the next one
  std::optional<AppendedFile> file_;  // once something was appended
};

}  // namespace inferd::models
