// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/router.h"

#include <gtest/gtest.h>

namespace inferd::serve {
namespace {

Router make_router() {
  const SyncHandler nothing = [](const Request&) { return Response(); };
  return Router({{Method::kGet, "/v2", Needs::kNothing, nothing},
                 {Method::kGet, "/v2/models/stats", Needs::kNothing, nothing},
                 {Method::kGet, "/v2/models/{model}", Needs::kNothing, nothing},
                 {Method::kPost, "/v2/models/{model}/infer", Needs::kNothing, nothing},
                 {Method::kGet, "/v2/models/{model}/versions/{version}", Needs::kNothing, nothing},
                 {Method::kPost, "/both", Needs::kNothing, nothing},
                 {Method::kGet, "/both", Needs::kNothing, nothing}});
}

TEST(Router, FindsTheFirstPatternThatFits) {
  const Router router = make_router();
  const std::pair<const char*, const char*> cases[] = {
      {"/v2", "/v2"},
      {"/v2/models/stats", "/v2/models/stats"},
      {"/v2/models/stat", "/v2/models/{model}"},
      {"/v2/models/%73tats", "/v2/models/stats"},
      {"/v2/models/m/versions/3", "/v2/models/{model}/versions/{version}"},
  };
  for (const auto& [path, pattern] : cases) {
    const Router::Match match = router.match("GET", path);
    ASSERT_NE(match.route, nullptr) << path;
    EXPECT_EQ(match.route->pattern, pattern) << path;
  }
}

TEST(Router, DecodesCapturesSegmentBySegment) {
  const Router router = make_router();
  const Router::Match match = router.match("GET", "/v2/models/a%2Fb%20c/versions/%31");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.captures.at("model"), "a/b c");
  EXPECT_EQ(match.captures.at("version"), "1");
}

TEST(Router, OtherPathsFitNothing) {
  const Router router = make_router();
  for (const std::string path :
       {"", "/", "v2", "/v2/", "//v2", "/V2", "/v2/models/", "/v2/models//infer", "/v2/models/a/b",
        "/v2/models/%", "/v2/models/%2", "/v2/models/%zz", "/v2/models/%00", "/v2/models/a%00b",
        "/v2/models/%+1", "/v2/models/% 1", "*", "http://host/v2"}) {
    const Router::Match match = router.match("GET", path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_EQ(match.allowed, "") << path;
  }
  EXPECT_EQ(router.match("GET", std::string_view("/v2/models/a\0b", 14)).allowed, "");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "/a";
  EXPECT_EQ(router.match("GET", deep).allowed, "");
}

TEST(Router, TellsWhichMethodsAPathTakes) {
  const Router router = make_router();
  EXPECT_EQ(router.match("POST", "/v2").allowed, "GET, HEAD");
  EXPECT_EQ(router.match("GET", "/v2/models/m/infer").allowed, "POST");
  EXPECT_EQ(router.match("PUT", "/both").allowed, "POST, GET, HEAD");
  EXPECT_EQ(router.match("get", "/v2").route, nullptr);
  EXPECT_NE(router.match("HEAD", "/v2").route, nullptr);
  EXPECT_EQ(router.match("HEAD", "/v2/models/m/infer").route, nullptr);
}

}  // namespace
}  // namespace inferd::serve
