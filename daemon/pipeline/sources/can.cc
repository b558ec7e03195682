// SPDX-License-Identifier: Apache-2.0
//
// Signals of a CAN bus: the newest value of each, as rows.
#include "daemon/pipeline/sources/can.h"

#include <linux/can/error.h>

#include <algorithm>

#include "daemon/pipeline/keys.h"
#include "daemon/pipeline/sources/left_out.h"
#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kMaxSignals = 256;  // the kernel takes 512 filters

class Can final : public Source {
 public:
  Can(CanOptions options, OpenCan open)
      : options_(std::move(options)),
        open_(std::move(open)),
        left_out_("source can: " + options_.interface) {
    std::vector<std::string> names;
    for (const CanSignal& s : options_.signals) names.push_back(s.name);
    names_ = std::make_shared<const std::vector<std::string>>(std::move(names));
  }

  bool live() const override { return true; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }

  Status open() override {
    socket_.reset();
    values_.assign(options_.signals.size(), 0);
    seen_.assign(options_.signals.size(), false);
    auto opened = open_(options_.interface, options_.signals);
    if (!opened.ok()) return opened.status().with_context(options_.interface);
    socket_ = std::move(*opened);
    return ok_status();
  }

  Result<bool> next(Stopper& stopper, Frame& frame) override;

 private:
  Status note_error(const CanFrame& frame);
  bool take(const CanFrame& frame);

  const CanOptions options_;
  const OpenCan open_;
  std::shared_ptr<const std::vector<std::string>> names_;
  Descriptor socket_;
  std::vector<float> values_;  // the newest of each signal
  std::vector<bool> seen_;     // which there are
  LeftOut left_out_;
};

// A bus that is off says nothing any more; the rest is only told.
Status Can::note_error(const CanFrame& frame) {
  if ((frame.id & CAN_ERR_BUSOFF) != 0)
    return unavailable(options_.interface +
                       ": the bus is off after too many errors; are bit rate and wires right?");
  constexpr uint8_t kLost = CAN_ERR_CRTL_RX_OVERFLOW;
  constexpr uint8_t kPassive = CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE;
  if ((frame.id & CAN_ERR_CRTL) == 0) return ok_status();
  if ((frame.data[1] & kLost) != 0) left_out_.add("the controller lost frames");
  if ((frame.data[1] & kPassive) != 0)
    left_out_.add("the controller sees many errors; are bit rate and termination right?");
  return ok_status();
}

// True: it makes a row.
bool Can::take(const CanFrame& frame) {
  bool has_signal = false, changed = false;
  for (size_t i = 0; i < options_.signals.size(); ++i) {
    const CanSignal& signal = options_.signals[i];
    if (signal.id != frame.id) continue;
    const std::optional<float> value = signal.value(frame.bytes());
    if (!value) {
      left_out_.add("a frame is too short for the signal '" + signal.name + "'");
      continue;
    }
    has_signal = true;
    changed = changed || !seen_[i] || values_[i] != *value;
    values_[i] = *value;
    seen_[i] = true;
  }
  const bool whole = std::find(seen_.begin(), seen_.end(), false) == seen_.end();
  return whole && (options_.on_change ? changed : has_signal);
}

Result<bool> Can::next(Stopper& stopper, Frame& frame) {
  if (!socket_.valid()) return failed_precondition("the source is not open");
  Samples& samples = frame.samples;
  samples.rows = 0;
  samples.columns = static_cast<int>(values_.size());
  samples.rate_hz = 0;
  samples.values.clear();
  samples.names = names_;
  frame.picture = {};
  frame.name.clear();
  CanFrame got;
  while (!stopper.stopped()) {
    const auto read = read_can(socket_.get(), got);
    if (!read.ok()) return read.status().with_context(options_.interface);
    if (!*read) {
      pollfd file{socket_.get(), POLLIN, 0};
      if (!wait_for(stopper, {&file, 1})) return false;
      continue;
    }
    if ((got.id & CAN_ERR_FLAG) != 0) {
      INFERD_RETURN_IF_ERROR(note_error(got));
      continue;
    }
    if (!take(got)) continue;
    samples.values.insert(samples.values.end(), values_.begin(), values_.end());
    frame.capture_ns = got.capture_ns;
    if (++samples.rows >= options_.rows) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<Source> make_can_source(CanOptions options, OpenCan open) {
  return std::make_unique<Can>(std::move(options), std::move(open));
}

Result<std::unique_ptr<Source>> make_can(const config::NodeConfig& node) {
  config::NodeReader r(node);
  CanOptions o;
  o.interface = r.required_text("interface");
  const std::vector<std::string> signals = r.list("signals");
  o.on_change = r.one_of("on", "every", {"every", "change"}) == "change";
  o.rows = r.integer("rows", o.rows, 1, 65536);
  o.timeout_ms = r.integer("timeout_ms", o.timeout_ms, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (signals.empty() || signals.size() > kMaxSignals)
    return bad_key(node, "signals",
                   "'can' needs 1 to " + std::to_string(kMaxSignals) +
                       " 'signals', such as '0x1A0 speed 8|16@1+ (0.01,0)'");
  for (const std::string& text : signals) {
    auto signal = parse_can_signal(text);
    if (!signal.ok()) return bad_key(node, "signals", signal.status().message());
    const auto same = [&](const CanSignal& s) { return s.name == signal->name; };
    if (std::any_of(o.signals.begin(), o.signals.end(), same))
      return bad_key(node, "signals", "signal '" + signal->name + "' is there twice");
    o.signals.push_back(std::move(*signal));
  }
  return make_can_source(std::move(o), open_can);
}

}  // namespace inferd::pipeline
