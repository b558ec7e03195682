// SPDX-License-Identifier: Apache-2.0
//
// Stages that compute with what is known of a frame.
#include "daemon/pipeline/stages/expression.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class Express final : public Stage {
 public:
  Express(std::string name, std::unique_ptr<Expression> expression)
      : name_(std::move(name)), expression_(std::move(expression)) {}

  Status process(Work& work) override {
    work.values.push_back({name_, expression_->of(work)});
    return ok_status();
  }

 private:
  const std::string name_;
  const std::unique_ptr<Expression> expression_;
};

class When final : public Stage {
 public:
  explicit When(std::unique_ptr<Expression> expression) : expression_(std::move(expression)) {}

  Status process(Work& work) override {
    const double value = expression_->of(work);
    work.gated = !(value > 0 || value < 0);  // NaN is no yes
    return ok_status();
  }

 private:
  const std::unique_ptr<Expression> expression_;
};

struct SwitchOptions {
  std::string name;
  double on = 0, off = 0;
  int64_t on_ns = 0, off_ns = 0;
  bool changes_only = false;
};

class Switch final : public Stage {
 public:
  Switch(SwitchOptions options, std::unique_ptr<Expression> expression)
      : options_(std::move(options)), expression_(std::move(expression)) {}

  Status process(Work& work) override {
    const double value = expression_->of(work);
    const int64_t now = work.frame->capture_ns;
    const bool wants_change = is_on_ ? value < options_.off : value >= options_.on;
    if (!wants_change) since_ns_ = now;
    const bool changes =
        wants_change && now - since_ns_ >= (is_on_ ? options_.off_ns : options_.on_ns);
    if (changes) {
      is_on_ = !is_on_;
      since_ns_ = now;
    }
    work.values.push_back({options_.name, is_on_ ? 1. : 0.});
    work.gated = options_.changes_only && !changes;
    return ok_status();
  }

 private:
  const SwitchOptions options_;
  const std::unique_ptr<Expression> expression_;
  bool is_on_ = false;
  int64_t since_ns_ = 0;  // capture of the last frame that spoke against a change
};

}  // namespace

StageResult make_expression(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  std::string name = r.required_text("name");
  INFERD_ASSIGN_OR_RETURN(auto expression, read_expression(r, node, "is"));
  return std::unique_ptr<Stage>(std::make_unique<Express>(std::move(name), std::move(expression)));
}

StageResult make_when(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(auto expression, read_expression(r, node, "is"));
  return std::unique_ptr<Stage>(std::make_unique<When>(std::move(expression)));
}

StageResult make_switch(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  SwitchOptions options;
  options.name = r.required_text("name");
  options.on = r.number("on", 0.5, -1e300, 1e300);
  options.off = r.number("off", options.on, -1e300, options.on);
  options.on_ns = static_cast<int64_t>(r.number("on_ms", 0, 0, 3.6e6) * 1e6);
  options.off_ns = static_cast<int64_t>(r.number("off_ms", 0, 0, 3.6e6) * 1e6);
  options.changes_only = r.one_of("pass", "all", {"all", "changes"}) == "changes";
  INFERD_ASSIGN_OR_RETURN(auto expression, read_expression(r, node, "of"));
  return std::unique_ptr<Stage>(
      std::make_unique<Switch>(std::move(options), std::move(expression)));
}

}  // namespace inferd::pipeline
