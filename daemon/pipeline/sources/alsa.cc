// SPDX-License-Identifier: Apache-2.0
//
// Sound from a microphone by ALSA, in chunks.
#include <alsa/asoundlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "daemon/host/module.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/wait.h"
#include "daemon/telemetry/log.h"

namespace inferd::pipeline {
namespace {

struct Options {
  std::string device = "default";
  unsigned rate = 16000;  // a second
  unsigned channels = 1;
  int64_t chunk_ms = 100;
  int64_t timeout_ms = 10'000;  // without a chunk; 0: any time
};

struct Free {
  void operator()(snd_pcm_hw_params_t* p) const { snd_pcm_hw_params_free(p); }
  void operator()(snd_pcm_sw_params_t* p) const { snd_pcm_sw_params_free(p); }
  void operator()(snd_pcm_status_t* p) const { snd_pcm_status_free(p); }
  void operator()(snd_pcm_t* p) const { snd_pcm_close(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

template <typename T>
Owned<T> allocated(int (*allocate)(T**)) {
  T* made = nullptr;
  return allocate(&made) == 0 ? Owned<T>(made) : nullptr;
}

// Full scale is -1 to 1.
struct Format {
  snd_pcm_format_t format;
  size_t bytes;
  float (*value)(const std::byte*);
};
template <typename T>
T read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
const Format kFormats[] = {
    {SND_PCM_FORMAT_S16, 2,
     [](const std::byte* b) { return static_cast<float>(read<int16_t>(b)) / 32768.F; }},
    {SND_PCM_FORMAT_S32, 4,
     [](const std::byte* b) { return static_cast<float>(read<int32_t>(b)) / 2147483648.F; }},
    {SND_PCM_FORMAT_FLOAT, 4, [](const std::byte* b) { return read<float>(b); }},
};

class Alsa final : public Source {
 public:
  explicit Alsa(Options options)
      : options_(std::move(options)),
        chunk_(std::max<snd_pcm_uframes_t>(
            options_.rate * static_cast<uint64_t>(options_.chunk_ms) / 1000, 1)) {}

  bool live() const override { return true; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }

  Status open() override {
    pcm_.reset();
    Status status = open_device();
    if (status.ok()) status = set_hardware();
    if (status.ok()) status = set_software();
    if (status.ok()) status = checked(snd_pcm_start(pcm_.get()), "it does not start");
    if (!status.ok()) pcm_.reset();
    return status.with_context("'" + options_.device + "'");
  }

  Result<bool> next(Stopper& stopper, Frame& frame) override;

 private:
  static Status checked(int code, const std::string& what) {
    if (code >= 0) return ok_status();
    const std::string text = what + ": " + snd_strerror(code);
    if (code == -ENODEV) return unavailable(text + "; was it unplugged?");
    if (code == -EBUSY) return unavailable(text + "; another program uses it");
    if (code == -ENOENT) return not_found(text + "; 'arecord -L' lists what there is");
    if (code == -EACCES) return permission_denied(text + "; inferd must be in the group 'audio'");
    return unavailable(text);
  }

  Status open_device() {
    snd_pcm_t* pcm = nullptr;
    const int code =
        snd_pcm_open(&pcm, options_.device.c_str(), SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
    pcm_.reset(pcm);
    return checked(code, "cannot open it");
  }

  Status set_hardware();
  Status set_software();
  Status recover(int code);
  Result<bool> wait(Stopper& stopper);
  int64_t capture_ns();

  const Options options_;
  const snd_pcm_uframes_t chunk_;  // moments
  Owned<snd_pcm_t> pcm_;           // null: not open
  const Format* format_ = nullptr;
  std::vector<std::byte> bytes_;
  const Owned<snd_pcm_status_t> status_ = allocated<snd_pcm_status_t>(snd_pcm_status_malloc);
  uint64_t overruns_ = 0;
};

Status Alsa::set_hardware() {
  const auto hardware = allocated<snd_pcm_hw_params_t>(snd_pcm_hw_params_malloc);
  snd_pcm_hw_params_t* p = hardware.get();
  snd_pcm_t* pcm = pcm_.get();
  if (p == nullptr) return resource_exhausted("out of memory");
  INFERD_RETURN_IF_ERROR(checked(snd_pcm_hw_params_any(pcm, p), "it has no settings"));
  INFERD_RETURN_IF_ERROR(
      checked(snd_pcm_hw_params_set_access(pcm, p, SND_PCM_ACCESS_RW_INTERLEAVED),
              "it cannot be read; try 'plug" + options_.device + "'"));
  format_ = std::find_if(std::begin(kFormats), std::end(kFormats), [&](const Format& f) {
    return snd_pcm_hw_params_set_format(pcm, p, f.format) == 0;
  });
  if (format_ == std::end(kFormats))
    return unimplemented("it has neither 16- nor 32-bit samples; try 'plug" + options_.device +
                         "'");
  INFERD_RETURN_IF_ERROR(checked(snd_pcm_hw_params_set_channels(pcm, p, options_.channels),
                                 "it has not " + std::to_string(options_.channels) +
                                     " channels; try 'plug" + options_.device + "'"));
  unsigned rate = options_.rate;
  INFERD_RETURN_IF_ERROR(
      checked(snd_pcm_hw_params_set_rate_near(pcm, p, &rate, nullptr), "it takes no rate"));
  if (rate != options_.rate)
    return invalid_argument("it has no rate of " + std::to_string(options_.rate) +
                            "; the nearest is " + std::to_string(rate) + "; try 'plug" +
                            options_.device + "'");
  // Four chunks are time enough for a busy board.
  snd_pcm_uframes_t buffer = chunk_ * 4, period = chunk_;
  INFERD_RETURN_IF_ERROR(
      checked(snd_pcm_hw_params_set_buffer_size_near(pcm, p, &buffer), "it takes no buffer"));
  INFERD_RETURN_IF_ERROR(checked(snd_pcm_hw_params_set_period_size_near(pcm, p, &period, nullptr),
                                 "it takes no period"));
  INFERD_RETURN_IF_ERROR(checked(snd_pcm_hw_params(pcm, p), "it does not take these settings"));
  if (buffer < chunk_)
    return invalid_argument("its buffer holds " + std::to_string(buffer * 1000 / rate) +
                            " ms; make 'chunk_ms' smaller");
  bytes_.resize(chunk_ * options_.channels * format_->bytes);
  return ok_status();
}

Status Alsa::set_software() {
  const auto software = allocated<snd_pcm_sw_params_t>(snd_pcm_sw_params_malloc);
  snd_pcm_sw_params_t* p = software.get();
  snd_pcm_t* pcm = pcm_.get();
  if (p == nullptr) return resource_exhausted("out of memory");
  INFERD_RETURN_IF_ERROR(checked(snd_pcm_sw_params_current(pcm, p), "it has no settings"));
  // Without timestamps the time of reading has to do.
  if (snd_pcm_sw_params_set_tstamp_mode(pcm, p, SND_PCM_TSTAMP_ENABLE) == 0)
    snd_pcm_sw_params_set_tstamp_type(pcm, p, SND_PCM_TSTAMP_TYPE_MONOTONIC);
  INFERD_RETURN_IF_ERROR(
      checked(snd_pcm_sw_params_set_avail_min(pcm, p, chunk_), "it does not wait for a chunk"));
  return checked(snd_pcm_sw_params(pcm, p), "it does not take these settings");
}

// After an overrun (samples came faster than they were read) or a suspended machine.
Status Alsa::recover(int code) {
  if (code != -EPIPE && code != -ESTRPIPE)
    return checked(code, "'" + options_.device + "' cannot be read");
  ++overruns_;
  if ((overruns_ & (overruns_ - 1)) == 0) {  // 1, 2, 4, ...: the log must not fill
    telemetry::log(LogLevel::kWarning, "source alsa '" + options_.device +
                                           "': sound was lost, as it was not read in time (" +
                                           std::to_string(overruns_) + " times)");
  }
  INFERD_RETURN_IF_ERROR(
      checked(snd_pcm_recover(pcm_.get(), code, 1), "'" + options_.device + "' does not go on"));
  return checked(snd_pcm_start(pcm_.get()), "'" + options_.device + "' does not start again");
}

// For something to have happened. False: stopped.
Result<bool> Alsa::wait(Stopper& stopper) {
  std::array<pollfd, 8> files{};
  const int count = snd_pcm_poll_descriptors(pcm_.get(), files.data(), files.size());
  INFERD_RETURN_IF_ERROR(checked(count, "'" + options_.device + "' cannot be waited for"));
  if (!wait_for(stopper, std::span(files).first(static_cast<size_t>(count)))) return false;
  unsigned short events = 0;  // lets plugins of ALSA look at their files
  snd_pcm_poll_descriptors_revents(pcm_.get(), files.data(), static_cast<unsigned>(count), &events);
  return true;
}

Result<bool> Alsa::next(Stopper& stopper, Frame& frame) {
  if (pcm_ == nullptr) return failed_precondition("the source is not open");
  size_t got = 0;  // moments of this chunk
  while (got < chunk_) {
    if (stopper.stopped()) return false;
    const snd_pcm_sframes_t read = snd_pcm_readi(
        pcm_.get(), bytes_.data() + got * options_.channels * format_->bytes, chunk_ - got);
    if (read > 0) {
      got += static_cast<size_t>(read);
    } else if (read == -EAGAIN || read == 0) {
      INFERD_ASSIGN_OR_RETURN(const bool on, wait(stopper));
      if (!on) return false;
    } else {
      INFERD_RETURN_IF_ERROR(recover(static_cast<int>(read)));
      got = 0;  // a chunk has no gap in it
    }
  }
  frame.capture_ns = capture_ns();
  Samples& samples = frame.samples;
  samples.rows = static_cast<int>(chunk_);
  samples.columns = static_cast<int>(options_.channels);
  samples.rate_hz = options_.rate;
  samples.names = nullptr;
  samples.values.resize(chunk_ * options_.channels);
  for (size_t i = 0; i < samples.values.size(); ++i)
    samples.values[i] = format_->value(bytes_.data() + i * format_->bytes);
  frame.picture = {};
  frame.name.clear();
  return true;
}

// Of the last sample that was read: the device's time, less what it has that was not read yet.
int64_t Alsa::capture_ns() {
  const int64_t now = schedule::now_ns();
  if (status_ == nullptr || snd_pcm_status(pcm_.get(), status_.get()) < 0) return now;
  snd_htimestamp_t time{};
  snd_pcm_status_get_htstamp(status_.get(), &time);
  const auto unread = std::max<snd_pcm_sframes_t>(snd_pcm_status_get_delay(status_.get()), 0);
  const int64_t age = unread * int64_t{1'000'000'000} / options_.rate;
  const int64_t at = int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  // Of another clock, or none.
  constexpr int64_t kNear = 10'000'000'000;
  if (at > now || at < now - kNear) return now - std::min(age, kNear);
  return at - std::min(age, kNear);
}

Result<std::unique_ptr<Source>> make_alsa(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.device = r.text("device", options.device);
  options.rate = static_cast<unsigned>(r.integer("rate", options.rate, 1000, 1'000'000));
  options.channels = static_cast<unsigned>(r.integer("channels", options.channels, 1, 64));
  options.chunk_ms = r.integer("chunk_ms", options.chunk_ms, 1, 10'000);
  options.timeout_ms = r.integer("timeout_ms", options.timeout_ms, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Source>(std::make_unique<Alsa>(std::move(options)));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(source_alsa, inferd::pipeline::MakeSource, inferd::pipeline::make_alsa)
