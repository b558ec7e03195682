// SPDX-License-Identifier: Apache-2.0
//
// When requests are sent, and what became of them. Knows nothing of protocols.
//
// Closed loop: so many requests are on their way at any time. What this finds is throughput; when
// the server stops for a second, so does the load, and only a few requests notice.
//
// Open loop: requests come at a rate, as from clients that do not know of each other. A request's
// latency counts from when it was meant to be sent: those that could not be sent in time, since too
// many were on their way, waited as well ("coordinated omission" is to leave them out).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "clients/inferctl/measure/latency_histogram.h"
#include "inferd/engine/status.h"

namespace inferd::ctl {

struct LoadPlan {
  int concurrency = 1;   // requests on their way: in a closed loop always, in an open loop at most
  double rate = 0;       // open loop: requests a second; 0: closed loop
  bool poisson = false;  // open loop: pauses as of independent clients instead of equal ones
  std::chrono::nanoseconds duration = std::chrono::seconds(10);
};

struct LoadReport {
  double seconds = 0;                      // until the last answer
  uint64_t sent = 0;                       // succeeded or failed by now
  uint64_t unsent = 0;                     // were due, but could not be sent before the end
  LatencyHistogram latency;                // ns, of those that succeeded
  LatencyHistogram failing;                // ns until those that failed were answered
  std::map<StatusCode, uint64_t> errors;   // how many failed
  std::map<StatusCode, std::string> said;  // the first message of each
};

// Starts one request. Calls the function once, when it is done, from whichever thread; it may call
// it before it returns.
using SendRequest = std::function<void(std::function<void(const Status&)> done)>;

// Sends requests for the plan's duration and waits for all answers. `on_progress` gets the seconds
// since the begin, now and then.
LoadReport generate_load(const LoadPlan& plan, const SendRequest& send,
                         const std::function<void(double seconds)>& on_progress);

}  // namespace inferd::ctl
