// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd::serve {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

Access access(const std::vector<config::AccessRule>& rules) {
  auto access = Access::create(rules);
  EXPECT_TRUE(access.ok()) << access.status().to_string();
  return *std::move(access);
}

Peer process(uid_t uid, std::vector<gid_t> groups = {}) {
  Peer peer;
  peer.process = Peer::Process{1, uid, std::move(groups)};
  return peer;
}

TEST(Access, WithoutRulesEverybodyMayDoEverything) {
  EXPECT_EQ(Access().roles_of({}), Roles::all());
  EXPECT_TRUE(Access().is_open());
}

TEST(Access, UsersAndGroupsOfAProcess) {
  const Access rules = access({{.roles = {"admin"}, .users = {"root"}},
                               {.roles = {"infer"}, .groups = {"100", "200"}},
                               {.roles = {"observe"}, .users = {"7"}}});
  EXPECT_TRUE(rules.roles_of(process(0)).has(Role::kAdmin));
  EXPECT_EQ(rules.roles_of(process(7, {5, 200})).to_string(), "infer, observe");
  EXPECT_EQ(rules.roles_of(process(8, {5})).to_string(), "none");
  EXPECT_EQ(rules.roles_of({}).to_string(), "none") << "no process at all";
}

TEST(Access, AnAdministratorMayDoAllTheRestToo) {
  const Roles roles = access({{.roles = {"admin"}, .everyone = true}}).roles_of({});
  EXPECT_TRUE(roles.has(Role::kInfer));
  EXPECT_TRUE(roles.has(Role::kObserve));
  EXPECT_TRUE(check_role(roles, Role::kInfer, "ModelInfer").ok());
}

TEST(Access, ADenialSaysWhatIsNeededAndWhatThereIs) {
  const Roles roles = access({{.roles = {"infer"}, .everyone = true}}).roles_of({});
  const Status denied = check_role(roles, Role::kAdmin, "RepositoryModelLoad");
  EXPECT_EQ(denied.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(denied.message(),
            "RepositoryModelLoad needs the role 'admin', and the caller has: infer");
}

TEST(Access, WhatACallNeeds) {
  const Roles none;
  const Roles infer = access({{.roles = {"infer"}, .everyone = true}}).roles_of({});
  const Roles observe = access({{.roles = {"observe"}, .everyone = true}}).roles_of({});
  const Roles admin = access({{.roles = {"admin"}, .everyone = true}}).roles_of({});
  struct Case {
    Needs needs;
    bool none, infer, observe;
  };
  const Case cases[] = {{Needs::kNothing, true, true, true},
                        {Needs::kAnyRole, false, true, true},
                        {Needs::kInfer, false, true, false},
                        {Needs::kObserve, false, false, true},
                        {Needs::kAdmin, false, false, false}};
  for (const Case& c : cases) {
    EXPECT_EQ(check_needs(none, c.needs, "it").ok(), c.none);
    EXPECT_EQ(check_needs(infer, c.needs, "it").ok(), c.infer);
    EXPECT_EQ(check_needs(observe, c.needs, "it").ok(), c.observe);
    EXPECT_TRUE(check_needs(admin, c.needs, "it").ok());
  }
  EXPECT_EQ(check_needs(none, Needs::kAnyRole, "it").message(),
            "it needs the role 'infer' or 'observe', and the caller has: none");
}

TEST(Access, BearerTokens) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bEARER abc"), "abc");
  for (const char* other : {"", "Bearer", "Basic abc", "Bearerabc"}) {
    EXPECT_EQ(bearer_token(other), "") << other;
  }
}

TEST(Access, SubjectsOfCertificates) {
  const Access rules = access({{.roles = {"infer"}, .subjects = {"arm"}}});
  Peer peer;
  EXPECT_FALSE(rules.roles_of(peer).has(Role::kInfer)) << "no certificate";
  peer.subject = "leg";
  EXPECT_FALSE(rules.roles_of(peer).has(Role::kInfer));
  peer.subject = "arm";
  EXPECT_TRUE(rules.roles_of(peer).has(Role::kInfer));
}

class Tokens : public ::testing::Test {
 protected:
  Result<Access> with(const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_.file("tokens");
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    config::AccessRule rule{.roles = {"observe"}, .tokens = path};
    rule.mark = {"c.yaml", 3, 7};
    return Access::create(std::vector{rule});
  }
  TemporaryFolder folder_;
};

TEST_F(Tokens, OfAFile) {
  const auto rules = with("# for the dashboard\n\n0123456789abcdef\r\nfedcba9876543210\n");
  ASSERT_TRUE(rules.ok()) << rules.status().to_string();
  Peer peer;
  EXPECT_FALSE(rules->roles_of(peer).has(Role::kObserve));
  for (const char* token : {"0123456789abcdef", "fedcba9876543210"}) {
    peer.token = token;
    EXPECT_TRUE(rules->roles_of(peer).has(Role::kObserve));
  }
  for (const char* token : {"0123456789abcdeX", "0123456789abcde", "# for the dashboard"}) {
    peer.token = token;
    EXPECT_FALSE(rules->roles_of(peer).has(Role::kObserve)) << token;
  }
}

TEST_F(Tokens, ThatAreNoSecretsAreRefused) {
  EXPECT_THAT(with("0123456789abcdef\n", 0644).status().message(),
              HasSubstr("secrets that others can read"));
  EXPECT_THAT(with("short\n").status().message(), HasSubstr("less than 16 characters"));
  EXPECT_THAT(with("# none\n").status().message(), HasSubstr("has no token"));
  EXPECT_THAT(with("short\n").status().message(), HasSubstr("c.yaml:3:7"));
}

TEST(Access, WhoDoesNotExistIsRefused) {
  const std::vector<config::AccessRule> users = {{.roles = {"infer"}, .users = {"nobody-at-all"}}};
  EXPECT_THAT(Access::create(users).status().message(), HasSubstr("no user 'nobody-at-all'"));
  const std::vector<config::AccessRule> groups = {
      {.roles = {"infer"}, .groups = {"nobody-at-all"}}};
  EXPECT_THAT(Access::create(groups).status().message(), HasSubstr("no group 'nobody-at-all'"));
}

TEST(Access, TheKernelTellsWhoIsBehindASocket) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const auto process = process_behind(sockets[0]);
  ASSERT_TRUE(process.ok()) << process.status().to_string();
  EXPECT_EQ(process->pid, ::getpid());
  EXPECT_EQ(process->uid, ::getuid());
  EXPECT_THAT(process->groups, Contains(::getgid()));
  ::close(sockets[0]);
  ::close(sockets[1]);
}

}  // namespace
}  // namespace inferd::serve
