// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/host/governor/governor.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/pipelines.h"

namespace inferd {

// What the governor's steps mean to models and pipelines.
class Governed final : public host::Governed {
 public:
  // `threads`: of the engine. All borrowed.
  Governed(models::Repository& repository, pipeline::Pipelines& pipelines, int threads)
      : repository_(repository), pipelines_(pipelines), threads_(threads) {}

  Status check(const config::GovernorStep& step) override;
  Status apply(const host::Settings& settings, const std::string& why) override;

 private:
  models::Repository& repository_;
  pipeline::Pipelines& pipelines_;
  const int threads_;
};

// OK, or all that keeps steps from doing anything: "file:line:column: message", one per line.
Status check_steps(const config::GovernorConfig& governor, Governed& governed);

}  // namespace inferd
