// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/log_tail.h"

#include <algorithm>
#include <chrono>

namespace inferd::telemetry {
namespace {

size_t bytes_of(const LogTail::Line& line) {
  return line.text.size() + line.model.size() + line.pipeline.size();
}

// At most so many bytes, without a part of a character at the end (UTF-8: 10xxxxxx goes on).
std::string_view cut(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

void LogTail::add(LogLevel level, std::string_view text, const About& about) {
  using std::chrono::milliseconds, std::chrono::system_clock;
  auto line = std::make_shared<Line>();
  line->level = level;
  line->text = cut(text, kMaxText);
  line->model = cut(about.model, kMaxText);
  line->pipeline = cut(about.pipeline, kMaxText);
  const auto since_epoch = system_clock::now().time_since_epoch();
  line->time_ms = std::chrono::duration_cast<milliseconds>(since_epoch).count();
  const std::lock_guard lock(mutex_);
  line->number = ++newest_;
  bytes_ += bytes_of(*line);
  lines_.push_back(std::move(line));
  while (lines_.size() > kMaxLines || bytes_ > kMaxBytes) {
    bytes_ -= bytes_of(*lines_.front());
    lines_.pop_front();
  }
  changed_.notify_all();
}

std::shared_ptr<const LogTail::Line> LogTail::next(uint64_t number, int64_t timeout_ms) const {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                         [&] { return newest_ > number; })) {
    return nullptr;
  }
  const uint64_t oldest = newest_ - lines_.size() + 1;
  return lines_[number < oldest ? 0 : number + 1 - oldest];
}

uint64_t LogTail::before_newest(uint64_t lines) const {
  const std::lock_guard lock(mutex_);
  return newest_ - std::min<uint64_t>(lines, lines_.size());
}

LogTail& log_tail() {
  static auto* const tail = new LogTail;  // others log until the very end
  return *tail;
}

}  // namespace inferd::telemetry
