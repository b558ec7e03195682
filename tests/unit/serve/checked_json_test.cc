// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/checked_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST(CheckedJson, GivesWhatTheLibraryWouldGive) {
  for (const char* text :
       {"null", "true", "-3", "18446744073709551615", "1.5e3", R"("\u00e9\n")", "[]", "{}",
        R"({"a": [1, [2.5, {"b": []}], "x"], "c": {"d": null, "e": [true, false]}, "a2": []})",
        R"([[1, 2], [3, 4], [[], [[]]], {"k": [{"l": {}}]}])", R"({"twice": 1, "twice": [2]})"}) {
    const auto parsed = parse_json(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status().to_string();
    EXPECT_EQ(*parsed, Json::parse(text)) << text;
  }
}

TEST(CheckedJson, SaysWhereItIsMalformed) {
  for (const char* text :
       {"", "[1,", "[1 2]", "{a: 1}", "[1] x", "nul", "[NaN]", "\"\xff\"", "01"}) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(parsed.status().message(), HasSubstr("malformed at byte")) << text;
  }
  EXPECT_THAT(parse_json("[1, 1e999]").status().message(),
              HasSubstr("malformed at byte 9: the number is too large"));
}

TEST(CheckedJson, NestingIsLimited) {
  const std::string open(64 << 20, '[');
  EXPECT_THAT(parse_json(open).status().message(), HasSubstr("nested deeper than 24 levels"));
  std::string objects;
  for (int i = 0; i < 100; ++i) objects += R"({"a":)";
  EXPECT_THAT(parse_json(objects).status().message(), HasSubstr("nested deeper than 24 levels"));
  const std::string deepest = std::string(24, '[') + std::string(24, ']');
  EXPECT_TRUE(parse_json(deepest).ok());
  EXPECT_FALSE(parse_json("[" + deepest + "]").ok());
}

TEST(CheckedJson, MemoryIsLimited) {
  const JsonLimits limits{.bytes = 10'000};
  const auto repeated = [](const std::string& item) {
    std::string text = "[";
    for (int i = 0; i < 1000; ++i) text += item + ",";
    return text + "0]";
  };
  for (const char* item : {"0", "[]", "{}", R"("x")", R"({"a":0})"}) {
    EXPECT_THAT(parse_json(repeated(item), limits).status().message(), HasSubstr("too many values"))
        << item;
    EXPECT_TRUE(parse_json(repeated(item)).ok()) << item;
  }
  EXPECT_FALSE(parse_json('"' + std::string(10'000, 'x') + '"', limits).ok());
  EXPECT_TRUE(parse_json('"' + std::string(9'000, 'x') + '"', limits).ok());
}

}  // namespace
}  // namespace inferd::serve
