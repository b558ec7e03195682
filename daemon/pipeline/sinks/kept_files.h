// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "daemon/pipeline/result.h"
#include "inferd/engine/status.h"

namespace inferd::pipeline {

// What a sink keeps in a folder, within a limit: sets of files that are named after what they are
// from and when, "yard_people@front_20261122T142030.123Z.json". Files with other names are nobody's
// business here. The folder is never made: one that is gone may be a disk that is not there. Used
// by one thread.
class KeptFiles {
 public:
  // `extensions`: of the files of a set (".json").
  KeptFiles(std::string folder, int64_t max_bytes, std::vector<std::string> extensions);

  // The begin of the names for what comes from where this result does.
  static std::string prefix_for(const FrameResult& result);

  // Counts what earlier runs have left with this prefix, and removes what they had begun to write
  // when they crashed. Before that, `leftover` is called with the
  // path, without extension, of each PREFIX_TIME`extension`.part. UNAVAILABLE: the folder cannot be
  // read.
  Status find(const std::string& prefix, const std::string& extension,
              const std::function<void(const std::string& path)>& leftover);
  Status find(const std::string& prefix) { return find(prefix, "", nullptr); }

  // A path without extension for a new set of files, of this time (CLOCK_MONOTONIC ns).
  std::string new_path(const std::string& prefix, int64_t monotonic_ns);

  bool fits(int64_t bytes) const { return bytes <= max_bytes_ - bytes_; }
  // Counts so many bytes more, and removes the oldest sets until they fit. False: they would not
  // even alone, and are not counted.
  bool take(int64_t bytes);
  // Sets that somebody else has taken away count no more.
  void forget_gone();
  void give_back(int64_t bytes) { bytes_ -= bytes; }
  // A set that is complete now, of bytes that were taken.
  void add(const std::string& path, int64_t bytes) { sets_.push_back({path, bytes}); }

  // The files of a set that is not added, as far as they are there.
  int64_t bytes_of(const std::string& path) const;
  void remove(const std::string& path) const;

  const std::string& folder() const { return folder_; }

 private:
  struct Set {
    std::string path;  // without extension
    int64_t bytes = 0;
  };

  bool is_there(const std::string& path) const;
  void forget(size_t set);
  bool is_ours(const std::string& name, const std::string& prefix,
               const std::string& extension) const;
  bool is_half(const std::string& name, const std::string& prefix) const;

  const std::string folder_;
  const int64_t max_bytes_;
  const std::vector<std::string> extensions_;
  // Those of earlier runs by the times in their names, then this run's as they came: a board
  // without a battery may begin in 1970 each time.
  std::deque<Set> sets_;
  size_t found_ = 0;   // of earlier runs
  int64_t bytes_ = 0;  // of all, and of what was taken
};

// "2026-11-22T14:20:30.123Z"; of a moment of CLOCK_MONOTONIC.
std::string utc_text(int64_t monotonic_ns);

}  // namespace inferd::pipeline
