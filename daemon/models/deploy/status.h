// SPDX-License-Identifier: Apache-2.0
//
// What is to be seen of a deployment.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/models/store/store.h"

namespace inferd::models {

// In this order; steps that are not wanted are left out.
enum class Step : uint8_t {
  kReceive,    // what was uploaded is made complete and put into its place
  kVerify,     // checksums, signature
  kLoad,       // import and plan, beside what serves
  kWarmUp,     // some runs, which tell how long one takes
  kSelfTest,   // the cases that come with the model
  kShadow,     // live requests run on it, too; nobody gets its answers
  kCanary,     // a part of the requests, or those of chosen clients, are answered by it
  kPublish,    // all are
  kDrain,      // what the old version has begun is finished
  kProbation,  // it is watched
};
inline constexpr std::array<std::string_view, 10> kSteps = {
    "receive", "verify", "load",    "warm up", "self-test",
    "shadow",  "canary", "publish", "drain",   "probation"};

enum class DeploymentState : uint8_t {
  kRunning,
  kDone,        // the new versions serve for good
  kRefused,     // they never served; what served before does
  kRolledBack,  // they served, and what served before does again
};
inline constexpr std::array<std::string_view, 4> kDeploymentStates = {"running", "done", "refused",
                                                                      "rolled back"};

struct StepStatus {
  Step step = Step::kVerify;
  int64_t took_us = -1;  // -1: it is the one that is being done
  std::string note;      // what came of it
};

struct DeploymentStatus {
  std::string id;
  std::vector<ModelAndVersion> versions;
  std::vector<int64_t> replaces;  // what served of each model before; 0: nothing
  DeploymentState state = DeploymentState::kRunning;
  std::string reason;  // why it was refused or rolled back
  std::vector<StepStatus> steps;
  int64_t begun_ms = 0, ended_ms = 0;  // since the epoch; 0: not yet
  uint64_t revision = 0;               // grows with every change
};

}  // namespace inferd::models
