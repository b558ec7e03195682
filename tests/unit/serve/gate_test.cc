// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;

Request with(const std::vector<std::pair<std::string, std::string>>& headers) {
  Request request;
  for (const auto& [name, value] : headers) request.headers[name] = value;
  return request;
}

Route route(Method method, Needs needs = Needs::kNothing) {
  Route route;
  route.method = method;
  route.pattern = "/x";
  route.needs = needs;
  return route;
}

Gate gate_on_loopback(const std::vector<std::string>& hosts = {}) {
  config::HttpListener listener;
  listener.loopback = true;
  listener.hosts = hosts;
  return {listener, Access()};
}

TEST(Gate, AddressesAndListedNamesAreItsOwn) {
  for (const char* host : {"localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8000", "[::1]",
                           "[::1]:8000", "192.168.0.7:1", "board", "Board:8000"}) {
    EXPECT_TRUE(is_own_host(host, {"board"})) << host;
  }
  for (const char* host : {"", ":80", "evil.example", "evil.example:80", "localhost.evil",
                           "board.x", "127.0.0.1.evil", "127.1", "0x7f000001", "[", "[]", "[evil]",
                           "[::1]evil", "localhost:evil", "localhost:", "localhost localhost"}) {
    EXPECT_FALSE(is_own_host(host, {"board"})) << host;
  }
}

TEST(Gate, PagesOfOthersAreToldByTheirHeaders) {
  EXPECT_TRUE(is_same_origin(with({{"Host", "a:1"}})));
  EXPECT_TRUE(is_same_origin(with({{"Host", "a:1"}, {"Origin", "http://a:1"}})));
  EXPECT_TRUE(is_same_origin(with({{"Host", "a"}, {"Origin", "https://A"}})));
  EXPECT_FALSE(is_same_origin(with({{"Host", "a:1"}, {"Origin", "http://a"}})));
  EXPECT_FALSE(is_same_origin(with({{"Host", "a:1"}, {"Origin", "http://b:1"}})));
  EXPECT_FALSE(is_same_origin(with({{"Host", "a:1"}, {"Origin", "null"}})));
  EXPECT_FALSE(is_same_origin(with({{"Host", ""}, {"Origin", "null"}})));
  EXPECT_FALSE(is_same_origin(with({{"Origin", "http://a"}})));
  // What browsers say of the site counts before the rest.
  EXPECT_FALSE(is_same_origin(
      with({{"Host", "a"}, {"Origin", "http://a"}, {"Sec-Fetch-Site", "cross-site"}})));
  EXPECT_FALSE(is_same_origin(with({{"Sec-Fetch-Site", "same-site"}})));
  EXPECT_TRUE(is_same_origin(with({{"Sec-Fetch-Site", "none"}})));
}

TEST(Gate, OthersMayReadWhatIsPublicAndChangeNothing) {
  const Gate gate;
  Request request = with({{"Host", "a"}, {"Origin", "http://b"}});
  EXPECT_FALSE(gate.check(request, route(Method::kGet)));
  for (const Method method : {Method::kPost, Method::kPut})
    EXPECT_EQ(gate.check(request, route(method))->code, 403);
  Route own = route(Method::kGet);
  own.same_origin = true;
  EXPECT_EQ(gate.check(request, own)->code, 403);
}

TEST(Gate, ABodyHasTheTypeThatTheRouteTakes) {
  const Gate gate;
  Route json = route(Method::kPost);
  json.takes = "application/json";
  for (const char* type : {"application/json", "Application/JSON ; charset=utf-8"}) {
    Request request = with({{"Content-Type", type}});
    EXPECT_FALSE(gate.check(request, json)) << type;
  }
  for (const char* type : {"", "text/plain", "application/jsonx", "text/plain; application/json"}) {
    Request request = with({{"Content-Type", type}});
    EXPECT_EQ(gate.check(request, json)->code, 415) << type;
  }
  Request without = with({});
  EXPECT_EQ(gate.check(without, json)->code, 415);
}

TEST(Gate, NamesAreLookedAtOnLoopbackAndWhereSomeAreListed) {
  Request evil = with({{"Host", "evil.example"}});
  Request none = with({});
  EXPECT_EQ(gate_on_loopback().check(evil, route(Method::kGet))->code, 403);
  EXPECT_FALSE(gate_on_loopback().check(none, route(Method::kGet)));
  EXPECT_FALSE(gate_on_loopback({"evil.example"}).check(evil, route(Method::kGet)));
  EXPECT_FALSE(Gate().check(evil, route(Method::kGet)));
  config::HttpListener elsewhere;
  elsewhere.hosts = {"board"};
  EXPECT_EQ(Gate(elsewhere, Access()).check(evil, route(Method::kGet))->code, 403);
}

TEST(Gate, WhoIsNobodyAndWhoMayLess) {
  const config::AccessRule rule{.roles = {"observe"}, .everyone = true};
  Gate gate({}, *Access::create({&rule, 1}));
  Request request;
  request.peer = [] { return Peer(); };
  EXPECT_FALSE(gate.check(request, route(Method::kGet, Needs::kObserve)));
  EXPECT_TRUE(request.roles.has(Role::kObserve));
  Route coded = route(Method::kPost, Needs::kAdmin);
  coded.coded_errors = true;
  const auto refused = gate.check(request, coded);
  EXPECT_EQ(refused->code, 403);
  EXPECT_THAT(refused->body, HasSubstr("\"code\":\"permission_denied\""));
  EXPECT_THAT(gate.check(request, route(Method::kPost, Needs::kAdmin))->body,
              HasSubstr("{\"error\":\"POST /x needs the role 'admin'"));
  Request open;
  EXPECT_FALSE(Gate().check(open, route(Method::kPost, Needs::kAdmin)));
  EXPECT_EQ(open.roles, Roles::all());
}

TEST(CodedError, HasTheStatusOfItsCode) {
  EXPECT_EQ(coded_error(not_found("x")).code, 404);
  EXPECT_EQ(coded_error(not_found("x")).body, R"({"code":"not_found","message":"x"})");
  EXPECT_EQ(coded_error(failed_precondition("x")).code, 400);
  EXPECT_THAT(coded_error(failed_precondition("x")).body, HasSubstr("failed_precondition"));
  EXPECT_THAT(coded_error(Status(StatusCode::kUnknown, "x")).body, HasSubstr("\"unknown\""));
  EXPECT_THAT(coded_error(413, "x").body, HasSubstr("resource_exhausted"));
  EXPECT_THAT(coded_error(401, "x").body, HasSubstr("unauthenticated"));
  EXPECT_THAT(coded_error(503, "x").body, HasSubstr("unavailable"));
  EXPECT_THAT(coded_error(418, "x").body, HasSubstr("\"unknown\""));
}

}  // namespace
}  // namespace inferd::serve
