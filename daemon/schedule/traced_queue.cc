// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/traced_queue.h"

#include <unistd.h>

#include <utility>

#include "daemon/schedule/forwarding_queue.h"
#include "daemon/telemetry/trace.h"

namespace inferd::schedule {
namespace {

using telemetry::RequestTrace;

// Adds what is known when the answer comes, on the thread that brings it.
void set_times(const Outcome& outcome, RequestTrace& trace) {
  trace.answering = now_ns();
  trace.thread = ::gettid();
  trace.batch_size = outcome.timing.batch_size;
  trace.closed = trace.arrived + outcome.timing.queued;
  trace.gathered = trace.closed + outcome.timing.input;
  trace.computed = trace.gathered + outcome.timing.compute;
  if (!outcome.status.ok()) trace.status = outcome.status.message();
}

class TracedQueue final : public ForwardingQueue {
 public:
  TracedQueue(std::unique_ptr<ModelQueue> queue, std::string name, int64_t version)
      : ForwardingQueue(std::move(queue)), name_(std::move(name)), version_(version) {}

  void submit(Request request) override {
    if (telemetry::tracer().may_trace()) {
      if (auto file = telemetry::tracer().sample(name_)) trace(request, std::move(*file));
    }
    queue_->submit(std::move(request));
  }

 private:
  void trace(Request& request, std::string file) const {
    RequestTrace begun;
    begun.file = std::move(file);
    begun.model = name_;
    begun.version = version_;
    begun.request = request.id.substr(0, 256);
    begun.arrived = now_ns();
    request.done = [begun = std::move(begun),
                    done = std::move(request.done)](const Outcome& outcome) {
      RequestTrace trace = begun;
      set_times(outcome, trace);
      done(outcome);
      trace.answered = now_ns();
      telemetry::tracer().add(std::move(trace));
    };
  }

  const std::string name_;
  const int64_t version_;
};

}  // namespace

std::unique_ptr<ModelQueue> make_traced_queue(std::unique_ptr<ModelQueue> queue, std::string name,
                                              int64_t version) {
  return std::make_unique<TracedQueue>(std::move(queue), std::move(name), version);
}

}  // namespace inferd::schedule
