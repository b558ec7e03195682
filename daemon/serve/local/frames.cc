// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/local/frames.h"

#include <bit>
#include <cstring>
#include <string>

namespace inferd::serve::local {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little-endian");

constexpr size_t kPlaceBytes = 24;
constexpr size_t kMaxMessage = 1024;

// Reads from front to back. What lies behind the end reads as 0 and is remembered, as are bytes
// that should have been 0: one question at the end answers for all.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> frame) : frame_(frame), at_(kHeaderBytes) {}

  uint8_t u8() { return take<uint8_t>(); }
  uint16_t u16() { return take<uint16_t>(); }
  uint32_t u32() { return take<uint32_t>(); }
  uint64_t u64() { return take<uint64_t>(); }
  int64_t i64() { return take<int64_t>(); }
  template <typename T>
  void zero() {
    if (take<T>() != 0) zeros_ = false;
  }
  std::string_view text(size_t size) {
    if (size > left()) {
      whole_ = false;
      return {};
    }
    const auto* from = reinterpret_cast<const char*>(frame_.data() + at_);
    at_ += size;
    return {from, size};
  }
  size_t at() const { return at_; }
  size_t left() const { return frame_.size() - at_; }
  bool whole() const { return whole_; }

  Status check(const char* name) const {
    if (!whole_) return invalid_argument(std::string(name) + " is cut short");
    if (!zeros_) return invalid_argument(std::string(name) + " has bytes that must be zero");
    return ok_status();
  }
  // And nothing behind.
  Status check_end(const char* name) const {
    INFERD_RETURN_IF_ERROR(check(name));
    if (left() == 0) return ok_status();
    return invalid_argument(std::string(name) + " has " + std::to_string(left()) +
                            " bytes too many");
  }

