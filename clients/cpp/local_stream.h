// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clients/cpp/local_in_flight.h"
#include "clients/cpp/stream_answers.h"

namespace inferd {

// A stream over a connection of its own to the local socket. When that is lost, the next request
// opens another.
class LocalStream final : public Stream {
 public:
  LocalStream(const std::string& path, const StreamOptions& options, int64_t timeout_ms)
      : timeout_ms_(timeout_ms), answers_(options.max_in_flight, timeout_ms), in_flight_(path) {}
  ~LocalStream() override { in_flight_.close(); }
  LocalStream(const LocalStream&) = delete;
  LocalStream& operator=(const LocalStream&) = delete;

  Result<uint64_t> send(const std::string& model, const std::vector<NamedTensor>& inputs,
                        const InferOptions& options) override;
  Result<StreamAnswer> receive(int64_t timeout_ms) override { return answers_.receive(timeout_ms); }
  void finish() override { answers_.finish(); }

 private:
  const int64_t timeout_ms_;
  StreamAnswers answers_;
  LocalInFlight in_flight_;
};

}  // namespace inferd
