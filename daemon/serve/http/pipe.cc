// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/pipe.h"

#include <algorithm>

namespace inferd::serve {

bool Pipe::write(std::string_view text) {
  Wake wake;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return gone_ || bytes_.empty() || bytes_.size() + text.size() <= kRoom; });
    if (gone_) return false;
    bytes_ += text;
    wake = wake_;
  }
  if (wake) wake();
  return true;
}

void Pipe::finish() {
  Wake wake;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    wake = wake_;
  }
  if (wake) wake();
}

bool Pipe::gone() {
  Wake wake;
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return true;
    wake = wake_;
  }
  if (wake) wake();
  return false;
}

Chunk Pipe::pull(std::span<char> buffer) {
  const std::lock_guard lock(mutex_);
  const size_t bytes = std::min(buffer.size(), bytes_.size() - sent_);
  std::copy_n(bytes_.data() + sent_, bytes, buffer.data());
  sent_ += bytes;
  if (sent_ == bytes_.size()) {
    bytes_.clear();
    sent_ = 0;
    changed_.notify_all();
  }
  return {bytes, bytes == 0 && finished_};
}

void Pipe::leave() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  wake_ = nullptr;
  changed_.notify_all();
}

Stream Pipe::reader() {
  // Leaves with the stream.
  const std::shared_ptr<Pipe> reading(this, [self = shared_from_this()](Pipe*) { self->leave(); });
  return {[reading](Wake wake) {
            const std::lock_guard lock(reading->mutex_);
            reading->wake_ = std::move(wake);
          },
          [reading](std::span<char> buffer) { return reading->pull(buffer); }};
}

}  // namespace inferd::serve
