// SPDX-License-Identifier: Apache-2.0
//
// Cameras of libcamera: those that need an image signal processor, such as a Raspberry Pi's.
// Pictures are the camera's own buffers, which it gets back when nobody reads them any more.
#include <libcamera/camera.h>
#include <libcamera/control_ids.h>
#include <libcamera/framebuffer_allocator.h>
#include <libcamera/request.h>

#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <mutex>

#include "daemon/host/module.h"
#include "daemon/pipeline/sources/left_out.h"
#include "daemon/pipeline/sources/libcamera_buffer.h"
#include "daemon/pipeline/sources/libcamera_controls.h"
#include "daemon/pipeline/sources/libcamera_format.h"
#include "daemon/pipeline/sources/libcamera_manager.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

struct Options {
  std::string camera;  // its id, place in the list or model; empty: the first
  LibcameraWish wish;
  double fps = 0;  // 0: as the camera likes
  LibcameraWishes controls;
  int64_t buffers = 5;
  int64_t timeout_ms = 10'000;  // without a picture; 0: any time
};

// With less than this the camera may have none to write the next picture into.
constexpr size_t kStayWithCamera = 2;
constexpr size_t kMostBuffers = 32;
constexpr size_t kMostPlanes = 3;

Status error_of(const std::string& what, int failure) {
  const std::string text = what + ": " + std::strerror(-failure);
  if (failure == -EBUSY)
    return unavailable(text + "; another program, or a pipeline with other keys, uses the camera");
  if (failure == -ENODEV || failure == -ENXIO) return unavailable(text + "; was it unplugged?");
  return unavailable(text);
}

// What libcamera's thread tells the source's. Thread-safe.
class Events {
 public:
  Events() : file_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  int fd() const { return file_.get(); }  // readable when there is something new

  void completed(uint64_t request) {
    {
      const std::lock_guard lock(mutex_);
      if (count_ == requests_.size()) return;  // there are no more requests than that
      requests_[(first_ + count_++) % requests_.size()] = static_cast<uint32_t>(request);
    }
    ::eventfd_write(file_.get(), 1);
  }
  void unplugged() {
    {
      const std::lock_guard lock(mutex_);
      unplugged_ = true;
    }
    ::eventfd_write(file_.get(), 1);
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    count_ = 0;
    unplugged_ = false;
  }
  // The request that was completed first; false: there is none.
  bool pop(uint32_t& request) {
    const std::lock_guard lock(mutex_);
    if (count_ == 0) return false;
    request = requests_[first_];
    first_ = (first_ + 1) % requests_.size();
    --count_;
    return true;
  }
  bool is_unplugged() const {
    const std::lock_guard lock(mutex_);
    return unplugged_;
  }

 private:
  const Descriptor file_;
  mutable std::mutex mutex_;
  std::array<uint32_t, kMostBuffers> requests_{};  // a ring; all below by mutex_
  size_t first_ = 0, count_ = 0;
  bool unplugged_ = false;
};

class Libcamera final : public Source {
 public:
  explicit Libcamera(Options options) : options_(std::move(options)) {}
  ~Libcamera() override { Libcamera::close(); }

  bool live() const override { return true; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }
  Status open() override;
  Result<bool> next(Stopper& stopper, Frame& frame) override;
  void close() override;

 private:
  struct Slot {
    std::unique_ptr<libcamera::Request> request;
    std::shared_ptr<const LibcameraBuffer> memory;
    bool lent = false;  // to a frame, as long as others share `memory`
  };

  Status open_camera();
  Status configure();
  Status map_buffers();
  Status start();
  Status queue(uint32_t index);
  Status take_back();
  // False: it was no picture; the buffer is the camera's again.
  Result<bool> to_frame(uint32_t index, Frame& frame);
  Status read_picture(Slot& slot, Frame& frame);
  int64_t capture_ns(libcamera::Request& request) const;

  const Options options_;
  LeftOut left_out_{"source libcamera"};
  Events events_;
  std::unique_ptr<LibcameraUse> use_;  // null: not open
  std::shared_ptr<libcamera::Camera> camera_;
  bool acquired_ = false;
  std::unique_ptr<libcamera::CameraConfiguration> configuration_;
  std::unique_ptr<libcamera::FrameBufferAllocator> allocator_;
  std::vector<Slot> slots_;
  size_t queued_ = 0;  // with the camera
};

Status Libcamera::open() {
  close();
  if (events_.fd() < 0) return resource_exhausted("libcamera: the process has too many files open");
  Status status = open_camera();
  if (status.ok()) status = configure();
  if (status.ok()) status = map_buffers();
  if (status.ok()) status = start();
  if (status.ok()) return status;
  const std::string name = camera_ ? "camera '" + camera_->id() + "'" : "libcamera";
  close();
  return status.with_context(name);
}

