// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/inlet.h"
#include "daemon/pipeline/pipelines.h"

namespace inferd {

// A daemon without pipelines.
class NoPipelines final : public pipeline::Pipelines {
 public:
  void start() override {}
  void stop() override {}
  Status start(const std::string&) override { return none(); }
  Status stop(const std::string&) override { return none(); }
  Status restart(const std::string&) override { return none(); }
  Status reload() override { return none(); }
  Status reload(const pipeline::FileChange&) override { return none(); }
  Result<pipeline::PipelineFile> file_of(const std::string&) const override { return none(); }
  Status restrain(const pipeline::Restraint&) override { return none(); }
  Status check(const pipeline::Restraint&) override { return none(); }
  Result<pipeline::PipelineDrawing> check(const std::string&,
                                          const std::map<std::string, std::string>&,
                                          const ReadFile&) override {
    return none();
  }
  std::vector<pipeline::PipelineStatus> list() const override { return {}; }
  Result<pipeline::PipelineStatus> status(const std::string&) const override { return none(); }
  Result<std::unique_ptr<pipeline::Subscription>> subscribe(const std::string&, size_t,
                                                            std::function<void()>) override {
    return none();
  }
  Result<pipeline::Snapshot> snapshot(const std::string&,
                                      const pipeline::SnapshotOptions&) override {
    return none();
  }
  Result<std::vector<pipeline::FrameResult>> ask(const std::string&,
                                                 const pipeline::Question&) override {
    return none();
  }
  pipeline::Inlets& inlets() override { return inlets_; }

 private:
  static Status none() { return not_found("there are no pipelines"); }

  pipeline::Inlets inlets_;
};

}  // namespace inferd
