// SPDX-License-Identifier: Apache-2.0
//
// What a connection has to do with pipelines: frames that its client pushes, results that it
// watches.
#include <poll.h>

#include "daemon/serve/local/connection.h"

namespace inferd::serve::local {

// Keeps a pushed frame's memory for those who read it, and tells the client when that is over.
class Connection::PushLease final : public pipeline::Fate {
 public:
  PushLease(std::shared_ptr<Connection> connection, std::shared_ptr<const Region> region,
            Pushed pushed)
      : connection_(std::move(connection)), region_(std::move(region)), pushed_(pushed) {}
  ~PushLease() {
    region_.reset();
    if (connection_ == nullptr) return;
    pushed_.fate = value();
    connection_->answer(pushed_);
  }
  PushLease(const PushLease&) = delete;
  PushLease& operator=(const PushLease&) = delete;

  // By who pushes, before it gives up its own hold.
  void captured(int64_t ns) { pushed_.capture_ns = ns; }
  void refused() { connection_ = nullptr; }

 private:
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<const Region> region_;
  Pushed pushed_;
};

Status Connection::push(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const Push push, read_push(frame));
  if (const Status status = take(id, push); !status.ok()) reply(FrameType::kPush, id, status);
  return ok_status();
}

Status Connection::take(uint64_t id, const Push& push) {
  if (push.buffer >= regions_.size() || regions_[push.buffer] == nullptr)
    return not_found("there is no buffer " + std::to_string(push.buffer));
  const auto& region = regions_[push.buffer];
  pipeline::PushedFrame frame;
  INFERD_ASSIGN_OR_RETURN(frame.bytes, region->part(push.offset, push.bytes));
  frame.kind =
      push.samples ? pipeline::PushedFrame::Kind::kSamples : pipeline::PushedFrame::Kind::kPixels;
  frame.format = static_cast<media::PixelFormat>(push.format);
  frame.width = push.width;
  frame.height = push.height;
  frame.stride = push.stride;
  frame.columns = push.columns;
  frame.capture_ns = push.capture_ns;
  if (!count_push()) {
    return resource_exhausted(std::to_string(requests_.size()) +
                              " frames of this connection have no answer yet");
  }
  const auto lease = std::make_shared<PushLease>(
      shared_from_this(), region, Pushed{id, 0, schedule::now_ns(), pipeline::Fate::kOverwritten});
  frame.lease = lease;
  const auto captured = shared_->pipelines.inlets().put(push.source, std::move(frame));
  if (captured.ok()) {
    lease->captured(*captured);
    return ok_status();
  }
  lease->refused();
  const std::lock_guard lock(answer_mutex_);
  --pushes_;
  return captured.status();
}

bool Connection::count_push() {
  const std::lock_guard lock(answer_mutex_);
  if (pushes_ >= requests_.size()) return false;
  ++pushes_;
  return true;
}

void Connection::answer(const Pushed& pushed) {
  const std::lock_guard lock(answer_mutex_);
  if (send(pushed) == Sent::kNoRoom) {
    pushed_.push_back(pushed);
    watch_again();
  } else {
    --pushes_;
  }
}

Connection::Sent Connection::send(const Pushed& pushed) {
  if (has_ended()) return Sent::kGone;
  FrameWriter writer(push_answer_);
  writer.begin(number(FrameType::kPush) | kAnswer, StatusCode::kOk, pushed.id);
  writer.u16(pushed.fate);
  writer.u16(0);
  writer.u32(0);
  writer.i64(pushed.capture_ns);
  writer.i64(schedule::now_ns() - pushed.received_ns);
  return send(writer.finish());
}

Status Connection::watch(uint64_t id, Bytes frame) {
  INFERD_ASSIGN_OR_RETURN(const Watch watch, read_watch(frame));
  Status status = check_role(roles_, Role::kObserve, "WATCH");
  if (status.ok()) status = watches_.add(id, watch, shared_->pipelines, [this] { results_came(); });
  reply(FrameType::kWatch, id, status);
  if (!status.ok()) return ok_status();
  watches_.begin(id);
  results_came();  // perhaps, before the answer
  return ok_status();
}

Status Connection::unwatch(uint64_t id, Bytes frame) {
  INFERD_RETURN_IF_ERROR(read_bare(frame));
  reply(FrameType::kUnwatch, id, watches_.remove(id));
  return ok_status();
}

void Connection::results_came() {
  const std::lock_guard lock(answer_mutex_);
  if (results_came_ || has_ended()) return;
  results_came_ = true;
  watch_again();
}

// Results only go where most of the socket is left for answers: who does not read them loses
// results, not the connection.
void Connection::send_results() {
  {
    const std::lock_guard lock(answer_mutex_);
    if (!results_came_ && !watches_.waits()) return;
    results_came_ = false;
  }
  watches_.send([this](Bytes frame) {
    pollfd room{socket_.get(), POLLOUT, 0};
    if (has_ended()) return true;
    return ::poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
           send(frame) != Sent::kNoRoom;
  });
  const std::lock_guard lock(answer_mutex_);
  watch_again();
}

}  // namespace inferd::serve::local