// The order matters: libcamera gives back what is not of use any more only while the rest is there.
void Libcamera::close() {
  if (camera_ != nullptr) {
    if (acquired_)
      camera_->stop();  // another source's goes on; of one that is unplugged it has been
    camera_->requestCompleted.disconnect(&events_);
  }
  slots_.clear();  // memory that frames share stays until they are done
  queued_ = 0;
  allocator_.reset();
  configuration_.reset();
  if (acquired_) camera_->release();
  acquired_ = false;
  camera_.reset();
  use_.reset();
  events_.clear();
}

Status Libcamera::open_camera() {
  INFERD_ASSIGN_OR_RETURN(use_, LibcameraUse::begin());
  INFERD_ASSIGN_OR_RETURN(camera_, use_->find(options_.camera));
  if (const int failure = camera_->acquire(); failure < 0)
    return error_of("cannot be opened", failure);
  acquired_ = true;
  use_->when_unplugged(camera_->id(), [this] { events_.unplugged(); });
  camera_->requestCompleted.connect(
      &events_, [this](libcamera::Request* request) { events_.completed(request->cookie()); });
  return ok_status();
}

Status Libcamera::configure() {
  configuration_ = camera_->generateConfiguration({libcamera::StreamRole::Viewfinder});
  if (configuration_ == nullptr || configuration_->size() != 1)
    return unavailable("it has no stream of pictures");
  configuration_->at(0).bufferCount = static_cast<unsigned>(options_.buffers);
  INFERD_RETURN_IF_ERROR(choose_libcamera_format(options_.wish, *configuration_));
  const int failure = camera_->configure(configuration_.get());
  if (failure < 0) return error_of("does not take its configuration", failure);
  return ok_status();
}

Status Libcamera::map_buffers() {
  libcamera::Stream* const stream = configuration_->at(0).stream();
  allocator_ = std::make_unique<libcamera::FrameBufferAllocator>(camera_);
  if (const int failure = allocator_->allocate(stream); failure < 0)
    return error_of("gives no buffers; try a smaller picture, or fewer 'buffers'", failure);
  const auto& buffers = allocator_->buffers(stream);
  if (buffers.size() < kStayWithCamera || buffers.size() > kMostBuffers)
    return resource_exhausted("gives " + std::to_string(buffers.size()) +
                              " buffers; try a smaller " +
                              "picture, or another number of 'buffers'");
  for (const auto& buffer : buffers) {
    Slot slot;
    INFERD_ASSIGN_OR_RETURN(slot.memory, LibcameraBuffer::map(*buffer));
    if (slot.memory->planes().size() > kMostPlanes)
      return unimplemented("gives pictures in more than three planes");
    slot.request = camera_->createRequest(slots_.size());
    if (slot.request == nullptr || slot.request->addBuffer(stream, buffer.get()) < 0)
      return unavailable("takes no requests");
    slots_.push_back(std::move(slot));
  }
  return ok_status();
}

Status Libcamera::start() {
  libcamera::ControlList controls(camera_->controls());
  if (options_.fps > 0)
    INFERD_RETURN_IF_ERROR(set_libcamera_rate(camera_->controls(), options_.fps, controls));
  INFERD_RETURN_IF_ERROR(set_libcamera_controls(camera_->controls(), options_.controls, controls));
  if (const int failure = camera_->start(&controls); failure < 0)
    return error_of("does not start to stream", failure);
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    // Not all cameras look at the controls that they are started with.
    if (i == 0) slots_[i].request->controls().merge(controls);
    INFERD_RETURN_IF_ERROR(queue(i));
  }
  return ok_status();
}

Status Libcamera::queue(uint32_t index) {
  if (const int failure = camera_->queueRequest(slots_[index].request.get()); failure < 0)
    return error_of("does not take a buffer back", failure);
  ++queued_;
  return ok_status();
}

// What no frame has any more.
Status Libcamera::take_back() {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (!slot.lent || slot.memory.use_count() > 1) continue;
    // Whoever read it last did so before it gave it up.
    std::atomic_thread_fence(std::memory_order_acquire);
    slot.memory->end_reading();
    slot.lent = false;
    slot.request->reuse(libcamera::Request::ReuseBuffers);
    INFERD_RETURN_IF_ERROR(queue(i));
  }
  return ok_status();
}

