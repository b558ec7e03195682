// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/serve/frigate/messages.h"

namespace inferd::serve::frigate {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::string& header) {
  const Result<Header> parsed = parse_header(header);
  return parsed.ok() ? "" : parsed.status().message();
}

std::string picture(const std::string& shape, const std::string& dtype = "uint8") {
  return R"({"shape": )" + shape + R"(, "dtype": ")" + dtype + R"(", "model_type": "ssd"})";
}

TEST(FrigateMessages, APictureSaysItsSize) {
  const Result<Header> header = parse_header(picture("[1, 240, 320, 3]"));
  ASSERT_TRUE(header.ok()) << header.status().to_string();
  EXPECT_EQ(header->kind, Header::Kind::kPicture);
  EXPECT_EQ(header->width, 320);
  EXPECT_EQ(header->height, 240);
}

TEST(FrigateMessages, ModelsAreAskedForAndSent) {
  EXPECT_EQ(parse_header(R"({"model_request": true, "model_name": "m"})")->kind,
            Header::Kind::kModel);
  EXPECT_EQ(parse_header(R"({"model_data": true, "model_name": "m"})")->kind,
            Header::Kind::kModelData);
  EXPECT_EQ(answer_to_model(Header::Kind::kModel, true),
            R"({"model_available":true,"model_loaded":true})");
  EXPECT_EQ(answer_to_model(Header::Kind::kModel, false),
            R"({"model_available":false,"model_loaded":false})");
  EXPECT_EQ(answer_to_model(Header::Kind::kModelData, true),
            R"({"model_loaded":true,"model_saved":false})");
}

TEST(FrigateMessages, OtherTensorsAreToldWhatFrigateMustBeConfiguredTo) {
  EXPECT_THAT(refusal(picture("[1, 320, 320, 3]", "float32")), HasSubstr("input_dtype: int"));
  EXPECT_THAT(refusal(picture("[1, 3, 320, 320]")), HasSubstr("input_tensor: nhwc"));
}

TEST(FrigateMessages, HostileHeadersAreRefused) {
  for (const char* shape :
       {"[]", "[1, 2, 3]", "[2, 320, 320, 3]", "[1, 0, 320, 3]", "[1, -1, 320, 3]",
        "[1, 8193, 320, 3]", "[1, 320, 18446744073709551615, 3]", "[1, 1e9, 320, 3]",
        "[1, 320.5, 320, 3]", R"(["1", 320, 320, 3])", "[1, 320, 320, 3, 1]", "3", "{}", "null"}) {
    EXPECT_NE(refusal(picture(shape)), "") << shape;
  }
  for (const std::string& text : {std::string(), std::string("["), std::string("[]"),
                                  std::string("{}"), std::string("\xff\xfe"), picture("[1, 2"),
                                  std::string(R"({"shape": [1, 2, 2, 3], "dtype": 8})"),
                                  std::string(R"({"model_request": "yes"})")}) {
    EXPECT_NE(refusal(text), "") << text;
  }
  EXPECT_THAT(refusal(std::string(5000, ' ')), HasSubstr("4096"));
  EXPECT_NE(refusal(std::string(4096, '[')), "");
}

TEST(FrigateMessages, TheTensorIsAsLongAsItsHeaderSays) {
  const Header header{Header::Kind::kPicture, 4, 2};
  std::vector<uint8_t> bytes(4 * 2 * 3);
  const auto ok = picture_in(header, bytes, media::PixelFormat::kRgb);
  ASSERT_TRUE(ok.ok()) << ok.status().to_string();
  EXPECT_EQ(ok->width, 4);
  EXPECT_EQ(ok->height, 2);
  bytes.pop_back();
  EXPECT_FALSE(picture_in(header, bytes, media::PixelFormat::kRgb).ok());
  bytes.resize(25);
  EXPECT_FALSE(picture_in(header, bytes, media::PixelFormat::kRgb).ok());
}

pipeline::Detection detection(int class_id, float score) {
  pipeline::Detection detection;
  detection.box = {0.1F, 0.2F, 0.3F, 0.4F};
  detection.score = score;
  detection.class_id = class_id;
  return detection;
}

TEST(FrigateMessages, RowsAreTheSurestFirstAndThenZeros) {
  pipeline::FrameResult one, two;
  one.detections = {detection(3, 0.5F)};
  two.detections = {detection(7, 0.25F), detection(1, 0.75F)};
  const Table table = table_of({one, two});
  const std::vector<float> rows(table.begin(), table.end());
  EXPECT_THAT(std::vector(rows.begin(), rows.begin() + 18),
              ElementsAre(1, 0.75F, 0.2F, 0.1F, 0.4F, 0.3F, 3, 0.5F, 0.2F, 0.1F, 0.4F, 0.3F, 7,
                          0.25F, 0.2F, 0.1F, 0.4F, 0.3F));
  EXPECT_THAT(std::vector(rows.begin() + 18, rows.end()), Each(0));
  EXPECT_THAT(table_of({}), Each(0));
}

TEST(FrigateMessages, OfTooManyTheLeastSureAreLeftOut) {
  pipeline::FrameResult result;
  for (int i = 0; i < 50; ++i)
    result.detections.push_back(detection(i, static_cast<float>(i) / 64));
  const Table table = table_of({result});
  EXPECT_EQ(table[0], 49);
  EXPECT_EQ(table[19 * kColumns], 30);
}

}  // namespace
}  // namespace inferd::serve::frigate
