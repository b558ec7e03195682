// SPDX-License-Identifier: Apache-2.0
//
// Traces of single requests, written as Chrome's trace events (JSON), which ui.perfetto.dev opens:
// docs/tracing.md. While nothing is traced, a request costs one relaxed load.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/telemetry/trace_file.h"
#include "inferd/engine/status.h"

namespace inferd::telemetry {

// What is said of all models or of one; what is not said is left to the former, and at last to the
// configuration.
struct TraceOverrides {
  std::optional<bool> timestamps;
  std::optional<int64_t> rate, count, log_frequency;  // as config::TraceConfig has them
  std::optional<std::string> file;
};

// Thread-safe, but for open() and close().
class Tracer {
 public:
  ~Tracer() { close(); }

  // Begins to trace as configured. UNAVAILABLE when the folder cannot be opened for writing. Not
  // called: nothing is ever traced.
  Status open(const config::TraceConfig& config);
  void close();  // writes what is there, then traces nothing more

  bool may_trace() const { return on_.load(std::memory_order_relaxed); }

  // Whether this request of `model` is to be traced: the file that it goes to.
  std::optional<std::string> sample(const std::string& model);

  // Hands a trace to the thread that writes; drops it when too many wait for that.
  void add(RequestTrace trace);

  // Of one model, or of all where the name is empty; `count` is what is left of it.
  config::TraceConfig settings(const std::string& model) const;
  // Changes them all together, and counts requests anew. INVALID_ARGUMENT for values out of range
  // and for a file that is not just a name; FAILED_PRECONDITION when tracing is to begin without a
  // folder or a file.
  Status change(const std::string& model, const std::function<void(TraceOverrides&)>& edit);

  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Scope {
    TraceOverrides overrides;
    int64_t seen = 0, traced = 0;
  };
  config::TraceConfig effective(const std::string& model) const;  // by mutex_
  void update_on();                                               // by mutex_
  void write();

  config::TraceConfig configured_;
  std::atomic<bool> on_ = false;
  std::atomic<uint64_t> dropped_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All of these by mutex_.
  std::map<std::string, Scope> scopes_ = {{"", {}}};
  std::vector<RequestTrace> pending_;
  bool closing_ = false;
  std::unique_ptr<TraceFiles> files_;  // the writer's, once it runs
  std::thread writer_;
};

// The daemon's.
Tracer& tracer();

}  // namespace inferd::telemetry
