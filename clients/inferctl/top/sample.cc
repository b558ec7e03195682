// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/sample.h"

namespace inferd::ctl {
namespace {

using namespace std::chrono_literals;

bool nobody_answers(const Status& status) {
  return status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kDeadlineExceeded;
}

}  // namespace

Status Sampler::ask_for_models(const Sample& sample) {
  std::vector<std::string> versions;
  for (const auto& m : sample.statistics) versions.push_back(m.name + "/" + m.version);
  const bool is_old = asked_ == decltype(asked_)() || sample.time - asked_ > 10s;
  if (!is_old && versions == versions_) return ok_status();
  INFERD_ASSIGN_OR_RETURN(models_, client_.models());
  versions_ = std::move(versions);
  asked_ = sample.time;
  return ok_status();
}

Result<Sample> Sampler::take() {
  Sample sample;
  INFERD_ASSIGN_OR_RETURN(sample.server, client_.server());
  sample.time = std::chrono::steady_clock::now();
  INFERD_ASSIGN_OR_RETURN(sample.statistics, client_.statistics());
  INFERD_ASSIGN_OR_RETURN(sample.pipelines, client_.pipelines());
  INFERD_RETURN_IF_ERROR(ask_for_models(sample));
  sample.models = models_;
  sample.host = client_.host();
  if (!sample.host.ok() && nobody_answers(sample.host.status())) return sample.host.status();
  sample.clients = client_.clients();
  if (!sample.clients.ok() && nobody_answers(sample.clients.status()))
    return sample.clients.status();
  return sample;
}

}  // namespace inferd::ctl