Result<bool> Libcamera::next(Stopper& stopper, Frame& frame) {
  if (camera_ == nullptr) return failed_precondition("the source is not open");
  frame.lease = nullptr;
  for (;;) {
    if (events_.is_unplugged()) return unavailable("camera '" + camera_->id() + "' was unplugged");
    INFERD_RETURN_IF_ERROR(take_back());
    uint32_t index = 0;
    if (!events_.pop(index)) {
      pollfd file{events_.fd(), POLLIN, 0};
      if (!wait_for(stopper, {&file, 1})) return false;
      eventfd_t unused = 0;
      ::eventfd_read(events_.fd(), &unused);
      continue;
    }
    if (index >= slots_.size()) return internal_error("libcamera completes an unknown request");
    --queued_;
    INFERD_ASSIGN_OR_RETURN(const bool picture, to_frame(index, frame));
    if (picture) return true;
  }
}

// By the sensor's clock where the camera tells it, else by the driver's.
int64_t Libcamera::capture_ns(libcamera::Request& request) const {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const int64_t now = schedule::now_ns();
  const auto sensor = request.metadata().get(libcamera::controls::SensorTimestamp);
  const libcamera::FrameBuffer* buffer = request.findBuffer(configuration_->at(0).stream());
  const int64_t at = sensor.value_or(static_cast<int64_t>(buffer->metadata().timestamp));
  return sensor_ns(at, now, int64_t{boot.tv_sec} * 1'000'000'000 + boot.tv_nsec);
}

Result<bool> Libcamera::to_frame(uint32_t index, Frame& frame) {
  Slot& slot = slots_[index];
  frame.capture_ns = capture_ns(*slot.request);
  slot.memory->begin_reading();
  const Status read = read_picture(slot, frame);
  if (slot.lent) {
    frame.lease = slot.memory;
  } else {
    slot.memory->end_reading();
    slot.request->reuse(libcamera::Request::ReuseBuffers);
    INFERD_RETURN_IF_ERROR(queue(index));
  }
  if (!read.ok()) left_out_.add("a picture is left out: " + read.message());
  if (!read.ok()) return false;
  frame.samples.rows = 0;
  frame.name.clear();
  return true;
}

// Into the frame, or to be lent to it. An error says why there is no picture in it.
Status Libcamera::read_picture(Slot& slot, Frame& frame) {
  const libcamera::StreamConfiguration& stream = configuration_->at(0);
  const libcamera::FrameMetadata& metadata = slot.request->findBuffer(stream.stream())->metadata();
  if (metadata.status != libcamera::FrameMetadata::FrameSuccess)
    return data_loss("the camera says that it is damaged");
  std::array<std::span<const uint8_t>, kMostPlanes> planes{};
  const size_t count = slot.memory->planes().size();
  for (size_t p = 0; p < count; ++p) {
    planes[p] = slot.memory->planes()[p];
    const size_t used = p < metadata.planes().size() ? metadata.planes()[p].bytesused : 0;
    if (used > 0) planes[p] = planes[p].first(std::min(used, planes[p].size()));
  }
  if (!libcamera_is_picture(stream.pixelFormat)) {
    INFERD_ASSIGN_OR_RETURN(frame.image, media::decode_image(planes[0]));
    frame.picture = media::view_of(frame.image);
    return ok_status();
  }
  INFERD_ASSIGN_OR_RETURN(frame.picture, libcamera_picture(stream, {planes.data(), count}));
  slot.lent = queued_ >= kStayWithCamera;
  if (slot.lent) return ok_status();
  const media::Picture borrowed = frame.picture;
  media::to_rgb(borrowed, frame.image);
  frame.picture = media::view_of(frame.image);
  return ok_status();
}

Result<std::unique_ptr<Source>> make_libcamera(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.camera = r.text("camera", "");
  options.wish.width = static_cast<unsigned>(r.integer("width", 0, 1, 65536));
  options.wish.height = static_cast<unsigned>(r.integer("height", 0, 1, 65536));
  options.fps = r.number("fps", 0, 0.1, 1000);
  options.wish.format = r.one_of("format", "auto", libcamera_format_names());
  options.buffers = r.integer("buffers", options.buffers, 3, kMostBuffers);
  options.timeout_ms = r.integer("timeout_ms", options.timeout_ms, 0, 86'400'000);
  const std::string prefix = "control.";
  for (const auto& [key, entry] : node.entries) {
    if (key.starts_with(prefix)) options.controls[key.substr(prefix.size())] = r.list(key);
  }
  INFERD_RETURN_IF_ERROR(r.finish());
  if (options.fps > 0 && options.controls.contains("FrameDurationLimits"))
    return invalid_argument(
        node.mark.to_string() +
        ": 'fps' and 'control.FrameDurationLimits' are the same; leave out one");
  return std::unique_ptr<Source>(std::make_unique<Libcamera>(std::move(options)));
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(source_libcamera, inferd::pipeline::MakeSource,
                       inferd::pipeline::make_libcamera)
