// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/local/watches.h"

#include <algorithm>

#include "daemon/pipeline/result_binary.h"
#include "daemon/pipeline/result_json.h"

namespace inferd::serve::local {
namespace {

constexpr auto kType = static_cast<uint16_t>(FrameType::kResult);

}  // namespace

Status Watches::add(uint64_t id, const Watch& watch, pipeline::Pipelines& pipelines,
                    std::function<void()> on_change) {
  constexpr size_t kUsual = 16, kLargest = 1000;
  const std::lock_guard lock(mutex_);
  if (closed_) return failed_precondition("the connection has ended");
  if (std::any_of(all_.begin(), all_.end(), [&](const One& one) { return one.id == id; }))
    return already_exists("request " + std::to_string(id) + " watches a pipeline already");
  if (all_.size() >= kMost) {
    return resource_exhausted("a connection may watch " + std::to_string(kMost) +
                              " pipelines at one time");
  }
  const size_t capacity = watch.capacity == 0 ? kUsual : std::min<size_t>(watch.capacity, kLargest);
  INFERD_ASSIGN_OR_RETURN(auto subscription, pipelines.subscribe(std::string(watch.pipeline),
                                                                 capacity, std::move(on_change)));
  all_.push_back({id, watch.binary, false, std::move(subscription), {}, false});
  return ok_status();
}

void Watches::begin(uint64_t id) {
  const std::lock_guard lock(mutex_);
  for (One& one : all_) one.begun = one.begun || one.id == id;
}

Status Watches::remove(uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (std::erase_if(all_, [&](const One& one) { return one.id == id; }) > 0) return ok_status();
  return not_found("request " + std::to_string(id) + " watches no pipeline");
}

void Watches::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  all_.clear();
}

void Watches::send(const Send& send) {
  const std::lock_guard lock(mutex_);
  bool room = true;
  for (One& one : all_) room = room && send_of(one, send);
  std::erase_if(all_, [](const One& one) { return one.over && one.frame.empty(); });
  // Whose turn is first must not always be the same one's, or the others get nothing.
  if (!room && all_.size() > 1) std::rotate(all_.begin(), all_.begin() + 1, all_.end());
  waits_.store(!room, std::memory_order_relaxed);
}

// False: no room.
bool Watches::send_of(One& one, const Send& send) {
  while (!one.frame.empty() || prepare(one)) {
    if (!send(one.frame)) return false;
    one.frame.clear();
  }
  return true;
}

// Makes the next frame. False: there is none yet, or none any more.
bool Watches::prepare(One& one) {
  if (one.over || !one.begun) return false;
  if (const auto result = one.subscription->next(0)) {
    write(one, *result, one.frame);
    return true;
  }
  one.over = one.subscription->ended();
  if (one.over)
    write_error(FrameWriter(one.frame), kType, one.id, unavailable("the pipeline has ended"));
  return one.over;
}

void Watches::write(const One& one, const pipeline::FrameResult& result,
                    std::vector<std::byte>& frame) {
  text_.clear();
  if (one.binary) {
    append_binary(result, text_);
  } else {
    append_json(result, text_);
  }
  FrameWriter writer(frame);
  writer.begin(kType, StatusCode::kOk, one.id);
  writer.u64(one.subscription->dropped());
  writer.u64(result.sequence);
  writer.i64(result.capture_ns);
  writer.i64(result.result_ns);
  if (writer.fits(text_.size())) {
    writer.text(text_);
    writer.finish();
    return;
  }
  write_error(writer, kType, one.id,
              out_of_range("the result of frame " + std::to_string(result.sequence) + " has " +
                           std::to_string(text_.size()) + " bytes, more than a frame holds"));
}

}  // namespace inferd::serve::local
