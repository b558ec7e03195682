// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_pipelines.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "clients/cpp/local_connection.h"
#include "clients/cpp/local_model.h"
#include "clients/cpp/push_fates.h"

namespace inferd {
namespace {

Result<inferd_pixels> pixels_of(const std::string& format) {
  static constexpr std::array kNames = {"rgb",  "bgr",  "rgbx", "bgrx", "grey",
                                        "yuyv", "uyvy", "nv12", "nv21", "i420"};
  const auto* at = std::find(kNames.begin(), kNames.end(), format);
  if (at == kNames.end()) return invalid_argument("'" + format + "' is no format of pixels");
  return static_cast<inferd_pixels>(at - kNames.begin());
}

class LocalPusher final : public FramePusher {
 public:
  LocalPusher(std::unique_ptr<LocalConnection> connection, std::string source)
      : connection_(std::move(connection)), source_(std::move(source)) {}

  Result<uint64_t> push(const PushFrame& frame) override {
    if (frame.kind == PushFrame::Kind::kEncoded)
      return invalid_argument("encoded pictures go over gRPC only; decode it first");
    const std::lock_guard lock(mutex_);
    INFERD_RETURN_IF_ERROR(take_events());
    inferd_frame out{};
    if (frame.kind == PushFrame::Kind::kPixels) {
      INFERD_ASSIGN_OR_RETURN(out.pixels, pixels_of(frame.format));
      out.width = static_cast<uint32_t>(std::max(frame.width, 0));
      out.height = static_cast<uint32_t>(std::max(frame.height, 0));
      out.stride = frame.stride;
    } else {
      if (frame.columns < 1) return invalid_argument("samples have one column at least");
      out.columns = static_cast<uint32_t>(frame.columns);
    }
    INFERD_ASSIGN_OR_RETURN(inferd_buffer memory, take_memory(frame.bytes.size()));
    if (!frame.bytes.empty()) std::memcpy(memory.data, frame.bytes.data(), frame.bytes.size());
    out.source = source_.c_str();
    out.buffer = memory.number;
    out.bytes = frame.bytes.size();
    out.capture_ns = frame.capture_ns;
    uint64_t id = 0;
    inferd_error error;
    if (inferd_local_push(connection_->get(), &out, &id, &error) != 0) {
      free_.push_back(memory);
      return status_of(error);
    }
    on_their_way_[id] = memory;
    return id;
  }

  Result<PushAnswer> answer(int64_t timeout_ms) override {
    const TimeLimit limit(timeout_ms);
    for (;;) {
      const bool over = timeout_ms == 0 || limit.is_over();
      {
        const std::lock_guard lock(mutex_);
        if (answers_.empty()) INFERD_RETURN_IF_ERROR(take_events());
        if (!answers_.empty()) {
          PushAnswer answer = std::move(answers_.front());
          answers_.pop_front();
          return answer;
        }
      }
      if (over) return deadline_exceeded("no answer within " + std::to_string(timeout_ms) + " ms");
      // Without the lock, or nobody could push. Who pushes may have taken what this waits for.
      constexpr int kTurnMs = 10;
      pollfd file{inferd_local_descriptor(connection_->get()), POLLIN, 0};
      ::poll(&file, 1, kTurnMs);
    }
  }

 private:
  // By mutex_. Takes all answers that there are.
  Status take_events() {
    constexpr size_t kMostAnswers = 4096;  // of who never asks for them, the oldest go
    for (;;) {
      inferd_event event;
      inferd_error error;
      const int code = inferd_local_event(connection_->get(), 0, &event, &error);
      if (code == INFERD_DEADLINE_EXCEEDED) return ok_status();
      if (code != 0) return status_of(error);
      const auto memory = on_their_way_.find(event.id);
      if (memory == on_their_way_.end()) continue;
      free_.push_back(memory->second);
      on_their_way_.erase(memory);
      PushAnswer answer;
      answer.id = event.id;
      if (event.code != 0)
        answer.status = Status(static_cast<StatusCode>(event.code), event.message);
      answer.fate = event.code != 0 ? "" : fate_name(static_cast<size_t>(event.fate));
      answer.capture_ns = event.capture_ns;
      answers_.push_back(std::move(answer));
      if (answers_.size() > kMostAnswers) answers_.pop_front();
    }
  }

  // By mutex_. One that nobody needs any more, where it is large enough.
  Result<inferd_buffer> take_memory(size_t bytes) {
    while (!free_.empty()) {
      inferd_buffer memory = free_.back();
      free_.pop_back();
      if (memory.bytes >= bytes) return memory;
      INFERD_RETURN_IF_ERROR(connection_->unmap(memory));
    }
    return connection_->map(bytes);
  }

  std::mutex mutex_;
  const std::unique_ptr<LocalConnection> connection_;  // by mutex_, as all below
  const std::string source_;
  std::vector<inferd_buffer> free_;
  std::map<uint64_t, inferd_buffer> on_their_way_;
  std::deque<PushAnswer> answers_;
};

}  // namespace

Result<std::unique_ptr<FramePusher>> push_local(const std::string& path,
                                                const std::string& source) {
  INFERD_ASSIGN_OR_RETURN(auto connection, LocalConnection::open(path));
  return std::unique_ptr<FramePusher>(std::make_unique<LocalPusher>(std::move(connection), source));
}

Status watch_local(const std::string& path, const std::string& pipeline,
                   const std::function<bool(const WatchedFrame&)>& on_frame) {
  INFERD_ASSIGN_OR_RETURN(const auto connection, LocalConnection::open(path));
  uint64_t id = 0;
  inferd_error error;
  if (inferd_local_watch(connection->get(), pipeline.c_str(), INFERD_JSON, 0, &id, &error) != 0)
    return status_of(error);
  for (;;) {
    inferd_event event;
    if (inferd_local_event(connection->get(), -1, &event, &error) != 0) return status_of(error);
    if (event.code == INFERD_UNAVAILABLE) return ok_status();  // the pipeline has ended
    if (event.code != 0) continue;                             // one that was too large
    INFERD_ASSIGN_OR_RETURN(WatchedFrame frame,
                            read_result({static_cast<const char*>(event.data), event.bytes}));
    frame.dropped = event.dropped;
    frame.result_ns = event.result_ns;
    if (!on_frame(frame)) return ok_status();
  }
}

}  // namespace inferd
