// SPDX-License-Identifier: Apache-2.0
//
// Which models the daemon was busy with when it died: a small file that outlives the process. It
// need not outlive the machine, whose end is no model's fault.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::models {

class CrashMark {
 public:
  struct Suspect {
    std::string model;
    int64_t version = 0;
    std::string reason;  // "the daemon died while it was being loaded"
  };

  // Reads what an earlier process of this boot left in `path` and makes the mark this process's
  // own: handlers of SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT write into it which models run
  // (telemetry::Running). One in a process at a time.
  static Result<std::unique_ptr<CrashMark>> open(const std::string& path);
  ~CrashMark();  // an end in good order: nothing is left
  CrashMark(const CrashMark&) = delete;
  CrashMark& operator=(const CrashMark&) = delete;

  // Of the process before: whether it died, and of what, if that is known.
  bool died() const { return died_; }
  const std::vector<Suspect>& suspects() const { return suspects_; }

  // What is said of a death from now on, whatever its signal, until done(). One thread at a time.
  void begin_loading(const std::string& model, int64_t version);
  void done();

 private:
  explicit CrashMark(std::string path) : path_(std::move(path)) {}
  void read(std::string_view boot);

  const std::string path_;
  int64_t head_ = 0;  // bytes of the first line, which stays
  bool died_ = false;
  std::vector<Suspect> suspects_;
};

}  // namespace inferd::models
