// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/serve/http/message.h"

namespace inferd::serve {

// Bytes on their way from a call, on a thread of its own, to the body of an answer. Holds some
// until they are sent; who writes more waits, so that what a slow client costs is bounded.
// Thread-safe.
class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  static constexpr size_t kRoom = 64 << 10;

  // Waits until there is room; a text larger than that goes into an empty pipe. False: nobody reads
  // any more.
  bool write(std::string_view text);
  void finish();  // nothing more is written
  // Nobody reads any more. Has the server look whether the client is there: what the next call
  // says.
  bool gone();

  // What reads it; once.
  Stream reader();

 private:
  Chunk pull(std::span<char> buffer);
  void leave();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string bytes_;  // by mutex_, as all below
  size_t sent_ = 0;    // of them
  bool finished_ = false, gone_ = false;
  Wake wake_;
};

}  // namespace inferd::serve
