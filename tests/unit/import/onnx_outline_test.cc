// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstring>

#include "engine/import/onnx/outline.h"
#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/onnx_builder.h"

namespace inferd::import {
namespace {

using ::testing::ElementsAre;

// y = x + c + d: c is an initializer, d a node's tensor, both raw and at odd addresses.
OnnxBuilder two_raw_constants() {
  const auto raw = [](onnx::TensorProto& t, const std::vector<float>& values) {
    t.clear_float_data();
    t.set_raw_data(values.data(), values.size() * sizeof(float));
  };
  OnnxBuilder b;
  b.input("x", {1, 4}).output("y", {1, 4});
  b.node("Constant", {}, {"d"});
  auto* const value = b.graph().mutable_node(0)->add_attribute();
  value->set_name("value");
  value->set_type(4);  // a tensor
  value->mutable_t()->set_data_type(1);
  value->mutable_t()->add_dims(4);
  raw(*value->mutable_t(), {100, 200, 300, 400});
  b.node("Add", {"x", "c"}, {"sum"}).node("Add", {"sum", "d"}, {"y"});
  b.floats("c", {4}, {0, 0, 0, 0});
  raw(*b.graph().mutable_initializer(0), {1, 2, 3, 4});
  return b;
}

TEST(OnnxOutline, HoldsPlacesInsteadOfRawData) {
  const std::string file = two_raw_constants().bytes();
  const Result<std::string> outline = outline_of(std::as_bytes(std::span(file)), 64);
  ASSERT_TRUE(outline.ok()) << outline.status().to_string();
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*outline));
  const auto floats_at = [&](const std::string& raw) {
    RawDataPlace place;
    EXPECT_EQ(raw.size(), sizeof place);
    std::memcpy(&place, raw.data(), sizeof place);
    std::vector<float> values(place.size / sizeof(float));
    std::memcpy(values.data(), file.data() + place.offset, place.size);
    return values;
  };
  EXPECT_THAT(floats_at(model.graph().initializer(0).raw_data()), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(floats_at(model.graph().node(0).attribute(0).t().raw_data()),
              ElementsAre(100, 200, 300, 400));
  EXPECT_EQ(model.graph().node(2).output(0), "y");
}

// Protocol Buffers reads this tag of five bytes as raw_data's, whose contents would name any place.
TEST(OnnxOutline, RefusesTagsOfMoreThan32Bits) {
  const auto field = [](const std::string& tag, const std::string& body) {
    return tag + static_cast<char>(body.size()) + body;
  };
  const std::string raw = field("\xCA\x80\x80\x80\x10", std::string(16, '\x7f'));
  const std::string file = field("\x3A", field("\x2A", raw));  // graph, initializer
  const Result<std::string> outline = outline_of(std::as_bytes(std::span(file)), 64);
  EXPECT_EQ(outline.status().code(), StatusCode::kDataLoss);
}

TEST(OnnxOutline, IsSmallHoweverLargeTheWeights) {
  OnnxBuilder b;
  b.floats("c", {4}, {});
  b.graph().mutable_initializer(0)->set_raw_data(std::string(1 << 22, 'w'));
  const std::string file = b.bytes();
  const Result<std::string> outline = outline_of(std::as_bytes(std::span(file)), 64);
  ASSERT_TRUE(outline.ok());
  EXPECT_LT(outline->size(), 200U);
}

TEST(OnnxOutline, RawDataIsReadWhereItLies) {
  EXPECT_THAT(run_floats(two_raw_constants().bytes(), {{10, 20, 30, 40}}),
              ElementsAre(111, 222, 333, 444));
}

TEST(OnnxOutline, EveryCutIsFoundOrLeavesAMessage) {
  const std::string file = two_raw_constants().bytes();
  int refused = 0;
  for (size_t size = 0; size < file.size(); ++size) {
    const Result<std::string> outline = outline_of(std::as_bytes(std::span(file)).first(size), 64);
    if (!outline.ok()) {
      EXPECT_EQ(outline.status().code(), StatusCode::kDataLoss);
      ++refused;
      continue;
    }
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(*outline)) << "cut at " << size;
  }
  EXPECT_GT(refused, 100);
}

TEST(OnnxOutline, RefusesGroupsAndEndlessNumbers) {
  const auto refused = [](std::string_view bytes) {
    return outline_of(std::as_bytes(std::span(bytes)), 64).status().code() == StatusCode::kDataLoss;
  };
  EXPECT_TRUE(refused("\x0b"));  // field 1 starts a group
  EXPECT_TRUE(refused("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));  // a varint of 11 bytes
  EXPECT_TRUE(refused("\x3a\xff\xff\xff\xff\x0f"));  // a graph longer than the file
}

}  // namespace
}  // namespace inferd::import
