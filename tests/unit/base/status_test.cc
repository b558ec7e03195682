// SPDX-License-Identifier: Apache-2.0
#include "inferd/engine/status.h"

#include <gtest/gtest.h>

#include "engine/base/cpu_features.h"

namespace inferd {
namespace {

TEST(Status, CarriesCodeAndMessage) {
  const Status status = not_found("no model 'x'");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "no model 'x'");
  EXPECT_EQ(status.to_string(), "NOT_FOUND: no model 'x'");
  const Status outer = status.with_context("loading");
  EXPECT_EQ(outer.code(), StatusCode::kNotFound);
  EXPECT_EQ(outer.message(), "loading: no model 'x'");
}

TEST(Status, OkIsOkInEveryForm) {
  EXPECT_TRUE(Status().ok());
  EXPECT_TRUE(Status(StatusCode::kOk, "ignored").ok());
  EXPECT_TRUE(ok_status().with_context("anything").ok());
  EXPECT_EQ(Status().to_string(), "OK");
  EXPECT_EQ(Status().message(), "");
}

Result<int> half(int value) {
  if (value % 2 != 0) return invalid_argument("odd");
  return value / 2;
}
Result<int> quarter(int value) {
  INFERD_ASSIGN_OR_RETURN(const int once, half(value));
  INFERD_ASSIGN_OR_RETURN(const int twice, half(once));
  return twice;
}

TEST(Result, PassesErrorsOn) {
  ASSERT_TRUE(quarter(8).ok());
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_TRUE(quarter(8).status().ok());
  EXPECT_EQ(quarter(6).status().message(), "odd");
}

TEST(Isa, NamesComeBackAndTheBestIsThere) {
  for (int i = 0; i <= static_cast<int>(Isa::kNeonI8mm); ++i) {
    const auto isa = static_cast<Isa>(i);
    EXPECT_EQ(isa_from_name(isa_name(isa)), isa);
  }
  EXPECT_EQ(isa_from_name("sse"), std::nullopt);
  EXPECT_TRUE(cpu_has(Isa::kPortable));
  EXPECT_TRUE(cpu_has(best_isa()));
}

}  // namespace
}  // namespace inferd
