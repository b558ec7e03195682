// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>

#include "daemon/serve/local/frames.h"

namespace inferd::serve::local {
namespace {

using testing::HasSubstr;

using Bytes = std::vector<std::byte>;

Bytes frame(FrameType type, const std::function<void(FrameWriter&)>& body) {
  Bytes bytes;
  FrameWriter writer(bytes);
  writer.begin(number(type), StatusCode::kOk, 7);
  body(writer);
  writer.finish();
  return bytes;
}

template <typename T>
void overwrite(Bytes& bytes, size_t at, T value) {
  ASSERT_LE(at + sizeof value, bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// A place as a client writes it.
void put_place(FrameWriter& w, uint32_t buffer, uint64_t offset, uint64_t bytes,
               std::optional<Shape> shape = std::nullopt) {
  w.u32(buffer);
  w.u8(shape ? static_cast<uint8_t>(shape->rank()) : kBoundShape);
  w.u8(0);
  w.u16(0);
  w.u64(offset);
  w.u64(bytes);
  if (shape) {
    for (const int64_t dim : *shape) w.i64(dim);
  }
}

// Two inputs, one of them inline and with a shape, and an output.
Bytes infer_frame() {
  return frame(FrameType::kInfer, [](FrameWriter& w) {
    w.u32(3);
    w.u16(2);
    w.u16(1);
    w.i64(1000);
    w.u32(2);
    w.u16(1);
    w.u16(0);
    w.u64(42);
    put_place(w, 5, 64, 128);
    put_place(w, kInline, 136, 8, Shape{2, 4});
    put_place(w, 6, 8, 16);
    w.u64(0x0807060504030201);
  });
}

TEST(LocalFrames, InferSaysWhatWasWritten) {
  const Bytes bytes = infer_frame();
  const auto header = read_header(bytes);
  ASSERT_TRUE(header.ok()) << header.status().to_string();
  EXPECT_EQ(header->type, number(FrameType::kInfer));
  EXPECT_EQ(header->id, 7U);
  std::vector<Place> places;
  const auto infer = read_infer(bytes, places);
  ASSERT_TRUE(infer.ok()) << infer.status().to_string();
  EXPECT_EQ(infer->binding, 3U);
  EXPECT_EQ(infer->inputs, 2U);
  EXPECT_EQ(infer->outputs, 1U);
  EXPECT_EQ(infer->deadline_ns, 1000);
  EXPECT_EQ(infer->priority, 2);
  EXPECT_TRUE(infer->sequence_start);
  EXPECT_FALSE(infer->sequence_end);
  EXPECT_EQ(infer->sequence, 42U);
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0].buffer, 5U);
  EXPECT_EQ(places[0].rank, kBoundShape);
  EXPECT_EQ(places[0].offset, 64U);
  EXPECT_EQ(places[0].bytes, 128U);
  EXPECT_EQ(places[1].shape, (Shape{2, 4}));
  EXPECT_EQ(places[2].buffer, 6U);
}

TEST(LocalFrames, OtherFramesSayWhatWasWritten) {
  const Bytes hello = frame(FrameType::kHello, [](FrameWriter& w) {
    w.u32(kMagic);
    w.u16(1);
    w.u16(4);
  });
  EXPECT_EQ(read_hello(hello)->newest, 4);
  const Bytes map = frame(FrameType::kMap, [](FrameWriter& w) {
    w.u32(9);
    w.u32(0);
    w.u64(4096);
  });
  EXPECT_EQ(read_map(map)->buffer, 9U);
  EXPECT_EQ(read_map(map)->bytes, 4096U);
  const Bytes bind = frame(FrameType::kBind, [](FrameWriter& w) {
    w.u32(1);
    w.u16(5);
    w.u16(0);
    w.i64(3);
    w.text("model");
  });
  EXPECT_EQ(read_bind(bind)->name, "model");
  EXPECT_EQ(read_bind(bind)->version, 3);
}

Bytes push_frame() {
  return frame(FrameType::kPush, [](FrameWriter& w) {
    w.u32(5);
    w.u8(0);
    w.u8(7);
    w.u16(3);
    w.u64(64);
    w.u64(4096);
    w.i64(1000);
    w.u32(64);
    w.u32(32);
    w.u32(128);
    w.u32(0);
    w.text("pad");
  });
}

TEST(LocalFrames, PushAndWatchSayWhatWasWritten) {
  const Bytes bytes = push_frame();
  const auto push = read_push(bytes);
  ASSERT_TRUE(push.ok()) << push.status().to_string();
  EXPECT_EQ(push->source, "pad");
  EXPECT_FALSE(push->samples);
  EXPECT_EQ(push->format, 7);
  EXPECT_EQ(push->buffer, 5U);
  EXPECT_EQ(push->offset, 64U);
  EXPECT_EQ(push->bytes, 4096U);
  EXPECT_EQ(push->capture_ns, 1000);
  EXPECT_EQ(push->width, 64);
  EXPECT_EQ(push->height, 32);
  EXPECT_EQ(push->stride, 128U);
  const Bytes watch = frame(FrameType::kWatch, [](FrameWriter& w) {
    w.u16(4);
    w.u8(1);
    w.u8(0);
    w.u32(9);
    w.text("yard");
  });
  EXPECT_EQ(read_watch(watch)->pipeline, "yard");
  EXPECT_TRUE(read_watch(watch)->binary);
  EXPECT_EQ(read_watch(watch)->capacity, 9U);
}

TEST(LocalFrames, APushOutOfRangeIsRefused) {
  const auto refused = [](size_t at, auto value, const char* message) {
    Bytes bytes = push_frame();
    overwrite(bytes, at, value);
    const auto push = read_push(bytes);
    EXPECT_EQ(push.status().code(), StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(push.status().message(), HasSubstr(message));
  };
  refused(20, uint8_t{2}, "a kind");
  refused(20, uint8_t{1}, "gives samples a format");
  refused(21, uint8_t{10}, "a format");
  refused(22, uint16_t{4}, "cut short");
  refused(22, uint16_t{2}, "too many");
  refused(24, uint64_t{4}, "8-aligned");
  refused(40, int64_t{-1}, "a time");
  refused(48, ~uint32_t{0}, "sides");
  refused(60, uint32_t{1}, "must be zero");
}

// Whatever is cut off, it is noticed, and nothing behind the end is read (AddressSanitizer looks).
TEST(LocalFrames, NoPartOfAFrameIsAFrame) {
  const Bytes whole = infer_frame();
  std::vector<Place> places;
  for (size_t size = kHeaderBytes; size < whole.size(); ++size) {
    Bytes part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    part.shrink_to_fit();
    EXPECT_FALSE(read_header(part).ok()) << size;
    overwrite(part, 0, static_cast<uint32_t>(size));
    ASSERT_TRUE(read_header(part).ok()) << size;
    EXPECT_FALSE(read_infer(part, places).ok()) << size;
  }
}

TEST(LocalFrames, HeadersAreChecked) {
  const Bytes good = infer_frame();
  EXPECT_FALSE(read_header({}).ok());
  EXPECT_FALSE(read_header(std::span(good).first(15)).ok());
  EXPECT_FALSE(read_header(Bytes(kMaxFrame + 1)).ok());
  Bytes bytes = good;
  overwrite<uint16_t>(bytes, 6, 1);
  EXPECT_THAT(read_header(bytes).status().message(), HasSubstr("has a status"));
}

TEST(LocalFrames, NumbersOutOfRangeAreRefused) {
  constexpr size_t kDeadline = 24, kPriority = 32, kFlags = 36, kZero = 38, kPlaces = 48;
  const auto refused = [](size_t at, auto value, const char* message) {
    Bytes bytes = infer_frame();
    overwrite(bytes, at, value);
    std::vector<Place> places;
    const auto infer = read_infer(bytes, places);
    EXPECT_EQ(infer.status().code(), StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(infer.status().message(), HasSubstr(message));
  };
  refused(20, uint16_t{60000}, "cut short");
  refused(22, uint16_t{2}, "cut short");
  refused(kDeadline, int64_t{-1}, "deadline");
  refused(kPriority, ~uint32_t{0}, "priority");
  refused(kFlags, uint16_t{4}, "flags");
  refused(kZero, uint16_t{1}, "must be zero");
  refused(kPlaces, kNowhere, "an input that is nowhere");
  refused(kPlaces + 4, uint8_t{9}, "rank 9");
  refused(kPlaces + 5, uint8_t{1}, "must be zero");
  refused(kPlaces + 8, uint64_t{4}, "8-aligned");
  constexpr size_t kInlinePlace = kPlaces + 24, kOutput = kInlinePlace + 40;
  refused(kInlinePlace + 8, uint64_t{128}, "outside of the frame's data");
  refused(kInlinePlace + 8, ~uint64_t{7}, "outside of the frame's data");
  refused(kInlinePlace + 16, uint64_t{9}, "outside of the frame's data");
  refused(kInlinePlace + 16, ~uint64_t{0}, "outside of the frame's data");
  refused(kOutput, kInline, "gives room to an output");
  refused(kOutput, kNowhere, "gives room to an output");
}

TEST(LocalFrames, LongMessagesOfErrorsAreCut) {
  Bytes bytes;
  const auto error = write_error(FrameWriter(bytes), number(FrameType::kBind) | kAnswer, 5,
                                 not_found(std::string(size_t{1} << 20, 'x')));
  EXPECT_LE(error.size(), kMaxFrame);
  uint16_t status = 0;
  std::memcpy(&status, error.data() + 6, sizeof status);
  EXPECT_EQ(status, static_cast<uint16_t>(StatusCode::kNotFound));
}

}  // namespace
}  // namespace inferd::serve::local
