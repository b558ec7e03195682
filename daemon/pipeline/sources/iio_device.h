// SPDX-License-Identifier: Apache-2.0
//
// A device of the kernel's Industrial I/O, here or on another machine, by libiio.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/pipeline/sources/iio_clock.h"
#include "inferd/engine/status.h"

struct iio_buffer;
struct iio_channel;
struct iio_context;
struct iio_device;

namespace inferd::pipeline {

struct IioOptions {
  std::string context = "local:";     // an address as libiio has them
  std::string device;                 // name, label or id
  std::vector<std::string> channels;  // names or ids; none: all that a buffer can have
  std::string trigger;                // name or id; empty: the one that the device has
  double rate_hz = 0;                 // 0: as it is
  size_t rows = 1;                    // of a read

  std::string name() const {
    return "'" + device + "'" + (context == "local:" ? "" : " at " + context);
  }
};

// One that is open and measures. Used by one thread, but for cancel().
class IioDevice {
 public:
  // How addresses of devices may begin: "local", "ip", ...
  static std::vector<std::string> backends();

  // Sets it up and starts it; takes seconds when another machine does not answer. Errors say what
  // there is instead.
  static Result<std::unique_ptr<IioDevice>> open(const IioOptions& options);
  ~IioDevice();
  IioDevice(const IioDevice&) = delete;
  IioDevice& operator=(const IioDevice&) = delete;

  // Of the columns, in their order.
  const std::vector<std::string>& names() const { return names_; }
  double rate_hz() const { return rate_hz_; }  // 0: it does not say

  // Waits for `rows` rows and writes them into `values`, in the units of the kernel's interface
  // (m/s^2, rad/s, mV, ...). `capture_ns`: of the last one, CLOCK_MONOTONIC.
  Status read(std::vector<float>& values, int64_t& capture_ns);

  // Lets read() fail, now and from now on. From any thread.
  void cancel();

 private:
  struct Column {
    iio_channel* channel = nullptr;
    double offset = 0, scale = 1;
  };
  struct Free {
    void operator()(iio_context* context) const;
    void operator()(iio_buffer* buffer) const;
  };

  explicit IioDevice(const IioOptions& options) : options_(options) {}
  Status find_device();
  Status choose_channels();
  Status add_column(iio_channel* channel);
  Status enable_channels();
  Status set_trigger();
  Status set_rate();
  void set_clock();
  Status start();
  Status refill();
  int64_t stamp_of_row(size_t row) const;

  const IioOptions options_;
  std::unique_ptr<iio_context, Free> context_;
  const iio_device* device_ = nullptr;   // all of `context_`
  const iio_device* trigger_ = nullptr;  // null: none
  iio_channel* timestamp_ = nullptr;     // null: it has none
  std::vector<Column> columns_;
  std::vector<std::string> names_;
  double rate_hz_ = 0;
  IioClock clock_;
  std::unique_ptr<iio_buffer, Free> buffer_;
  size_t rows_ = 0, taken_ = 0;  // in `buffer_`, and of them given already
  int64_t arrived_ns_ = 0;       // of what is in `buffer_`
};

}  // namespace inferd::pipeline
