// SPDX-License-Identifier: Apache-2.0
//
// The frames of the local socket: docs/local-socket.md byte by byte. Reading checks everything that
// can be known from a frame alone; what it means is for the connection. Nothing here allocates but
// for messages of errors and vectors that grow once.
//
// INVALID_ARGUMENT of a read_... function: the frame is not well-formed, the peer does not speak
// the protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::serve::local {

inline constexpr uint32_t kMagic = 0x4C444649;
inline constexpr uint16_t kVersion = 1;
inline constexpr size_t kMaxFrame = 65'536;

enum class FrameType : uint16_t {
  kHello = 1,
  kMap = 2,
  kUnmap = 3,
  kBind = 4,
  kUnbind = 5,
  kList = 6,
  kInfer = 7,
  kCancel = 8,
  kPush = 9,
  kWatch = 10,
  kUnwatch = 11,
  kResult = 12,  // of the daemon, unasked
};
inline uint16_t number(FrameType type) { return static_cast<uint16_t>(type); }
inline constexpr uint16_t kAnswer = 0x8000;     // added to the type of what is answered
inline constexpr uint16_t kViolation = 0xFFFF;  // the type of the last frame before the end

struct Header {
  uint16_t type = 0;
  uint64_t id = 0;
};
inline constexpr size_t kHeaderBytes = 16;

struct Hello {
  uint32_t magic = 0;
  uint16_t oldest = 0, newest = 0;
};
struct Map {
  uint32_t buffer = 0;
  uint64_t bytes = 0;
};
struct Bind {
  uint32_t binding = 0;
  int64_t version = 0;
  std::string_view name;  // in the frame
};

inline constexpr uint32_t kInline = 0xFFFFFFFF;
inline constexpr uint32_t kNowhere = 0xFFFFFFFE;
inline constexpr uint8_t kBoundShape = 0xFF;

// Where a tensor lies, or where it shall.
struct Place {
  uint32_t buffer = kInline;
  uint8_t rank = kBoundShape;
  uint64_t offset = 0, bytes = 0;
  Shape shape;  // unless `rank` is kBoundShape
};

struct Infer {
  uint32_t binding = 0;
  size_t inputs = 0, outputs = 0;  // places of each kind
  int64_t deadline_ns = 0;
  int priority = 0;
  bool sequence_start = false, sequence_end = false;
  uint64_t sequence = 0;
};

struct Push {
  std::string_view source;  // in the frame
  bool samples = false;     // else pixels
  uint8_t format = 0;       // of pixels: below kPixelFormats
  uint32_t buffer = 0;
  uint64_t offset = 0, bytes = 0;
  int64_t capture_ns = 0;
  int32_t width = 0, height = 0;  // of pixels
  int32_t columns = 0;            // of samples
  uint32_t stride = 0;            // of pixels
};
inline constexpr uint8_t kPixelFormats = 10;

struct Watch {
  std::string_view pipeline;  // in the frame
  bool binary = false;        // else JSON
  uint32_t capacity = 0;
};

Result<Header> read_header(std::span<const std::byte> frame);

// Preconditions of these: read_header() took the frame.
Result<Hello> read_hello(std::span<const std::byte> frame);
Result<Map> read_map(std::span<const std::byte> frame);
Result<Bind> read_bind(std::span<const std::byte> frame);
// The only number of kUnmap, kUnbind and kList.
Result<uint32_t> read_number(std::span<const std::byte> frame);
// Of frames that are a header: kCancel and kUnwatch.
Status read_bare(std::span<const std::byte> frame);
Result<Push> read_push(std::span<const std::byte> frame);
Result<Watch> read_watch(std::span<const std::byte> frame);
// Places of the inputs, then of the outputs, go to `places`. Inline ones lie within the frame,
// behind the places.
Result<Infer> read_infer(std::span<const std::byte> frame, std::vector<Place>& places);

// Builds a frame in a buffer that is kept from one to the next. Sizes are the caller's to keep:
// fits() asks whether there is room for so many bytes more.
class FrameWriter {
 public:
  explicit FrameWriter(std::vector<std::byte>& frame) : frame_(frame) {}

  void begin(uint16_t type, StatusCode status, uint64_t id);
  void u8(uint8_t value) { put(&value, sizeof value); }
  void u16(uint16_t value) { put(&value, sizeof value); }
  void u32(uint32_t value) { put(&value, sizeof value); }
  void u64(uint64_t value) { put(&value, sizeof value); }
  void i64(int64_t value) { put(&value, sizeof value); }
  void text(std::string_view value) { put(value.data(), value.size()); }
  void bytes(std::span<const std::byte> value) { put(value.data(), value.size()); }
  void pad_to_8();
  void place(const Place& place, const Shape& shape);
  bool fits(size_t more) const { return frame_.size() + more <= kMaxFrame; }
  size_t size() const { return frame_.size(); }
  std::span<const std::byte> finish();  // fills in the size

 private:
  void put(const void* data, size_t size);

  std::vector<std::byte>& frame_;
};

size_t place_bytes(int rank);  // of one in a frame

// An answer that is an error; a long message is cut.
std::span<const std::byte> write_error(FrameWriter writer, uint16_t type, uint64_t id,
                                       const Status& status);

}  // namespace inferd::serve::local
