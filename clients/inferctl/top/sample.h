// SPDX-License-Identifier: Apache-2.0
//
// What a daemon says of itself at one moment.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "inferd/client/client.h"

namespace inferd::ctl {

struct Sample {
  std::chrono::steady_clock::time_point time;
  ServerInfo server;
  std::vector<ServedModelInfo> models;            // all of the repository
  std::vector<ServedModelStatistics> statistics;  // of those that are loaded, by version
  std::vector<PipelineInfo> pipelines;
  // Not OK where this daemon, or the caller's roles, do not allow to ask.
  Result<HostInfo> host = unavailable("not asked yet");
  Result<std::vector<ClientInfo>> clients = unavailable("not asked yet");
};

// Two samples, to tell how fast numbers grow.
struct SamplePair {
  Sample before, now;
  bool has_before = false;

  double seconds() const { return std::chrono::duration<double>(now.time - before.time).count(); }
};

// Takes samples of one daemon. Belongs to one thread.
class Sampler {
 public:
  explicit Sampler(Client& client) : client_(client) {}

  // UNAVAILABLE: nobody answers. Models' inputs and outputs, which take a call for each of them,
  // are asked for again when other versions are loaded, and every ten seconds.
  Result<Sample> take();

 private:
  Status ask_for_models(const Sample& sample);

  Client& client_;
  std::vector<ServedModelInfo> models_;
  std::vector<std::string> versions_;  // that were loaded when models_ were asked for
  std::chrono::steady_clock::time_point asked_;
};

}  // namespace inferd::ctl
