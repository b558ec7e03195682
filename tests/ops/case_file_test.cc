// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/case_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace inferd::ops {
namespace {

template <typename T>
std::vector<T> values(const CaseTensor& tensor) {
  std::vector<T> result(tensor.data.size() / sizeof(T));
  std::memcpy(result.data(), tensor.data.data(), tensor.data.size());
  return result;
}

TEST(CaseFile, ReadsEveryPartOfACase) {
  const Result<std::vector<OpCase>> cases = parse_cases(OpKind::kReduce, "reduce.test",
                                                        "# comment\n"
                                                        "\n"
                                                        "case: a title: with a colon  # comment\n"
                                                        "attributes: kind=max axes=0,2\n"
                                                        "  keep_dims=true\n"
                                                        "input: INT8 [2,1,3] scale=0.5 zero=-3 =\n"
                                                        "  2*-1 5\n"
                                                        "  1..3\n"
                                                        "output: FP32 [3] tolerance=0.25 = "
                                                        "i*2%3-1\n");
  ASSERT_TRUE(cases.ok()) << cases.status().message();
  ASSERT_EQ(cases->size(), 1U);
  const OpCase& c = cases->front();
  EXPECT_EQ(c.line, 3);
  const ReduceAttrs wanted{.kind = ReduceKind::kMax, .axes = {0, 2}, .keep_dims = true};
  EXPECT_EQ(std::get<ReduceAttrs>(c.attrs), wanted);
  ASSERT_EQ(c.inputs.size(), 1U);
  EXPECT_EQ(c.inputs[0].shape, (Shape{2, 1, 3}));
  EXPECT_EQ(c.inputs[0].quantization, (Quantization{{0.5F}, {-3}, 0}));
  EXPECT_EQ(values<int8_t>(c.inputs[0]), (std::vector<int8_t>{-1, -1, 5, 1, 2, 3}));
  EXPECT_EQ(c.outputs[0].tolerance, 0.25);
  EXPECT_EQ(values<float>(c.outputs[0]), (std::vector<float>{-1, 1, 0}));
}

TEST(CaseFile, SaysWhereAMistakeIs) {
  const auto message = [](const std::string& text) {
    return parse_cases(OpKind::kReduce, "reduce.test", text).status().message();
  };
  EXPECT_EQ(message("case: a\nattributes: axis=1\n"),
            "reduce.test:2: the operator has no attribute 'axis'");
  EXPECT_EQ(message("case: a\nattributes: kind=median\n"),
            "reduce.test:2: 'median' is no value for kind");
  EXPECT_EQ(message("case: a\ninput: FP32 [2] =\n  1\n"),
            "reduce.test:2: 1 values for the shape [2]");
  EXPECT_EQ(message("case: a\n\ninput: INT8 [1] = 128\n"),
            "reduce.test:3: cannot read the value '128'");
  EXPECT_EQ(message("case: a\ninput: F32 [1] = 1\n"), "reduce.test:2: no type is called 'F32'");
  EXPECT_EQ(message("input: FP32 [1] = 1\n"), "reduce.test:1: a file begins with 'case: title'");
  EXPECT_EQ(message("case: a\ncase: b\n"), "reduce.test:2: the case before has no output");
  EXPECT_EQ(message("case: a\n"), "reduce.test:1: no case, or no output");
  EXPECT_EQ(message("cases\n"), "reduce.test:1: expected 'key: text'");
}

}  // namespace
}  // namespace inferd::ops
