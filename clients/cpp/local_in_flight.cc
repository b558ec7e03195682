// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_in_flight.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace inferd {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kLongestSleepMs = 60'000;

int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

Status closed() { return cancelled("the client or stream has gone"); }

}  // namespace

LocalInFlight::LocalInFlight(std::string path)
    : path_(std::move(path)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

LocalInFlight::~LocalInFlight() {
  close();
  if (wake_ >= 0) ::close(wake_);
}

void LocalInFlight::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

// ---- Sending ----

uint64_t LocalInFlight::start(const std::string& model, const std::vector<NamedTensor>& inputs,
                              const InferOptions& options, const TimeLimit& limit, InferDone done) {
  const auto version = parse_version(options.version);
  if (!version.ok()) {
    done(version.status());
    return 0;
  }
  std::unique_lock lock(mutex_);
  Job job;
  const uint64_t number = job.number = next_number_++;
  job.model = model;
  job.version = *version;
  job.options = options;
  job.limit = limit;
  job.done = std::move(done);
  const bool was_connected = connection_ != nullptr;
  Status sent = send(job, inputs);
  if (!sent.ok() && connection_ != nullptr && !connection_->is_connected()) {
    lose(sent);
    // The daemon may have been restarted since the last request.
    if (was_connected) sent = send(job, inputs);
  }
  if (sent.ok()) return number;
  lock.unlock();
  job.done(std::move(sent));
  return 0;
}

Status LocalInFlight::connect() {
  if (closed_) return closed();
  if (connection_ != nullptr) return ok_status();
  if (wake_ < 0) return resource_exhausted("the process has no file descriptor left");
  INFERD_ASSIGN_OR_RETURN(connection_, LocalConnection::open(path_));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake();
  return ok_status();
}

Result<size_t> LocalInFlight::max_in_flight() {
  const std::lock_guard lock(mutex_);
  INFERD_RETURN_IF_ERROR(connect());
  return size_t{inferd_local_max_in_flight(connection_->get())};
}

// The connection is closed once the thread, which may be waiting for it, has seen that.
void LocalInFlight::lose(const Status& why) {
  for (auto& [id, job] : jobs_) finish(job, why);
  jobs_.clear();
  free_.clear();
  connection_ = nullptr;
  wake();
}

Status LocalInFlight::send(Job& job, const std::vector<NamedTensor>& inputs) {
  INFERD_RETURN_IF_ERROR(connect());
  if (jobs_.size() >= inferd_local_max_in_flight(connection_->get())) {
    return resource_exhausted(std::to_string(jobs_.size()) +
                              " requests are on their way, as many as the daemon allows a "
                              "connection (max_in_flight): wait for an answer first");
  }
  // While the daemon is asked, answers may be set aside, which the thread would not see coming.
  if (!connection_->has_bound(job.model, job.version)) wake();
  INFERD_ASSIGN_OR_RETURN(auto bound, connection_->bind(job.model, job.version));
  INFERD_ASSIGN_OR_RETURN(job.layout,
                          RequestLayout::plan(std::move(bound), inputs, job.options.outputs));
  return send_planned(job, inputs);
}

// Moves the job to jobs_ when it is sent.
Status LocalInFlight::send_planned(Job& job, const std::vector<NamedTensor>& inputs) {
  INFERD_ASSIGN_OR_RETURN(inferd_buffer memory, take_buffer(job.layout.bytes()));
  job.layout.put_inputs(inputs, memory);
  const inferd_request request = job.layout.request(job.options, job.limit);
  inferd_error error;
  uint64_t id = 0;
  if (inferd_local_send(connection_->get(), &request, &id, &error) != 0) {
    free_.push_back(memory);
    return status_of(error);
  }
  job.memory = memory;
  if (job.limit.deadline_ns != 0 && job.limit.deadline_ns < wakes_at_ns_) wake();
  jobs_.emplace(id, std::move(job));
  return ok_status();
}

// The smallest that is large enough, or a new one. There are never more than may be on their way.
Result<inferd_buffer> LocalInFlight::take_buffer(size_t bytes) {
  auto best = free_.end();
  for (auto at = free_.begin(); at != free_.end(); ++at) {
    if (at->bytes >= bytes && (best == free_.end() || at->bytes < best->bytes)) best = at;
  }
  if (best != free_.end()) {
    const inferd_buffer buffer = *best;
    free_.erase(best);
    return buffer;
  }
  wake();  // as in send()
  const size_t most = inferd_local_max_in_flight(connection_->get());
  while (!free_.empty() && free_.size() + jobs_.size() >= most) {
    INFERD_RETURN_IF_ERROR(connection_->unmap(free_.back()));
    free_.pop_back();
  }
  auto mapped = connection_->map(bytes);
  if (mapped.status().code() != StatusCode::kResourceExhausted || free_.empty()) return mapped;
  for (; !free_.empty(); free_.pop_back()) INFERD_RETURN_IF_ERROR(connection_->unmap(free_.back()));
  return connection_->map(bytes);
}

void LocalInFlight::cancel(uint64_t number) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, job] : jobs_) {
    if (job.number != number || !job.done) continue;
    inferd_local_cancel(connection_->get(), id, nullptr);  // if not, it runs in vain
    finish(job, cancelled("the client has cancelled the request"));
    return wake();
  }
}

