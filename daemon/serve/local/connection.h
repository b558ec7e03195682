// SPDX-License-Identifier: Apache-2.0
//
// One client of the local socket: what it has said so far and what it waits for. It shall be able
// to harm nobody but itself, whatever it sends; docs/local-socket.md says what it may.
//
// Threads: frames are taken by one thread at a time, the receiver; answers come from the workers of
// models and are sent from there, without a way through the thread that receives.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/inlet.h"
#include "daemon/serve/access.h"
#include "daemon/serve/caller.h"
#include "daemon/serve/client.h"
#include "daemon/serve/client_counts.h"
#include "daemon/serve/local/in_flight.h"
#include "daemon/serve/local/poller.h"
#include "daemon/serve/local/region.h"
#include "daemon/serve/local/watches.h"

namespace inferd::serve::local {

// What the connections of a listener share. Repository and pipelines outlive the last receive(),
// and the pipelines every frame that was pushed.
struct Shared {
  const models::Repository& repository;
  pipeline::Pipelines& pipelines;
  const std::string version;  // of the daemon
  const config::LocalListener limits;
  const std::shared_ptr<UserLimits> users;
  Poller poller;
  std::atomic<bool> stopping{false};  // requests are refused
};

// A request that is ready to run.
struct Ready {
  std::shared_ptr<const models::ModelVersion> model;
  schedule::Request request;
};

// The process that a connection began with.
class LocalCaller final : public models::Caller {
 public:
  explicit LocalCaller(Peer::Process process) : process_(std::move(process)) {}
  std::vector<std::string> keys() const override { return caller_keys({process_, {}, {}, {}}, ""); }
  uid_t user() const { return process_.uid; }
  std::shared_ptr<ClientCount> count() const {
    return client_counts().of("local", {process_, {}, {}, {}}, "");
  }

 private:
  const Peer::Process process_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Of a process for whose user `shared->users` has counted it; it will be taken off there at the
  // end. Owned by shared_ptr.
  Connection(Descriptor socket, uint64_t token, Peer::Process process, Roles roles,
             std::shared_ptr<Shared> shared);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Takes what has come, by way of `buffer` (kReceiveBytes), and queues the requests among it, but
  // for the last one: that is returned and is the caller's to submit, when it no longer holds
  // anything that others wait for.
  std::optional<Ready> receive(std::span<std::byte> buffer);

  // One more than a frame may have, so that a longer one is seen.
  static constexpr size_t kReceiveBytes = kMaxFrame + 1;

  // There is room again for answers, or results have come.
  void send_waiting();

  // No more is received or sent; what waits in queues is dropped. The socket is closed when the
  // last request has come back.
  void end();
  bool has_ended() const { return ended_.load(std::memory_order_relaxed); }
  bool is_idle() const;  // nothing waits for a model, a pipeline or for room
  // To be called at the end by who may wait for a pipeline: lets go of those that it watches.
  void forget_watches() { watches_.close(); }

  int socket() const { return socket_.get(); }

 private:
  using Bytes = std::span<const std::byte>;
  enum class Received { kFrame, kNothing, kEnd };

  // By the receiver, all of them. A status that is not OK is a violation of the protocol.
  bool receive_one(std::span<std::byte> buffer, std::optional<Ready>& ready);  // false: no more
  Received receive_frame(std::span<std::byte> buffer, Bytes& frame, Status& violation);
  Status take_descriptors(const void* message, bool truncated);
  Status handle(Bytes frame, std::optional<Ready>& ready);
  Status check_descriptors(uint16_t type) const;
  Status hello(uint64_t id, Bytes frame);
  Status map(uint64_t id, Bytes frame);
  Status unmap(uint64_t id, Bytes frame);
  Status bind(uint64_t id, Bytes frame);
  Status unbind(uint64_t id, Bytes frame);
  Status list(uint64_t id, Bytes frame);
  Status infer(uint64_t id, Bytes frame, std::optional<Ready>& ready);
  Status cancel(uint64_t id, Bytes frame);
  Status push(uint64_t id, Bytes frame);
  Status take(uint64_t id, const Push& push);
  Status watch(uint64_t id, Bytes frame);
  Status unwatch(uint64_t id, Bytes frame);
  Result<std::shared_ptr<const models::ModelVersion>> bound(uint32_t binding,
                                                            const schedule::Sequence& sequence);
  Result<std::shared_ptr<const Region>> map_buffer(uint32_t buffer, uint64_t bytes);
  Status describe(const models::ModelVersion& version, FrameWriter& writer);
  Ready make_ready(const Infer& infer, schedule::Sequence sequence, InFlight& request,
                   std::shared_ptr<const models::ModelVersion> model);
  // Answers to anything but INFER. One that finds no room ends the connection.
  void reply(FrameType type, uint64_t id, const Status& status = ok_status());
  void send_reply(Bytes frame);
  void end_with(const Status& violation);

  // From any thread.
  InFlight* take_free();
  void give_back(InFlight& request);  // by answer_mutex_
  void watch_again();                 // by answer_mutex_
  void answer(InFlight& request, const schedule::Outcome& outcome);
  enum class Sent { kYes, kNoRoom, kGone };
  Sent send(Bytes frame) const;

  // A frame that was pushed, once nobody needs it any more.
  struct Pushed {
    uint64_t id = 0;
    int64_t capture_ns = 0, received_ns = 0;
    pipeline::Fate::Value fate = pipeline::Fate::kOverwritten;
  };
  class PushLease;
  bool count_push();
  void answer(const Pushed& pushed);
  Sent send(const Pushed& pushed);  // by answer_mutex_

  void results_came();  // from threads of pipelines, which hold locks
  void send_results();

  const Descriptor socket_;
  const uint64_t token_;
  const uint64_t client_ = new_client();
  const LocalCaller caller_;
  const std::shared_ptr<ClientCount> count_ = caller_.count();
  const Roles roles_;
  const std::shared_ptr<Shared> shared_;
  std::atomic<bool> ended_{false};

  // Who makes it 1 is the receiver until it has made it 0 again; who finds more leaves it at that.
  std::atomic<uint32_t> arrivals_{0};
  bool said_hello_ = false;   // by the receiver
  Regions regions_;           // by the receiver
  int64_t mapped_bytes_ = 0;  // by the receiver
  // A bound model goes when the repository gives it up.
  struct Binding {
    std::string name;
    bool is_of_version = false;                      // the client named it: no other will do
    ModelInfo told;                                  // what the client knows of it
    std::weak_ptr<const models::ModelVersion> last;  // is like that
  };
  std::vector<std::optional<Binding>> bindings_;  // by the receiver
  std::vector<Place> places_;                     // by the receiver
  std::vector<std::byte> reply_;                  // by the receiver
  std::vector<Descriptor> descriptors_;           // of the frame in hand; by the receiver

  mutable std::mutex answer_mutex_;
  std::vector<InFlight> requests_;  // fixed after HELLO
  std::vector<InFlight*> free_;     // by answer_mutex_
  std::vector<InFlight*> waiting_;  // answered, but there was no room; by answer_mutex_
  size_t pushes_ = 0;               // frames without an answer; by answer_mutex_, as all below
  std::vector<Pushed> pushed_;      // there was no room for their answers
  std::vector<std::byte> push_answer_;
  bool results_came_ = false;
  Watches watches_;  // last: it calls this
};

}  // namespace inferd::serve::local
