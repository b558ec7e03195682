// SPDX-License-Identifier: Apache-2.0
//
// Classes as a server sends them, and what is no such thing.
#include <gtest/gtest.h>

#include <cstring>

#include "clients/cpp/grpc_messages.h"

namespace inferd {
namespace {

std::string element(const std::string& text) {
  const auto size = static_cast<uint32_t>(text.size());
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + text;
}

inference::ModelInferResponse response_with(const std::string& bytes,
                                            const std::vector<int64_t>& shape) {
  inference::ModelInferResponse response;
  auto* output = response.add_outputs();
  output->set_name("scores");
  output->set_datatype("BYTES");
  for (const int64_t dim : shape) output->add_shape(dim);
  response.add_raw_output_contents(bytes);
  return response;
}

TEST(ClassResults, AreRowsOfScoresIndicesAndLabels) {
  const auto results = class_results(response_with(
      element("0.75:2:cat") + element("-1e-3:0") + element("9:1:a: b") + element("3:0:"), {2, 2}));
  ASSERT_TRUE(results.ok()) << results.status().to_string();
  ASSERT_EQ(results.value().size(), 1U);
  const auto& rows = results.value()[0].rows;
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0][0].score, 0.75);
  EXPECT_EQ(rows[0][0].index, 2U);
  EXPECT_EQ(rows[0][0].label, "cat");
  EXPECT_EQ(rows[0][1].score, -1e-3);
  EXPECT_EQ(rows[0][1].label, "");
  EXPECT_EQ(rows[1][0].label, "a: b");
  EXPECT_EQ(rows[1][1].label, "");
  EXPECT_TRUE(class_results(response_with("", {0})).ok());
}

TEST(ClassResults, RefusesWhatIsNotUnderstood) {
  const std::string good = element("1:2:cat");
  const std::string bad[] = {good.substr(0, 3),     good.substr(0, good.size() - 1),
                             element(""),           element("1"),
                             element("1:"),         element("x:1"),
                             element("1:-1"),       element("1:2cat"),
                             std::string(4, '\xFF')};
  for (const std::string& bytes : bad)
    EXPECT_EQ(class_results(response_with(bytes, {1})).status().code(), StatusCode::kInternal)
        << bytes;
  EXPECT_FALSE(class_results(response_with(good, {})).ok());
  inference::ModelInferResponse other = response_with(good, {1});
  other.mutable_outputs(0)->set_datatype("FP32");
  EXPECT_FALSE(class_results(other).ok());
}

}  // namespace
}  // namespace inferd
