// SPDX-License-Identifier: Apache-2.0
//
// Accelerometers, gyroscopes, converters and the like: devices of the kernel's Industrial I/O.
// libiio waits where a Stopper cannot reach, so a thread of its own reads one frame ahead.
#include <sys/eventfd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "daemon/host/module.h"
#include "daemon/pipeline/keys.h"
#include "daemon/pipeline/sources/iio_device.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

class Iio final : public Source {
 public:
  Iio(IioOptions options, int64_t timeout_ms)
      : options_(std::move(options)), timeout_ms_(timeout_ms) {}
  ~Iio() override { Iio::close(); }

  bool live() const override { return true; }
  int64_t patience_ns() const override { return timeout_ms_ * 1'000'000; }
  Status open() override;
  Result<bool> next(Stopper& stopper, Frame& frame) override;
  void close() override;

 private:
  struct Block {
    std::vector<float> values;
    int64_t capture_ns = 0;
  };

  void read_on();
  bool hand_over(Block& block, const Status& why);
  bool take(Frame& frame);

  const IioOptions options_;
  const int64_t timeout_ms_;
  std::unique_ptr<IioDevice> device_;  // null: not open
  std::shared_ptr<const std::vector<std::string>> names_;
  std::thread reader_;
  // Readable when there is a block or a failure.
  const Descriptor something_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  std::mutex mutex_;
  std::condition_variable changed_;
  Block ready_;             // all below by mutex_
  bool has_ready_ = false;  // and nobody took it
  bool closing_ = false;
  Status failure_;  // after which the thread has ended
};

Status Iio::open() {
  close();
  if (!something_.valid()) return resource_exhausted("no file is left for the source");
  INFERD_ASSIGN_OR_RETURN(device_, IioDevice::open(options_));
  names_ = std::make_shared<const std::vector<std::string>>(device_->names());
  has_ready_ = closing_ = false;
  failure_ = ok_status();
  reader_ = std::thread([this] { read_on(); });
  return ok_status();
}

void Iio::close() {
  if (device_ == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  device_->cancel();
  reader_.join();
  device_.reset();
}

void Iio::read_on() {
  Block block;
  block.values.resize(options_.rows * device_->names().size());
  Status why;
  while (why.ok()) {
    why = device_->read(block.values, block.capture_ns);
    if (!hand_over(block, why)) return;
  }
}

// Waits until the last one was taken: meanwhile the kernel's buffer fills. False: it is over.
bool Iio::hand_over(Block& block, const Status& why) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closing_ || !has_ready_; });
  if (closing_) return false;
  if (why.ok()) {
    std::swap(ready_, block);
    has_ready_ = true;
    block.values.resize(ready_.values.size());
  }
  failure_ = why;
  ::eventfd_write(something_.get(), 1);
  return true;
}

bool Iio::take(Frame& frame) {
  if (!has_ready_) return false;
  Samples& samples = frame.samples;
  samples.rows = static_cast<int>(options_.rows);
  samples.columns = static_cast<int>(names_->size());
  samples.rate_hz = device_->rate_hz();
  samples.names = names_;
  std::swap(samples.values, ready_.values);
  frame.capture_ns = ready_.capture_ns;
  frame.picture = {};
  frame.name.clear();
  has_ready_ = false;
  return true;
}

Result<bool> Iio::next(Stopper& stopper, Frame& frame) {
  if (device_ == nullptr) return failed_precondition("the source is not open");
  while (!stopper.stopped()) {
    {
      const std::lock_guard lock(mutex_);
      if (take(frame)) {
        changed_.notify_all();
        return true;
      }
      if (!failure_.ok()) return failure_;
    }
    pollfd file{something_.get(), POLLIN, 0};
    if (!wait_for(stopper, {&file, 1})) return false;
    eventfd_t count = 0;
    ::eventfd_read(something_.get(), &count);
  }
  return false;
}

// "ip:" and the like; none is a name of a file.
Status check_context(const config::NodeConfig& node, const std::string& context) {
  const std::vector<std::string> known = IioDevice::backends();
  const std::string scheme = context.substr(0, context.find(':'));
  const bool has_colon = scheme.size() < context.size();
  if (has_colon && std::find(known.begin(), known.end(), scheme) != known.end()) return ok_status();
  std::string all;
  for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name + ":";
  return bad_key(node, "context",
                 "'" + context + "' is no place of devices: this libiio has " + all +
                     "; such as 'ip:sensors.local' for a machine that runs iiod");
}

Result<std::unique_ptr<Source>> make_iio(const config::NodeConfig& node) {
  constexpr int64_t kMaxRows = 65536;
  config::NodeReader r(node);
  IioOptions o;
  o.device = r.required_text("device");
  o.context = r.text("context", o.context);
  o.channels = r.list("channels");
  o.trigger = r.text("trigger", "");
  o.rate_hz = r.number("rate", 0, 0.001, 10'000'000);
  o.rows = static_cast<size_t>(r.integer("rows", 1, 1, kMaxRows));
  const int64_t timeout_ms = r.integer("timeout_ms", 10'000, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_RETURN_IF_ERROR(check_context(node, o.context));
  std::set<std::string> names;
  for (const std::string& name : o.channels) {
    if (!names.insert(name).second)
      return bad_key(node, "channels", "channel '" + name + "' is there twice");
  }
  return std::unique_ptr<Source>(std::make_unique<Iio>(std::move(o), timeout_ms));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(source_iio, inferd::pipeline::MakeSource, inferd::pipeline::make_iio)
