// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/iio_device.h"

#include <iio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

namespace inferd::pipeline {
namespace {

constexpr char kRate[] = "sampling_frequency";
constexpr size_t kMaxColumns = 256;
constexpr size_t kMaxValues = size_t{1} << 22;  // of a read

// What libiio says: 0 and more, or an errno with a minus.
Status checked(int64_t code, const std::string& what) {
  if (code >= 0) return ok_status();
  const auto error = static_cast<int>(-code);
  const std::string text = what + ": " + std::strerror(error);
  if (error == ENODEV || error == ENXIO) return unavailable(text + "; was it unplugged?");
  if (error == EBUSY) return unavailable(text + "; another program uses it");
  if (error == EACCES || error == EPERM)
    return permission_denied(text +
                             "; the user of inferd needs access to /dev/iio:device* and to " +
                             "its files in /sys/bus/iio");
  if (error == EPIPE || error == ECONNRESET)
    return unavailable(text + "; does iiod run there no more?");
  return unavailable(text);
}

// Names for a message: there may be many.
class Names {
 public:
  void add(const std::string& name) {
    constexpr size_t kMost = 20;
    ++count_;
    if (count_ <= kMost) text_ += (count_ == 1 ? "" : ", ") + name;
    if (count_ == kMost + 1) text_ += ", ...";
  }
  std::string text() const { return text_.empty() ? "none" : text_; }

 private:
  std::string text_;
  size_t count_ = 0;
};

std::string name_of(const iio_device* device) {
  const char* name = iio_device_get_name(device);
  return std::string(iio_device_get_id(device)) +
         (name == nullptr ? "" : " (" + std::string(name) + ")");
}

// A device, or a channel of it, as what has attributes.
struct Owner {
  const iio_device* device = nullptr;
  const iio_channel* channel = nullptr;  // null: the device itself

