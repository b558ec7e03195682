// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;

struct Unpacked {
  Status status;
  std::string text;
  size_t largest = 0;  // piece
};

// What `body` unpacks to when it comes `step` bytes at a time.
Unpacked unpack(const std::string& body, Encoding encoding, size_t step) {
  Unpacked result;
  Unpacker unpacker(encoding);
  for (size_t at = 0; at < body.size() && result.status.ok(); at += step) {
    result.status = unpacker.add(std::string_view(body).substr(at, step), [&](std::string_view p) {
      result.text += p;
      result.largest = std::max(result.largest, p.size());
      return true;
    });
  }
  if (result.status.ok()) result.status = unpacker.finish();
  return result;
}

TEST(Encoding, UnpacksWhatWasPackedHoweverItComes) {
  std::string text;
  std::minstd_rand random(1);
  for (int i = 0; i < 300'000; ++i) text += static_cast<char>('a' + random() % 4);
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kDeflate}) {
    const auto body = packed(text, encoding);
    ASSERT_TRUE(body);
    EXPECT_LT(body->size(), text.size() / 2);
    for (const size_t step : {size_t{1}, size_t{1000}, body->size()}) {
      const Unpacked result = unpack(*body, encoding, step);
      EXPECT_TRUE(result.status.ok()) << result.status.to_string();
      EXPECT_EQ(result.text, text);
      EXPECT_LE(result.largest, size_t{64} << 10);
    }
  }
}

TEST(Encoding, APieceThatIsNotWantedIsTheLast) {
  const auto body = packed(std::string(10 << 20, 'x'), Encoding::kGzip);
  int pieces = 0;
  Unpacker unpacker(Encoding::kGzip);
  EXPECT_TRUE(unpacker.add(*body, [&](std::string_view) { return ++pieces < 3; }).ok());
  EXPECT_EQ(pieces, 3);
}

TEST(Encoding, BodiesThatAreNoneAreRefused) {
  const std::string body = *packed(std::string(1000, 'x'), Encoding::kDeflate);
  const auto error = [](const std::string& text) {
    return unpack(text, Encoding::kDeflate, 7).status.message();
  };
  EXPECT_THAT(error(body.substr(0, body.size() - 1)), HasSubstr("ends too early"));
  EXPECT_THAT(error(""), HasSubstr("ends too early"));
  EXPECT_THAT(error(body + "x"), HasSubstr("something behind its end"));
  EXPECT_THAT(error("neither"), HasSubstr("is malformed"));
  std::string wrong_sum = body;
  wrong_sum.back() ^= 1;
  EXPECT_THAT(error(wrong_sum), HasSubstr("is malformed"));
}

TEST(Encoding, WhatDoesNotGetSmallerIsLeft) {
  EXPECT_EQ(packed("", Encoding::kGzip), std::nullopt);
  EXPECT_EQ(packed("abc", Encoding::kGzip), std::nullopt);
}

TEST(Encoding, Headers) {
  EXPECT_EQ(encoding_called("gzip"), Encoding::kGzip);
  EXPECT_EQ(encoding_called(" GZIP "), Encoding::kGzip);
  EXPECT_EQ(encoding_called("x-gzip"), Encoding::kGzip);
  EXPECT_EQ(encoding_called("deflate"), Encoding::kDeflate);
  EXPECT_EQ(encoding_called("identity"), Encoding::kNone);
  for (const char* other : {"", "br", "gzip, gzip", "gzipp"})
    EXPECT_EQ(encoding_called(other), std::nullopt) << other;
  const std::pair<const char*, Encoding> accepted[] = {{"", Encoding::kNone},
                                                       {"gzip", Encoding::kGzip},
                                                       {"deflate, gzip;q=0.5", Encoding::kGzip},
                                                       {"br, Deflate ; q=1.0", Encoding::kDeflate},
                                                       {"gzip;q=0, deflate", Encoding::kDeflate},
                                                       {"gzip; q=0.000", Encoding::kNone},
                                                       {"identity, *", Encoding::kNone},
                                                       {",,;", Encoding::kNone}};
  for (const auto& [header, encoding] : accepted)
    EXPECT_EQ(accepted_encoding(header), encoding) << header;
}

}  // namespace
}  // namespace inferd::serve
