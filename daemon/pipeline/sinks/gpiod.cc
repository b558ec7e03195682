// SPDX-License-Identifier: Apache-2.0
//
// Lines of Linux' GPIO chips, through libgpiod.
#include <gpiod.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "daemon/host/module.h"
#include "daemon/pipeline/sinks/gpio.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

class GpiodLine final : public OutputLine {
 public:
  GpiodLine(std::string chip, std::string line, bool active_low)
      : chip_name_(std::move(chip)), line_name_(std::move(line)), active_low_(active_low) {}
  ~GpiodLine() override {
    if (requested_) (void)::gpiod_line_set_value(line_, 0);
    close();
  }

  Status open() override {
    close();
    chip_ = ::gpiod_chip_open_lookup(chip_name_.c_str());
    if (chip_ == nullptr) return failed("open chip '" + chip_name_ + "'");
    line_ = find();
    if (line_ == nullptr) return failed("find line '" + line_name_ + "' of '" + chip_name_ + "'");
    const int flags = active_low_ ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0;
    if (::gpiod_line_request_output_flags(line_, "inferd", flags, 0) != 0)
      return failed("take line '" + line_name_ + "' of '" + chip_name_ + "'");
    requested_ = true;
    return ok_status();
  }

  Status set(bool on) override {
    if (::gpiod_line_set_value(line_, on ? 1 : 0) == 0) return ok_status();
    return failed("set line '" + line_name_ + "' of '" + chip_name_ + "'");
  }

 private:
  // By number, or by name.
  gpiod_line* find() const {
    unsigned number = 0;
    const char* end = line_name_.data() + line_name_.size();
    const auto parsed = std::from_chars(line_name_.data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return ::gpiod_chip_get_line(chip_, number);
    return ::gpiod_chip_find_line(chip_, line_name_.c_str());
  }

  static Status failed(const std::string& what) {
    return unavailable("cannot " + what + ": " + std::strerror(errno));
  }

  void close() {
    if (requested_) ::gpiod_line_release(line_);
    if (chip_ != nullptr) ::gpiod_chip_close(chip_);
    requested_ = false;
    chip_ = nullptr;
    line_ = nullptr;
  }

  const std::string chip_name_, line_name_;
  const bool active_low_;
  gpiod_chip* chip_ = nullptr;
  gpiod_line* line_ = nullptr;
  bool requested_ = false;
};

Result<std::unique_ptr<Sink>> make_gpio(const config::NodeConfig& node) {
  config::NodeReader r(node);
  std::string chip = r.text("chip", "gpiochip0");
  std::string line = r.required_text("line");
  const bool active_low = r.boolean("active_low", false);
  const int64_t hold_ns = r.integer("hold_ms", 1000, 1, 86'400'000) * 1'000'000;
  Wanted wanted = Wanted::from(r);
  INFERD_RETURN_IF_ERROR(r.finish());
  return make_switch_sink(
      std::move(wanted), hold_ns,
      std::make_unique<GpiodLine>(std::move(chip), std::move(line), active_low));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(sink_gpio, inferd::pipeline::MakeSink, inferd::pipeline::make_gpio)