 private:
  template <typename T>
  T take() {
    T value = 0;
    if (left() < sizeof value) {
      whole_ = false;
      at_ = frame_.size();
      return value;
    }
    std::memcpy(&value, frame_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  const std::span<const std::byte> frame_;
  size_t at_;
  bool whole_ = true;
  bool zeros_ = true;
};

// What holds for a place whatever the model: numbers in their ranges, and nothing said twice.
Status check_place(const Place& place, bool is_input) {
  if (place.offset % 8 != 0) return invalid_argument("INFER has an offset that is not 8-aligned");
  if (is_input) {
    if (place.buffer != kNowhere) return ok_status();
    return invalid_argument("INFER has an input that is nowhere");
  }
  if (place.rank != kBoundShape) return invalid_argument("INFER gives an output a shape");
  if (place.buffer < kNowhere || (place.offset == 0 && place.bytes == 0)) return ok_status();
  return invalid_argument("INFER gives room to an output that is inline or nowhere");
}

Status read_place(Reader& r, bool is_input, Place& place) {
  place.buffer = r.u32();
  place.rank = r.u8();
  r.zero<uint8_t>();
  r.zero<uint16_t>();
  place.offset = r.u64();
  place.bytes = r.u64();
  place.shape = Shape();
  if (place.rank != kBoundShape) {
    if (place.rank > kMaxRank) {
      return invalid_argument("INFER has a tensor of rank " + std::to_string(place.rank));
    }
    for (int d = 0; d < place.rank; ++d) place.shape.push_back(r.i64());
  }
  INFERD_RETURN_IF_ERROR(r.check("INFER"));
  return check_place(place, is_input);
}

Status check_inline(const Place& place, size_t behind, size_t frame_bytes) {
  if (place.buffer != kInline) return ok_status();
  if (place.offset >= behind && place.offset <= frame_bytes &&
      place.bytes <= frame_bytes - place.offset) {
    return ok_status();
  }
  return invalid_argument("INFER has an inline input outside of the frame's data");
}

}  // namespace

Result<Header> read_header(std::span<const std::byte> frame) {
  if (frame.size() < kHeaderBytes || frame.size() > kMaxFrame) {
    return invalid_argument("a frame of " + std::to_string(frame.size()) + " bytes");
  }
  uint32_t size = 0;
  uint16_t status = 0;
  Header header;
  std::memcpy(&size, frame.data(), sizeof size);
  std::memcpy(&header.type, frame.data() + 4, sizeof header.type);
  std::memcpy(&status, frame.data() + 6, sizeof status);
  std::memcpy(&header.id, frame.data() + 8, sizeof header.id);
  if (size != frame.size()) {
    return invalid_argument("a frame that says it has " + std::to_string(size) +
                            " bytes came with " + std::to_string(frame.size()));
  }
  if (status != 0) return invalid_argument("a request has a status");
  return header;
}

Result<Hello> read_hello(std::span<const std::byte> frame) {
  Reader r(frame);
  Hello hello;
  hello.magic = r.u32();
  hello.oldest = r.u16();
  hello.newest = r.u16();
  INFERD_RETURN_IF_ERROR(r.check_end("HELLO"));
  if (hello.magic != kMagic) return invalid_argument("HELLO has another magic number");
  if (hello.oldest > hello.newest) return invalid_argument("HELLO has its versions the wrong way");
  return hello;
}

Result<Map> read_map(std::span<const std::byte> frame) {
  Reader r(frame);
  Map map;
  map.buffer = r.u32();
  r.zero<uint32_t>();
  map.bytes = r.u64();
  INFERD_RETURN_IF_ERROR(r.check_end("MAP"));
  return map;
}

Result<Bind> read_bind(std::span<const std::byte> frame) {
  Reader r(frame);
  Bind bind;
  bind.binding = r.u32();
  const size_t name_bytes = r.u16();
  r.zero<uint16_t>();
  bind.version = r.i64();
  bind.name = r.text(name_bytes);
  INFERD_RETURN_IF_ERROR(r.check_end("BIND"));
  if (bind.version < 0) return invalid_argument("BIND has a negative version");
  return bind;
}

Result<uint32_t> read_number(std::span<const std::byte> frame) {
  Reader r(frame);
  const uint32_t number = r.u32();
  r.zero<uint32_t>();
  INFERD_RETURN_IF_ERROR(r.check_end("a frame of one number"));
  return number;
}

Status read_bare(std::span<const std::byte> frame) {
  return Reader(frame).check_end("a frame of a header");
}

Result<Push> read_push(std::span<const std::byte> frame) {
  Reader r(frame);
  Push push;
  push.buffer = r.u32();
  const uint8_t kind = r.u8();
  push.format = r.u8();
  const size_t name_bytes = r.u16();
  push.offset = r.u64();
  push.bytes = r.u64();
  push.capture_ns = r.i64();
  const uint32_t width = r.u32(), height = r.u32();
  push.stride = r.u32();
  r.zero<uint32_t>();
  push.source = r.text(name_bytes);
  INFERD_RETURN_IF_ERROR(r.check_end("PUSH"));
  if (kind > 1 || push.format >= kPixelFormats || width > INT32_MAX || height > INT32_MAX ||
      push.capture_ns < 0) {
    return invalid_argument("PUSH has a kind, a format, sides or a time out of range");
  }
  push.samples = kind == 1;
  if (push.samples && (push.format != 0 || height != 0 || push.stride != 0))
    return invalid_argument("PUSH gives samples a format, a height or a stride");
  if (push.offset % 8 != 0) return invalid_argument("PUSH has an offset that is not 8-aligned");
  (push.samples ? push.columns : push.width) = static_cast<int32_t>(width);
  push.height = static_cast<int32_t>(height);
  return push;
}

Result<Watch> read_watch(std::span<const std::byte> frame) {
  Reader r(frame);
  Watch watch;
  const size_t name_bytes = r.u16();
  const uint8_t format = r.u8();
  r.zero<uint8_t>();
  watch.capacity = r.u32();
  watch.pipeline = r.text(name_bytes);
  INFERD_RETURN_IF_ERROR(r.check_end("WATCH"));
  if (format > 1) return invalid_argument("WATCH has an unknown format");
  watch.binary = format == 1;
  return watch;
}

Result<Infer> read_infer(std::span<const std::byte> frame, std::vector<Place>& places) {
  Reader r(frame);
  Infer infer;
  infer.binding = r.u32();
  infer.inputs = r.u16();
  infer.outputs = r.u16();
  infer.deadline_ns = r.i64();
  const uint32_t priority = r.u32();
  const uint16_t flags = r.u16();
  r.zero<uint16_t>();
  infer.sequence = r.u64();
  INFERD_RETURN_IF_ERROR(r.check("INFER"));
  if (infer.deadline_ns < 0 || priority > INT32_MAX || flags > 3) {
    return invalid_argument("INFER has a deadline, a priority or flags out of range");
  }
  infer.priority = static_cast<int>(priority);
  infer.sequence_start = (flags & 1) != 0;
  infer.sequence_end = (flags & 2) != 0;
  const size_t count = infer.inputs + infer.outputs;
  if (count > r.left() / kPlaceBytes) return invalid_argument("INFER is cut short");
  places.resize(count);
  for (size_t i = 0; i < count; ++i)
    INFERD_RETURN_IF_ERROR(read_place(r, i < infer.inputs, places[i]));
  for (size_t i = 0; i < infer.inputs; ++i)
    INFERD_RETURN_IF_ERROR(check_inline(places[i], r.at(), frame.size()));
  return infer;
}

void FrameWriter::begin(uint16_t type, StatusCode status, uint64_t id) {
  frame_.clear();
  u32(0);
  u16(type);
  u16(static_cast<uint16_t>(status));
  u64(id);
}

void FrameWriter::put(const void* data, size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  frame_.insert(frame_.end(), from, from + size);
}

void FrameWriter::pad_to_8() { frame_.resize((frame_.size() + 7) / 8 * 8); }

void FrameWriter::place(const Place& place, const Shape& shape) {
  u32(place.buffer);
  u32(static_cast<uint32_t>(shape.rank()));
  u64(place.offset);
  u64(place.bytes);
  for (const int64_t dim : shape) i64(dim);
}

std::span<const std::byte> FrameWriter::finish() {
  const auto size = static_cast<uint32_t>(frame_.size());
  std::memcpy(frame_.data(), &size, sizeof size);
  return frame_;
}

size_t place_bytes(int rank) { return kPlaceBytes + static_cast<size_t>(rank) * sizeof(int64_t); }

std::span<const std::byte> write_error(FrameWriter writer, uint16_t type, uint64_t id,
                                       const Status& status) {
  writer.begin(type, status.code(), id);
  writer.text(std::string_view(status.message()).substr(0, kMaxMessage));
  return writer.finish();
}

}  // namespace inferd::serve::local
