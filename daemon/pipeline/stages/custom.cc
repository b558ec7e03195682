// SPDX-License-Identifier: Apache-2.0
//
// A stage of a shared library (inferd/stage.h), in the daemon or in a process of its own.
#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "daemon/pipeline/custom/exchange.h"
#include "daemon/pipeline/custom/hosted_stage.h"
#include "daemon/pipeline/pauses.h"
#include "daemon/pipeline/stages/stages.h"
#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

using schedule::now_ns;

class InsideStage final : public Stage {
 public:
  explicit InsideStage(std::unique_ptr<LoadedStage> stage) : stage_(std::move(stage)) {}

  Status process(Work& work) override {
    inferd_stage_output output;
    INFERD_ASSIGN_OR_RETURN(const bool goes_on, stage_->process(exchange_.show(work), output));
    work.gated = !goes_on;
    return goes_on ? exchange_.take(output, work) : ok_status();
  }

 private:
  const std::unique_ptr<LoadedStage> stage_;
  Exchange exchange_;
};

// A process that died is started again with the next frame, and where it dies without having worked
// on one, after pauses that double.
class OwnStage final : public Stage {
 public:
  explicit OwnStage(HostOptions options) : options_(std::move(options)) {}

  Status process(Work& work) override {
    if (hosted_ == nullptr) INFERD_RETURN_IF_ERROR(launch());
    inferd_stage_output output;
    const auto goes_on = hosted_->process(*work.frame, exchange_.show(work), output);
    if (goes_on.status().code() == StatusCode::kUnavailable) return died(goes_on.status());
    works_ = true;
    pauses_.reset();
    if (!goes_on.ok()) return goes_on.status();
    work.gated = !*goes_on;
    return *goes_on ? exchange_.take(output, work) : ok_status();
  }

 private:
  Status launch() {
    if (now_ns() < not_before_ns_) return reason_.with_context("waits to be started again");
    auto hosted = HostedStage::start(options_);
    if (!hosted.ok()) return died(hosted.status());
    hosted_ = std::move(*hosted);
    return ok_status();
  }

  Status died(const Status& why) {
    hosted_.reset();
    reason_ = why;
    not_before_ns_ = now_ns() + (std::exchange(works_, false) ? 0 : pauses_.next_ns());
    return why;
  }

  const HostOptions options_;
  // Null: dead, or not begun. Of the thread that works on frames, with which it dies.
  std::unique_ptr<HostedStage> hosted_;
  Exchange exchange_;
  Status reason_;      // why it died last
  bool works_ = true;  // it has worked on a frame, or was not begun yet
  Pauses pauses_{100'000'000, 10'000'000'000};
  int64_t not_before_ns_ = 0;  // CLOCK_MONOTONIC
};

// Takes the place of one whose library must not be loaded.
class NotLoaded final : public Stage {
 public:
  Status process(Work&) override { return internal_error("its library was not loaded"); }
};

// Everything but the daemon's own keys, for the library.
std::vector<std::pair<std::string, std::string>> library_options(const config::NodeConfig& node,
                                                                 config::NodeReader& r) {
  constexpr std::array<std::string_view, 5> kOwn = {"library", "symbol", "process", "timeout_ms",
                                                    "memory_mb"};
  std::vector<std::pair<std::string, std::string>> options;
  for (const auto& [key, entry] : node.entries) {
    if (std::find(kOwn.begin(), kOwn.end(), key) != kOwn.end()) continue;
    for (const std::string& item : r.list(key)) options.emplace_back(key, item);
  }
  return options;
}

}  // namespace

StageResult make_custom(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  HostOptions options;
  options.stage.library = r.required_text("library");
  options.stage.symbol = r.text("symbol", "inferd_stage");
  const bool own = r.one_of("process", "inside", {"inside", "own"}) == "own";
  options.timeout_ns = r.integer("timeout_ms", 1000, 1, 60'000) * 1'000'000;
  options.memory_bytes = r.integer("memory_mb", 512, 0, 1 << 20) << 20;
  options.stage.options = library_options(node, r);
  if (!own && (r.has("timeout_ms") || r.has("memory_mb"))) {
    return invalid_argument(node.mark.to_string() +
                            ": 'timeout_ms' and 'memory_mb' are for 'process: own'");
  }
  INFERD_RETURN_IF_ERROR(r.finish());
  if (!context.trusted) return std::unique_ptr<Stage>(std::make_unique<NotLoaded>());
  // A name without a folder would be looked for where the system has its libraries.
  std::error_code no_folder;
  options.stage.library = std::filesystem::absolute(options.stage.library, no_folder);
  const std::string where = node.mark.to_string() + ": '" + node.type + "'";
  if (!own) {
    auto loaded = LoadedStage::load(options.stage);
    if (!loaded.ok()) return loaded.status().with_context(where);
    return std::unique_ptr<Stage>(std::make_unique<InsideStage>(std::move(*loaded)));
  }
  // Once to see whether it can be; the one that works belongs to another thread.
  const auto tried = HostedStage::start(options);
  if (!tried.ok()) return tried.status().with_context(where);
  return std::unique_ptr<Stage>(std::make_unique<OwnStage>(std::move(options)));
}

}  // namespace inferd::pipeline