  bool has(const char* name) const {
    return channel != nullptr ? iio_channel_find_attr(channel, name) != nullptr
                              : iio_device_find_attr(device, name) != nullptr;
  }
  // "" where it cannot be read.
  std::string text(const char* name) const {
    std::array<char, 1024> bytes{};
    const ssize_t got = channel != nullptr
                            ? iio_channel_attr_read(channel, name, bytes.data(), bytes.size() - 1)
                            : iio_device_attr_read(device, name, bytes.data(), bytes.size() - 1);
    std::string text = got < 0 ? "" : bytes.data();
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
  }
  // Nothing where it is no finite number.
  std::optional<double> number(const char* name) const {
    const std::string said = text(name);
    double value = 0;
    const auto end = std::from_chars(said.data(), said.data() + said.size(), value);
    if (end.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
    return value;
  }
  ssize_t write(const char* name, const std::string& value) const {
    return channel != nullptr ? iio_channel_attr_write(channel, name, value.c_str())
                              : iio_device_attr_write(device, name, value.c_str());
  }
};

// As drivers read numbers: no exponent, and no zeros that some of them refuse.
std::string plain(double value) {
  std::array<char, 64> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return {text.data(), end.ptr};
}

bool is_sample(const iio_channel* channel) {
  return iio_channel_is_scan_element(channel) && !iio_channel_is_output(channel) &&
         iio_channel_get_index(channel) >= 0;
}

bool is_timestamp(const iio_channel* channel) {
  return iio_channel_get_type(channel) == IIO_TIMESTAMP;
}

// What libiio divides by and shifts by comes from elsewhere.
bool is_sane(const iio_data_format& f) {
  const bool length = f.length == 8 || f.length == 16 || f.length == 32 || f.length == 64;
  const bool repeats = f.repeat >= 1 && f.repeat <= 256;
  return length && repeats && f.bits >= 1 && f.bits <= f.length && f.shift < f.length;
}

double raw_value(const iio_channel* channel, const void* bytes) {
  const iio_data_format& f = *iio_channel_get_data_format(channel);
  uint64_t raw = 0;  // little endian or big: libiio writes its first bytes
  iio_channel_convert(channel, &raw, bytes);
  const auto value = [&]<typename Signed, typename Unsigned>(Signed s, Unsigned u) {
    std::memcpy(&s, &raw, sizeof s);
    std::memcpy(&u, &raw, sizeof u);
    return f.is_signed ? static_cast<double>(s) : static_cast<double>(u);
  };
  if (f.length == 8) return value(int8_t{}, uint8_t{});
  if (f.length == 16) return value(int16_t{}, uint16_t{});
  if (f.length == 32) return value(int32_t{}, uint32_t{});
  return value(int64_t{}, uint64_t{});
}

Status unreachable(const IioOptions& options, int64_t code) {
  const bool nothing = code == -ENOENT || code == -ENXIO;
  if (nothing && options.context.starts_with("local:"))
    return not_found(options.name() + ": this machine has no IIO device: /sys/bus/iio is empty");
  if (nothing && options.context.starts_with("ip:"))
    return unavailable(options.name() + ": no machine of that name is known");
  return checked(code, options.name() + ": cannot reach it");
}

// This machine's, which has the same clocks.
bool is_here(const iio_context* context, const std::string& address) {
  if (address.starts_with("local:")) return true;
  const char* ip = iio_context_get_attr_value(context, "ip,ip-addr");
  return ip != nullptr && (std::strncmp(ip, "127.", 4) == 0 || std::strcmp(ip, "::1") == 0);
}

}  // namespace

void IioDevice::Free::operator()(iio_context* context) const { iio_context_destroy(context); }
void IioDevice::Free::operator()(iio_buffer* buffer) const { iio_buffer_destroy(buffer); }

std::vector<std::string> IioDevice::backends() {
  std::vector<std::string> names;
  for (unsigned i = 0; i < iio_get_backends_count(); ++i) {
    const std::string name = iio_get_backend(i);
    if (name != "xml") names.push_back(name);  // which only describes
  }
  return names;
}

Result<std::unique_ptr<IioDevice>> IioDevice::open(const IioOptions& options) {
  std::unique_ptr<IioDevice> made(new IioDevice(options));
  errno = 0;
  std::string address = options.context;  // a copy: libiio 0.24 writes a zero before a port
  made->context_.reset(iio_create_context_from_uri(address.c_str()));
  const int64_t code = errno != 0 ? -errno : -EIO;
  if (made->context_ == nullptr) return unreachable(options, code);
  Status status = made->find_device();
  if (status.ok()) status = made->choose_channels();
  if (status.ok()) status = made->enable_channels();
  if (status.ok()) status = made->set_trigger();
  if (status.ok()) status = made->set_rate();
  if (status.ok()) made->set_clock();
  if (status.ok()) status = made->start();
  if (!status.ok()) return status.with_context(options.name());
  return made;
}

// Cancelled, a device on another machine is given up without asking whether that agrees.
IioDevice::~IioDevice() { cancel(); }

void IioDevice::cancel() {
  if (buffer_ != nullptr) iio_buffer_cancel(buffer_.get());
}

Status IioDevice::find_device() {
  device_ = iio_context_find_device(context_.get(), options_.device.c_str());
  if (device_ != nullptr && !iio_device_is_trigger(device_)) return ok_status();
  Names names;
  for (unsigned i = 0; i < iio_context_get_devices_count(context_.get()); ++i) {
    const iio_device* device = iio_context_get_device(context_.get(), i);
    if (!iio_device_is_trigger(device)) names.add(name_of(device));
  }
  return not_found("there is no such device; there is: " + names.text());
}

Status IioDevice::choose_channels() {
  Names names;
  std::vector<iio_channel*> found;
  for (unsigned i = 0; i < iio_device_get_channels_count(device_); ++i) {
    iio_channel* channel = iio_device_get_channel(device_, i);
    iio_channel_disable(channel);
    if (!iio_channel_is_scan_element(channel)) continue;
    if (!is_sane(*iio_channel_get_data_format(channel)))
      return data_loss("its channel '" + std::string(iio_channel_get_id(channel)) +
                       "' has a format that cannot be");
    if (!is_sample(channel)) continue;
    if (is_timestamp(channel)) {
      const iio_data_format& f = *iio_channel_get_data_format(channel);
      if (f.length == 64 && f.repeat == 1) timestamp_ = channel;
    } else {
      names.add(iio_channel_get_id(channel));
      found.push_back(channel);
    }
  }
  if (found.empty())
    return unimplemented("it has no buffer: its channels can only be read one by one");
  if (options_.channels.empty()) {
    for (iio_channel* channel : found) INFERD_RETURN_IF_ERROR(add_column(channel));
  }
  for (const std::string& name : options_.channels) {
    iio_channel* channel = iio_device_find_channel(device_, name.c_str(), false);
    if (channel == nullptr || !is_sample(channel) || is_timestamp(channel))
      return not_found("it has no channel '" + name + "' with a buffer; it has: " + names.text());
    INFERD_RETURN_IF_ERROR(add_column(channel));
  }
  if (options_.rows * columns_.size() > kMaxValues || columns_.size() > kMaxColumns)
    return invalid_argument("its " + std::to_string(columns_.size()) +
                            " channels are too many for " + std::to_string(options_.rows) +
                            " rows; name fewer 'channels', or make 'rows' smaller");
  return ok_status();
}

Status IioDevice::add_column(iio_channel* channel) {
  const std::string id = iio_channel_get_id(channel);
  if (iio_channel_get_data_format(channel)->repeat != 1)
    return unimplemented("its channel '" + id + "' has several values at a time, which is not " +
                         "read; name 'channels' without it");
  const Owner owner{device_, channel};
  Column column{channel};
  for (const auto& [name, value] :
       {std::pair{"offset", &column.offset}, std::pair{"scale", &column.scale}}) {
    if (!owner.has(name)) continue;
    const std::optional<double> said = owner.number(name);
    if (!said)
      return unavailable("the " + std::string(name) + " of its channel '" + id +
                         "' is no number: '" + owner.text(name) + "'");
    *value = *said;
  }
  columns_.push_back(column);
  names_.push_back(id);
  return ok_status();
}

// The kernel puts samples at multiples of the largest value, which libiio 0.24 does not know. With
// a timestamp, which is the largest and the last, they agree.
Status IioDevice::enable_channels() {
  for (const Column& column : columns_) iio_channel_enable(column.channel);
  if (timestamp_ != nullptr) iio_channel_enable(timestamp_);
  size_t largest = 1;
  for (unsigned i = 0; i < iio_device_get_channels_count(device_); ++i) {
    const iio_channel* channel = iio_device_get_channel(device_, i);
    const iio_data_format& f = *iio_channel_get_data_format(channel);
    if (iio_channel_is_enabled(channel)) largest = std::max<size_t>(largest, f.length / 8);
  }
  const ssize_t bytes = iio_device_get_sample_size(device_);
  INFERD_RETURN_IF_ERROR(checked(bytes, "its samples have no size"));
  if (static_cast<size_t>(bytes) % largest != 0)
    return unimplemented(
        "its channels have different sizes and there is no timestamp among them, "
        "which libiio reads wrongly before 0.25; name 'channels' of one size");
  return ok_status();
}

Status IioDevice::set_trigger() {
  if (options_.trigger.empty()) {
    // Those that need none have none, and older kernels say so by an error.
    if (iio_device_get_trigger(device_, &trigger_) < 0) trigger_ = nullptr;
    return ok_status();
  }
  Names names;
  for (unsigned i = 0; i < iio_context_get_devices_count(context_.get()); ++i) {
    const iio_device* device = iio_context_get_device(context_.get(), i);
    if (!iio_device_is_trigger(device)) continue;
    names.add(name_of(device));
    const bool is_it = options_.trigger == iio_device_get_id(device) ||
                       options_.trigger == iio_device_get_name(device);
    if (is_it && trigger_ == nullptr) trigger_ = device;
  }
  if (trigger_ == nullptr)
    return not_found("there is no trigger '" + options_.trigger + "'; there is: " + names.text());
  return checked(iio_device_set_trigger(device_, trigger_),
                 "it does not take the trigger '" + options_.trigger + "'");
}

// A trigger with a rate decides; else the device, or its channels, where all must have the same.
Status IioDevice::set_rate() {
  std::vector<Owner> owners;
  if (trigger_ != nullptr) owners.push_back({trigger_, nullptr});
  if (owners.empty() || !owners[0].has(kRate)) owners = {{device_, nullptr}};
  if (!owners[0].has(kRate)) {
    owners.clear();
    for (const Column& column : columns_) owners.push_back({device_, column.channel});
    std::erase_if(owners, [](const Owner& owner) { return !owner.has(kRate); });
  }
  const double wish = options_.rate_hz;
  if (owners.empty() && wish == 0) return ok_status();
  if (owners.empty())
    return unimplemented(
        "neither it nor its trigger has a sampling_frequency; leave 'rate' out, or "
        "name a 'trigger' that has one");
  const std::string available = owners[0].text("sampling_frequency_available");
  const std::string there_is = available.empty() ? "" : "; there is: " + available;
  for (const Owner& owner : owners) {
    if (wish == 0) break;
    const Status status =
        checked(owner.write(kRate, plain(wish)), "it does not take a rate of " + plain(wish));
    if (!status.ok()) return Status(status.code(), status.message() + there_is);
  }
  rate_hz_ = std::max(owners[0].number(kRate).value_or(0), 0.0);
  constexpr double kNear = 0.01;
  if (wish != 0 && std::abs(rate_hz_ - wish) > kNear * wish)
    return invalid_argument("it has no rate of " + plain(wish) + "; the nearest is " +
                            plain(rate_hz_) + there_is);
  return ok_status();
}

void IioDevice::set_clock() {
  constexpr char kClock[] = "current_timestamp_clock";
  const Owner owner{device_, nullptr};
  if (timestamp_ == nullptr || !is_here(context_.get(), options_.context)) return;
  std::string clock = "realtime";  // of kernels that have no others
  if (owner.has(kClock)) {
    // It may refuse while somebody else reads it: what counts is what it has then.
    if (owner.write(kClock, "monotonic") < 0) errno = 0;
    clock = owner.text(kClock);
  }
  if (clock.starts_with("monotonic")) clock_ = IioClock(IioClock::Kind::kMonotonic);
  if (clock.starts_with("realtime")) clock_ = IioClock(IioClock::Kind::kRealtime);
}

// Without a limit from here on: how long nothing may come is the pipeline's to say.
Status IioDevice::start() {
  // Room for a while in which this process does not get to read.
  constexpr size_t kLeastRows = 256, kMostBlocks = 64;
  const size_t blocks = std::clamp<size_t>(kLeastRows / options_.rows, 4, kMostBlocks);
  if (iio_device_set_kernel_buffers_count(device_, static_cast<unsigned>(blocks)) < 0) errno = 0;
  INFERD_RETURN_IF_ERROR(
      checked(iio_context_set_timeout(context_.get(), 0), "it cannot be waited for"));
  errno = 0;
  buffer_.reset(iio_device_create_buffer(device_, options_.rows, false));
  if (buffer_ != nullptr) return ok_status();
  const int64_t code = errno != 0 ? -errno : -EIO;
  const Status status = checked(code, "it does not start to measure");
  if (trigger_ != nullptr || code != -EINVAL) return status;
  return Status(status.code(), status.message() + "; does it need a 'trigger'?");
}

Status IioDevice::read(std::vector<float>& values, int64_t& capture_ns) {
  if (buffer_ == nullptr) return failed_precondition("it is not open");
  const size_t width = columns_.size();
  values.resize(options_.rows * width);
  for (size_t row = 0; row < options_.rows;) {
    if (taken_ == rows_) INFERD_RETURN_IF_ERROR(refill().with_context(options_.name()));
    const size_t count = std::min(rows_ - taken_, options_.rows - row);
    const auto step = static_cast<size_t>(iio_buffer_step(buffer_.get()));
    for (size_t c = 0; c < width; ++c) {
      const Column& column = columns_[c];
      const auto* bytes =
          static_cast<const std::byte*>(iio_buffer_first(buffer_.get(), column.channel));
      for (size_t i = 0; i < count; ++i) {
        const double raw = raw_value(column.channel, bytes + (taken_ + i) * step);
        values[(row + i) * width + c] = static_cast<float>((raw + column.offset) * column.scale);
      }
    }
    row += count;
    taken_ += count;
  }
  capture_ns = timestamp_ == nullptr ? arrived_ns_
                                     : clock_.capture_ns(stamp_of_row(taken_ - 1), arrived_ns_);
  return ok_status();
}

// At least one row.
Status IioDevice::refill() {
  rows_ = taken_ = 0;
  ssize_t got = 0;
  // Another client of the same iiod may have it give up waiting sooner.
  while ((got = iio_buffer_refill(buffer_.get())) == -ETIMEDOUT) {
  }
  INFERD_RETURN_IF_ERROR(checked(got, "it gives no samples"));
  arrived_ns_ = schedule::now_ns();
  const auto* begin = static_cast<const std::byte*>(iio_buffer_start(buffer_.get()));
  const ptrdiff_t bytes = static_cast<const std::byte*>(iio_buffer_end(buffer_.get())) - begin;
  const ptrdiff_t step = iio_buffer_step(buffer_.get());
  // iiod says itself what a sample is made of.
  const auto fits = [&](const iio_channel* channel) {
    const auto* first = static_cast<const std::byte*>(iio_buffer_first(buffer_.get(), channel));
    const ptrdiff_t size = iio_channel_get_data_format(channel)->length / 8;
    return first - begin + size <= step;
  };
  bool whole = step > 0 && bytes >= step && (timestamp_ == nullptr || fits(timestamp_));
  for (const Column& column : columns_) whole = whole && fits(column.channel);
  if (!whole) return data_loss("it gives samples without all its channels");
  rows_ = static_cast<size_t>(bytes / step);
  return ok_status();
}

int64_t IioDevice::stamp_of_row(size_t row) const {
  const auto* bytes = static_cast<const std::byte*>(iio_buffer_first(buffer_.get(), timestamp_));
  int64_t stamp = 0;
  iio_channel_convert(timestamp_, &stamp,
                      bytes + row * static_cast<size_t>(iio_buffer_step(buffer_.get())));
  return stamp;
}

}  // namespace inferd::pipeline
