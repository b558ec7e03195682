// SPDX-License-Identifier: Apache-2.0
#include "engine/import/onnx/outline.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace inferd::import {
namespace {

enum class Message { kModel, kGraph, kNode, kAttribute, kTensor };

// Fields on the way to raw_data, by the numbers of onnx.proto.
struct Step {
  Message in;
  uint64_t field;
  Message to;
};
constexpr Step kSteps[] = {
    {Message::kModel, 7, Message::kGraph},       // graph
    {Message::kGraph, 1, Message::kNode},        // node
    {Message::kGraph, 5, Message::kTensor},      // initializer
    {Message::kNode, 5, Message::kAttribute},    // attribute
    {Message::kAttribute, 5, Message::kTensor},  // t
    {Message::kAttribute, 6, Message::kGraph},   // g
};
constexpr uint64_t kRawData = 9;  // of a tensor

// The lower three bits of a field's tag.
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

class Outliner {
 public:
  explicit Outliner(std::span<const std::byte> file) : file_(file) {}

  // Appends the outline of the message [begin, end) to `out`; false when it is not well-formed, or
  // has more than `nesting` messages inside of each other.
  bool message(Message kind, size_t begin, size_t end, int nesting, std::string& out) const {
    if (nesting < 0) return false;
    for (size_t at = begin; at < end;) {
      const size_t start = at;
      const std::optional<uint64_t> tag = varint(at, end);
      // Protocol Buffers drops bits beyond the 32nd, and would take this for another field.
      if (!tag || *tag > UINT32_MAX) return false;
      if ((*tag & 7) != kLengthDelimited) {
        if (!skip(static_cast<WireType>(*tag & 7), at, end)) return false;
        append(out, start, at);
        continue;
      }
      const std::optional<uint64_t> length = varint(at, end);
      if (!length || *length > end - at) return false;
      const size_t body = at;
      at += static_cast<size_t>(*length);
      const uint64_t field = *tag >> 3;
      const Step* const step = std::find_if(std::begin(kSteps), std::end(kSteps), [&](Step s) {
        return s.in == kind && s.field == field;
      });
      if (step != std::end(kSteps)) {
        std::string inner;
        if (!message(step->to, body, at, nesting - 1, inner)) return false;
        append_field(out, *tag, inner);
      } else if (kind == Message::kTensor && field == kRawData) {
        const RawDataPlace place{body, *length};
        append_field(out, *tag, {reinterpret_cast<const char*>(&place), sizeof place});
      } else {
        append(out, start, at);
      }
    }
    return true;
  }

 private:
  std::optional<uint64_t> varint(size_t& at, size_t end) const {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at < end; shift += 7) {
      const auto byte = static_cast<uint64_t>(file_[at++]);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  // Moves `at` behind a value that says its length itself. Groups (3, 4) went out of use before
  // ONNX came.
  bool skip(WireType type, size_t& at, size_t end) const {
    size_t bytes = 0;
    switch (type) {
      case kVarint:
        return varint(at, end).has_value();
      case kFixed64:
        bytes = 8;
        break;
      case kFixed32:
        bytes = 4;
        break;
      default:
        return false;
    }
    if (bytes > end - at) return false;
    at += bytes;
    return true;
  }

  void append(std::string& out, size_t begin, size_t end) const {
    out.append(reinterpret_cast<const char*>(file_.data()) + begin, end - begin);
  }
  static void append_field(std::string& out, uint64_t tag, std::string_view body) {
    append_varint(out, tag);
    append_varint(out, body.size());
    out.append(body);
  }

  std::span<const std::byte> file_;
};

}  // namespace

Result<std::string> outline_of(std::span<const std::byte> file, int max_nesting) {
  std::string outline;
  if (!Outliner(file).message(Message::kModel, 0, file.size(), max_nesting, outline)) {
    return data_loss("the file is truncated or corrupt (not a valid Protocol Buffers message)");
  }
  return outline;
}

}  // namespace inferd::import
