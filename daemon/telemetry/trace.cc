// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/trace.h"

#include <algorithm>
#include <utility>

#include "package/name.h"

namespace inferd::telemetry {
namespace {

constexpr size_t kMaxPending = 4096;

Status check(const TraceOverrides& o) {
  if (o.rate && *o.rate < 1) return invalid_argument("trace_rate must be at least 1");
  if (o.count && *o.count < -1) return invalid_argument("trace_count must be at least -1");
  if (o.log_frequency && *o.log_frequency < 0) {
    return invalid_argument("log_frequency must not be negative");
  }
  if (o.file && !package::is_model_name(*o.file)) {
    return invalid_argument(
        "trace_file must be a name in the folder for traces: letters, digits, '.', '_' and '-', "
        "and no '.' at the beginning");
  }
  return ok_status();
}

void apply(const TraceOverrides& overrides, config::TraceConfig& config) {
  config.timestamps = overrides.timestamps.value_or(config.timestamps);
  config.rate = overrides.rate.value_or(config.rate);
  config.count = overrides.count.value_or(config.count);
  config.log_frequency = overrides.log_frequency.value_or(config.log_frequency);
  config.file = overrides.file.value_or(config.file);
}

}  // namespace

Status Tracer::open(const config::TraceConfig& config) {
  configured_ = config;
  if (config.folder.empty()) return ok_status();
  INFERD_ASSIGN_OR_RETURN(files_, TraceFiles::open(config.folder));
  closing_ = false;
  writer_ = std::thread([this] { write(); });
  const std::lock_guard lock(mutex_);
  update_on();
  return ok_status();
}

void Tracer::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    on_ = false;
  }
  changed_.notify_all();
  if (writer_.joinable()) writer_.join();
}

std::optional<std::string> Tracer::sample(const std::string& model) {
  const std::lock_guard lock(mutex_);
  const config::TraceConfig settings = effective(model);
  const auto own = scopes_.find(model);
  Scope& scope = own == scopes_.end() ? scopes_.at("") : own->second;
  if (!may_trace() || !settings.timestamps) return std::nullopt;
  if (settings.count >= 0 && scope.traced >= settings.count) return std::nullopt;
  if (scope.seen++ % settings.rate != 0) return std::nullopt;
  ++scope.traced;
  return settings.file;
}

void Tracer::add(RequestTrace trace) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_ || pending_.size() >= kMaxPending) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    trace.log_frequency = effective(trace.model).log_frequency;
    pending_.push_back(std::move(trace));
  }
  changed_.notify_all();
}

config::TraceConfig Tracer::settings(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  config::TraceConfig settings = effective(model);
  const auto own = scopes_.find(model);
  const Scope& scope = own == scopes_.end() ? scopes_.at("") : own->second;
  if (settings.count >= 0) settings.count = std::max<int64_t>(settings.count - scope.traced, 0);
  return settings;
}

Status Tracer::change(const std::string& model, const std::function<void(TraceOverrides&)>& edit) {
  const std::lock_guard lock(mutex_);
  const auto before = scopes_.find(model);
  Scope scope;  // counts anew
  if (before != scopes_.end()) scope.overrides = before->second.overrides;
  edit(scope.overrides);
  INFERD_RETURN_IF_ERROR(check(scope.overrides));
  config::TraceConfig after = configured_;
  apply(scopes_.at("").overrides, after);
  apply(scope.overrides, after);
  if (after.timestamps && (configured_.folder.empty() || after.file.empty())) {
    return failed_precondition(
        configured_.folder.empty()
            ? "nothing can be traced: 'trace: folder' is not in the daemon's configuration"
            : "trace_level cannot be TIMESTAMPS without a trace_file");
  }
  scopes_[model] = std::move(scope);
  update_on();
  return ok_status();
}

config::TraceConfig Tracer::effective(const std::string& model) const {
  config::TraceConfig settings = configured_;
  apply(scopes_.at("").overrides, settings);
  const auto own = scopes_.find(model);
  if (own != scopes_.end()) apply(own->second.overrides, settings);
  return settings;
}

void Tracer::update_on() {
  const bool any = std::any_of(scopes_.begin(), scopes_.end(), [&](const auto& scope) {
    return effective(scope.first).timestamps;
  });
  on_ = any && files_ != nullptr && !closing_;
}

void Tracer::write() {
  std::vector<RequestTrace> traces;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || !pending_.empty(); });
    if (pending_.empty()) return;
    traces.swap(pending_);
    lock.unlock();
    dropped_.fetch_add(files_->write(traces), std::memory_order_relaxed);
    traces.clear();
    lock.lock();
  }
}

Tracer& tracer() {
  static Tracer only;
  return only;
}

}  // namespace inferd::telemetry
