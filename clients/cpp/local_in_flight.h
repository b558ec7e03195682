// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "clients/cpp/local_connection.h"

namespace inferd {

// Requests over one connection to the local socket, several of them on their way, answered in any
// order.
//
// Who starts a request sends it; a thread, which sleeps while nothing comes, receives answers and
// calls each `done`. Every request has a buffer of its own, shared with the daemon, from start()
// until the daemon has answered, also where nobody waits for the answer any more: until then the
// daemon may write to it. As many may be on their way as the daemon allows a connection.
//
// A lost connection ends all that is on its way with UNAVAILABLE; the next start() opens another.
// Safe to use from several threads.
class LocalInFlight {
 public:
  explicit LocalInFlight(std::string path);
  ~LocalInFlight();
  LocalInFlight(const LocalInFlight&) = delete;
  LocalInFlight& operator=(const LocalInFlight&) = delete;

  // Calls `done` once: from here when the request cannot be sent, or later in the thread. Waits for
  // the daemon where it has to be asked something first: the connection, the model, a buffer.
  // RESOURCE_EXHAUSTED: too many are on their way. Returns a number for cancel(), 0: it is done.
  uint64_t start(const std::string& model, const std::vector<NamedTensor>& inputs,
                 const InferOptions& options, const TimeLimit& limit, InferDone done);

  // Its `done` gets CANCELLED, unless it got or is about to get something else.
  void cancel(uint64_t number);

  // How many may be on their way. Connects where it must.
  Result<size_t> max_in_flight();

  // What is on its way gets CANCELLED, and nothing is taken any more. Waits for every `done`; not
  // to be called by one.
  void close();

 private:
  struct Job {
    uint64_t number = 0;
    std::string model;
    int64_t version = 0;
    InferOptions options;
    TimeLimit limit{-1};
    InferDone done;  // none: it was told already, only the daemon's answer lacks
    RequestLayout layout;
    inferd_buffer memory{};
    bool bound_anew = false;
  };
  struct Finished {
    InferDone done;
    Result<std::vector<NamedResult>> results;
  };

  // All of these by mutex_.
  Status connect();
  void lose(const Status& why);
  Status send(Job& job, const std::vector<NamedTensor>& inputs);
  Status send_planned(Job& job, const std::vector<NamedTensor>& inputs);
  Result<inferd_buffer> take_buffer(size_t bytes);
  void receive();
  void answered(const inferd_answer& answer);
  bool send_again(Job& job, StatusCode refused);
  void expire();
  int64_t next_deadline_ns() const;
  void finish(Job& job, Result<std::vector<NamedResult>> results);

  void run();
  bool tell(std::unique_lock<std::mutex>& lock);
  void sleep(const LocalConnection* connection, int64_t until_ns) const;
  void wake() const;

  const std::string path_;
  const int wake_;  // an eventfd; -1: there is none
  std::mutex mutex_;
  // By mutex_ all of these. The thread also holds what it waits for.
  std::shared_ptr<LocalConnection> connection_;
  std::map<uint64_t, Job> jobs_;     // by the id that the request has on its way
  std::vector<inferd_buffer> free_;  // of connection_
  std::vector<Finished> finished_;   // for the thread to tell
  uint64_t next_number_ = 1;
  int64_t wakes_at_ns_ = 0;  // while the thread sleeps; else 0
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace inferd
