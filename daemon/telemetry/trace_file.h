// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "inferd/engine/status.h"

namespace inferd::telemetry {

// One request on its way. CLOCK_MONOTONIC, nanoseconds.
struct RequestTrace {
  std::string file;  // its name in the folder
  std::string model;
  int64_t version = 0;
  std::string request;  // the client's name for it
  std::string status;   // empty: it was answered, else why not
  int batch_size = 0;   // elements that ran together; 0: it did not run
  int thread = 0;       // that ran it, as the system numbers them
  int64_t arrived = 0;
  int64_t closed = 0;    // its batch was
  int64_t gathered = 0;  // the inputs of its batch are together
  int64_t computed = 0;
  int64_t answering = 0, answered = 0;
  int64_t log_frequency = 0;  // so many traces to a file, which are numbered then; 0: one file
};

// As trace events, one a line and each with a comma behind it. `number` tells it from other traces.
std::string trace_events(const RequestTrace& trace, uint64_t number);

// The trace files of one folder. Each is complete JSON after every write. Nothing that was there
// before is touched: where a name is taken, the next number behind it that is free is used instead,
// "NAME.1" for "NAME". For one thread.
class TraceFiles {
 public:
  // UNAVAILABLE when there is no such folder, or nothing may be written to it.
  static Result<std::unique_ptr<TraceFiles>> open(const std::string& folder);
  ~TraceFiles();
  TraceFiles(const TraceFiles&) = delete;
  TraceFiles& operator=(const TraceFiles&) = delete;

  // Returns how many could not be written: the disk is full, or a file has 256 MiB already.
  uint64_t write(std::span<const RequestTrace> traces);

 private:
  // What requests call by one name.
  struct File {
    int64_t traces = 0;     // of all parts
    int64_t frequency = 0;  // traces of a part; 0: there is one
    int64_t part = 0;       // the current one
    int64_t taken = 0;      // numbers that were taken by others: part 0 is NAME.taken
    std::string name;       // of the current part; empty: not made yet
    int64_t end = 0;        // of its last event; 0: nothing is written yet
  };
  explicit TraceFiles(int folder) : folder_(folder) {}
  bool append(const std::string& called, File& file, const std::string& events);
  int make(const std::string& called, File& file) const;

  const int folder_;
  uint64_t number_ = 0;
  std::map<std::string, File> files_;
};

}  // namespace inferd::telemetry
