// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inferd/client/infer.h"

namespace inferd {

struct StreamOptions {
  // Requests whose last answer receive() has not given yet. Bounds the memory for answers, too: of
  // models that give many for one request, no more than this are kept before the server has to
  // wait.
  int max_in_flight = 32;
};

struct StreamAnswer {
  uint64_t request = 0;              // what send() returned; 0: the server did not say
  Status status;                     // of this request; the stream goes on
  std::vector<NamedResult> outputs;  // none with an error, nor in a last answer that only says so
  bool is_last = true;               // of its request; only decoupled models give several
};

// Many requests on their way over one call or connection, made by Client::stream(): sent one after
// the other, received as they get ready.
//
//   auto stream = client->stream();
//   std::thread sender([&] {
//     for (const auto& picture : pictures) stream->send("detector", {{"image", picture}});
//     stream->finish();
//   });
//   for (auto answer = stream->receive(); answer.ok(); answer = stream->receive())
//     use(answer->request, answer->status, answer->outputs);
//
// Requests reach the daemon in the order in which they are sent, and so a sequence keeps its order.
// Every request gets one last answer, also when the stream breaks: UNAVAILABLE then. Over gRPC this
// is ModelStreamInfer, whose errors of a single request are only texts: their code is UNKNOWN. Over
// the local socket a stream has a connection of its own.
//
// Safe to use from several threads; one that sends and one that receives is what it is made for.
// The client must live longer.
class Stream {
 public:
  // Cancels what is on its way.
  virtual ~Stream() = default;

  // Sends a request and returns its number; `inputs` need not live longer. Waits while
  // `max_in_flight` are on their way: DEADLINE_EXCEEDED when no other thread receives answers
  // within the request's timeout. UNAVAILABLE: the stream is broken, open another one.
  // FAILED_PRECONDITION: after finish().
  //
  // The request's timeout bounds how long the daemon takes: over gRPC where the model allows to say
  // so (`allow_timeout_override`), and how long to wait here is left to receive().
  virtual Result<uint64_t> send(const std::string& model, const std::vector<NamedTensor>& inputs,
                                const InferOptions& options = {}) = 0;

  // The next answer, of whichever request. OUT_OF_RANGE: every request was answered, and finish()
  // was called. DEADLINE_EXCEEDED: none came within `timeout_ms`, 0: the client's; the stream goes
  // on. Else why the stream is broken, once every request has got its last answer.
  virtual Result<StreamAnswer> receive(int64_t timeout_ms = 0) = 0;

  // No more requests follow.
  virtual void finish() = 0;
};

}  // namespace inferd