// ---- Receiving ----

void LocalInFlight::finish(Job& job, Result<std::vector<NamedResult>> results) {
  if (job.done) finished_.push_back({std::exchange(job.done, nullptr), std::move(results)});
}

void LocalInFlight::receive() {
  while (connection_ != nullptr) {
    inferd_answer answer{};
    inferd_error error;
    if (inferd_local_receive(connection_->get(), 0, &answer, &error) == INFERD_OK) {
      answered(answer);
    } else if (connection_->is_connected()) {
      return;  // no more for now
    } else {
      lose(status_of(error));
    }
  }
}

void LocalInFlight::answered(const inferd_answer& answer) {
  const auto at = jobs_.find(answer.id);
  if (at == jobs_.end()) return;
  Job job = std::move(at->second);
  jobs_.erase(at);
  if (answer.code == INFERD_OK) {
    finish(job, job.layout.results(answer, job.memory));
  } else {
    const Status refused(static_cast<StatusCode>(answer.code), answer.message);
    const inferd_buffer memory = job.memory;
    if (!send_again(job, refused.code())) finish(job, refused);
    if (connection_ != nullptr) free_.push_back(memory);
    return;
  }
  free_.push_back(job.memory);
}

// Whether that helps: another version may have come, or an output was larger than its room. The
// inputs lie in the job's buffer, which stays the caller's.
bool LocalInFlight::send_again(Job& job, StatusCode refused) {
  const bool unloaded = refused == StatusCode::kUnavailable;
  // Also for the requests that follow; whether the daemon knows it is told by what is sent next.
  if (unloaded && !connection_->unbind(job.model, job.version).ok()) return false;
  // Later requests of a sequence are on their way already.
  if (!job.done || job.limit.is_over() || job.options.sequence.id != 0) return false;
  const std::vector<NamedTensor> inputs = job.layout.inputs_in(job.memory);
  if (refused == StatusCode::kOutOfRange)
    return job.layout.grow() && send_planned(job, inputs).ok();
  return unloaded && !std::exchange(job.bound_anew, true) && send(job, inputs).ok();
}

void LocalInFlight::expire() {
  for (auto& [id, job] : jobs_) {
    if (!job.done || !job.limit.is_over()) continue;
    inferd_local_cancel(connection_->get(), id, nullptr);
    finish(job,
           deadline_exceeded("no answer within " + std::to_string(job.limit.timeout_ms) + " ms"));
  }
}

int64_t LocalInFlight::next_deadline_ns() const {
  int64_t next = kNever;
  for (const auto& [id, job] : jobs_) {
    if (job.done && job.limit.deadline_ns != 0) next = std::min(next, job.limit.deadline_ns);
  }
  return next;
}

// ---- The thread ----

void LocalInFlight::run() {
  std::unique_lock lock(mutex_);
  std::shared_ptr<LocalConnection> connection;
  for (;;) {
    receive();
    expire();
    if (tell(lock)) continue;
    if (closed_) break;
    connection = connection_;
    const int64_t until_ns = wakes_at_ns_ = next_deadline_ns();
    lock.unlock();
    sleep(connection.get(), until_ns);
    lock.lock();
    wakes_at_ns_ = 0;
  }
  lose(closed());
  tell(lock);
}

// Calls each `done` without the lock. False: there was none.
bool LocalInFlight::tell(std::unique_lock<std::mutex>& lock) {
  if (finished_.empty()) return false;
  std::vector<Finished> finished = std::exchange(finished_, {});
  lock.unlock();
  for (Finished& f : finished) f.done(std::move(f.results));
  finished.clear();
  lock.lock();
  return true;
}

void LocalInFlight::sleep(const LocalConnection* connection, int64_t until_ns) const {
  pollfd waits_for[] = {{wake_, POLLIN, 0}, {-1, POLLIN, 0}};
  if (connection != nullptr) waits_for[1].fd = inferd_local_descriptor(connection->get());
  int timeout_ms = -1;
  if (until_ns != kNever) {
    const int64_t left_ms = (until_ns - now_ns()) / 1'000'000 + 1;
    timeout_ms = static_cast<int>(std::clamp<int64_t>(left_ms, 0, kLongestSleepMs));
  }
  ::poll(waits_for, 2, timeout_ms);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
}

void LocalInFlight::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(wake_, &one, sizeof one);
}

}  // namespace inferd
