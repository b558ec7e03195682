// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/samples/windows.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class Window final : public Stage {
 public:
  explicit Window(const WindowOptions& options) : windows_(options) {}

  bool splits() const override { return true; }
  bool has_more() const override { return windows_.ready(); }

  Status process(Work& work) override {
    if (!windows_.ready()) INFERD_RETURN_IF_ERROR(windows_.add(*work.frame));
    work.gathered = !windows_.ready();
    if (work.gathered) return ok_status();
    Ref<SharedFrame> window = pool_.get();
    windows_.take(*window);
    work.show(std::move(window));
    return ok_status();
  }

 private:
  Windows windows_;
  Pool<SharedFrame> pool_;
};

}  // namespace

StageResult make_window(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::string where = node.mark.to_string() + ": 'window' ";
  WindowOptions options;
  options.rows = r.integer("rows", 0, 1, Windows::kMaxValues);
  options.hop_rows = r.integer("hop", 0, 1, Windows::kMaxValues);
  options.seconds = r.number("ms", 0, 0.001, 86'400'000) / 1000;
  options.hop_seconds = r.number("hop_ms", 0, 0.001, 86'400'000) / 1000;
  options.lead_rows = r.integer("lead", 0, 0, Windows::kMaxValues);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (r.has("rows") == r.has("ms"))
    return invalid_argument(where + "needs its length, either 'rows' or 'ms'");
  if (r.has("hop") && r.has("hop_ms"))
    return invalid_argument(where + "has either a 'hop' of rows or 'hop_ms'");
  context.signal.samples = true;
  context.signal.rows = static_cast<int>(options.rows);
  context.signal.seconds = options.seconds;
  return std::unique_ptr<Stage>(std::make_unique<Window>(options));
}

}  // namespace inferd::pipeline
