// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "daemon/config/config.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }
  std::string errors(const std::string& text) {
    const auto config = load(write("c.yaml", text));
    return config.ok() ? "" : config.status().message();
  }

  TemporaryFolder folder_;
};

TEST_F(ConfigTest, AnEmptyFileHasTheDefaults) {
  const auto config = load(write("c.yaml", "log: {level: info}\n"));
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  ASSERT_EQ(config->server.grpc.size(), 1U);
  EXPECT_EQ(config->server.grpc[0].address, "unix:/run/inferd/inferd.sock");
  EXPECT_EQ(config->server.grpc[0].socket_mode, 0660);
}

TEST_F(ConfigTest, HalfPrecisionWaitsForPermission) {
  const auto silent = load(write("silent.yaml", "engine: {threads: 1}\n"));
  const auto allowed = load(write("allowed.yaml", "engine: {allow_float16: true}\n"));
  ASSERT_TRUE(silent.ok() && allowed.ok());
  EXPECT_FALSE(silent->engine.allow_float16);
  EXPECT_TRUE(allowed->engine.allow_float16);
  EXPECT_THAT(errors("engine: {allow_float16: sometimes}\n"), HasSubstr("c.yaml:1:25: "));
}

TEST_F(ConfigTest, TheShippedConfigurationIsValid) {
  const auto config = load(INFERD_SOURCE_DIR "/config/inferd.yaml");
  EXPECT_TRUE(config.ok()) << config.status().to_string();
}

TEST_F(ConfigTest, PathsAreRelativeToTheFile) {
  write("p.yaml", "name: p\nsource: {images: {path: pictures}}\n");
  const auto config =
      load(write("c.yaml",
                 "server: {grpc: [unix:s, {address: unix:t}, 'unix:/run/u', 127.0.0.1:1]}\n"
                 "models: {root: models, max_nodes: 7}\npipelines: [{file: p.yaml}]\n"));
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  ASSERT_EQ(config->server.grpc.size(), 4U);
  EXPECT_EQ(config->models.max_nodes, 7);
  EXPECT_EQ(config->server.grpc[0].address, "unix:" + folder_.file("s"));
  EXPECT_EQ(config->server.grpc[1].address, "unix:" + folder_.file("t"));
  EXPECT_EQ(config->server.grpc[2].address, "unix:/run/u");
  EXPECT_EQ(config->server.grpc[3].address, "127.0.0.1:1");
  EXPECT_EQ(config->models.root, folder_.file("models"));
  EXPECT_EQ(config->pipelines[0].source.entries.at("path").items[0], folder_.file("pictures"));
}

TEST_F(ConfigTest, HttpIsOffUnlessItIsListed) {
  const auto silent = load(write("silent.yaml", "server: {drain_timeout_ms: 1}\n"));
  ASSERT_TRUE(silent.ok());
  EXPECT_TRUE(silent->server.http.empty());
  const auto listed =
      load(write("listed.yaml",
                 "server: {http: [127.0.0.1:8000, {address: unix:h, mode: '0600', timeout_s: 5, "
                 "max_connections: 9}, {address: '0.0.0.0:8000', insecure: true}]}\n"));
  ASSERT_TRUE(listed.ok()) << listed.status().to_string();
  ASSERT_EQ(listed->server.http.size(), 3U);
  EXPECT_EQ(listed->server.http[0].address, "127.0.0.1:8000");
  EXPECT_EQ(listed->server.http[0].timeout_s, 60);
  EXPECT_EQ(listed->server.http[1].address, "unix:" + folder_.file("h"));
  EXPECT_EQ(listed->server.http[1].socket_mode, 0600);
  EXPECT_EQ(listed->server.http[1].timeout_s, 5);
  EXPECT_EQ(listed->server.http[1].max_connections, 9);
  ASSERT_EQ(listed->server.grpc.size(), 1U);  // as without
  EXPECT_EQ(listed->server.grpc[0].max_connections, 1024);
  const auto bounded = load(write(
      "bounded.yaml", "server: {grpc: [{address: 'unix:g', max_connections: 7}, unix:other]}\n"));
  ASSERT_TRUE(bounded.ok()) << bounded.status().to_string();
  EXPECT_EQ(bounded->server.grpc[0].max_connections, 7);
  EXPECT_EQ(bounded->server.grpc[1].max_connections, 1024);
}

TEST_F(ConfigTest, MistakesAreReportedWithTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"serverr: {}\n", "c.yaml:1:1: unknown key 'serverr'; did you mean 'server'?"},
      {"server: {grpc: unix:x}\n", "c.yaml:1:16: 'grpc' must be a list of listeners"},
      {"server: {grpc: []}\n", "c.yaml:1:16: 'grpc' lists no address"},
      {"server: {grpc: [nonsense]}\n",
       "c.yaml:1:17: 'nonsense' is neither unix:PATH nor HOST:PORT"},
      {"server: {grpc: ['0.0.0.0:8001']}\n",
       "c.yaml:1:17: '0.0.0.0:8001' can be reached from other machines"},
      {"server: {grpc: [{address: unix:x, mode: '999'}]}\n", "'mode' must be octal"},
      {"server: {http: 1.2.3.4:5}\n", "c.yaml:1:16: 'http' must be a list of listeners"},
      {"server: {http: ['0.0.0.0:8000']}\n",
       "c.yaml:1:17: '0.0.0.0:8000' can be reached from other machines"},
      {"server: {http: [{address: unix:x, timeout: 1}]}\n", "did you mean 'timeout_s'?"},
      {"server: {grpc: [{address: unix:x, timeout_s: 1}]}\n", "unknown key 'timeout_s'"},
      {"server: {drain_timeout_ms: soon}\n",
       "c.yaml:1:28: 'drain_timeout_ms' must be a whole number from 0"},
      {"engine: {threads: 1000}\n", "'threads' must be a whole number from 0 to 256"},
      {"models: {serve: [{name: a/b}]}\n", "'a/b' is not a model name"},
      {"models: {serve: [a, a]}\n", "c.yaml:1:21: model 'a' is listed twice"},
      {"models: {serve: [{name: a, max_batch: 0}]}\n",
       "c.yaml:1:39: 'max_batch' must be a whole number from 1"},
      {"models: {max_nesting: 4}\n", "c.yaml:1:23: 'max_nesting' must be a whole number from 8"},
      {"log: {level: info}\nlog: {level: info}\n", "c.yaml:2:1: key 'log' stands twice"},
      {"log: {format: xml}\n", "c.yaml:1:15: 'format' must be one of text, json"},
      {"a: &x [1]\nb: *x\n", "c.yaml:2:4: aliases (*name) are not supported"},
      {"a: [\n", "c.yaml:2:1: "},
      {"--- {}\n--- {}\n", "more than one document"},
      {"pipelines: [{name: p}]\n", "c.yaml:1:13: a pipeline needs a 'source'"},
      {"pipelines: [{name: p, source: {a: {}, b: {}}}]\n",
       "is written as its type, or as 'type: {keys}'"},
      {"pipelines: [{file: none.yaml}]\n", "none.yaml'"},
  };
  for (const auto& [text, message] : cases) EXPECT_THAT(errors(text), HasSubstr(message)) << text;
}

TEST_F(ConfigTest, AllMistakesAreReportedAtOnce) {
  const std::string text = errors("engine: {threads: x}\nlog: {level: loud}\nfoo: 1\n");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST_F(ConfigTest, DeepNestingIsRefusedBeforeItIsBuilt) {
  EXPECT_THAT(errors("a: " + std::string(2000, '[') + std::string(2000, ']') + "\n"),
              HasSubstr("nested more than 32 levels deep"));
}

TEST_F(ConfigTest, OtherMachinesNeedTheWordInsecure) {
  EXPECT_EQ(errors("server: {grpc: [{address: '0.0.0.0:8001', insecure: true}]}\n"), "");
  for (const std::string local : {"127.0.0.1:8001", "127.255.0.3:1", "localhost:8001", "[::1]:8001",
                                  "ipv4:127.0.0.1:8001", "ipv6:[::1]:8001"}) {
    EXPECT_EQ(errors("server: {grpc: ['" + local + "']}\n"), "") << local;
  }
  for (const std::string other :
       {"127.example.org:8001", "127.0.0.1.example.org:1", "localhost.example.org:1", "[::2]:8001",
        "128.0.0.1:1", "[::]:1", "127.1:1", "dns:127.0.0.1:1"}) {
    EXPECT_THAT(errors("server: {grpc: ['" + other + "']}\n"),
                HasSubstr("'" + other + "' can be reached from other machines"));
  }
}

TEST_F(ConfigTest, RulesOfAListener) {
  const auto config =
      load(write("c.yaml",
                 "server:\n"
                 "  grpc:\n"
                 "    - address: unix:s\n"
                 "      allow:\n"
                 "        - {roles: [admin], users: [root], groups: [adm]}\n"
                 "        - {roles: [infer, observe], everyone: true}\n"
                 "    - address: 0.0.0.0:8001\n"
                 "      tls: {certificate: c.pem, key: /k.pem, client_ca: ca.pem}\n"
                 "      allow: [{roles: [infer], subjects: [arm], tokens: t}]\n"
                 "  http:\n"
                 "    - address: 0.0.0.0:8000\n"
                 "      tls:\n"
                 "        certificate: c.pem\n"
                 "        key: k.pem\n"
                 "      allow: [{roles: [observe], tokens: t}]\n"
                 "    - {address: 'unix:h', allow: [{roles: [infer], groups: [adm]}]}\n"
                 "  local: [{path: l, allow: [{roles: [infer], users: ['1']}]}]\n"));
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  ASSERT_EQ(config->server.grpc.size(), 2U);
  ASSERT_EQ(config->server.grpc[0].allow.size(), 2U);
  EXPECT_EQ(config->server.grpc[0].allow[0].groups, std::vector<std::string>{"adm"});
  EXPECT_EQ(config->server.grpc[0].allow[1].roles, (std::vector<std::string>{"infer", "observe"}));
  EXPECT_TRUE(config->server.grpc[0].allow[1].everyone);
  EXPECT_EQ(config->server.grpc[1].tls->certificate.path, folder_.file("c.pem"));
  EXPECT_EQ(config->server.grpc[1].tls->key.path, "/k.pem");
  EXPECT_EQ(config->server.grpc[1].allow[0].tokens, folder_.file("t"));
  ASSERT_EQ(config->server.http.size(), 2U);
  EXPECT_EQ(config->server.http[0].tls->key.path, folder_.file("k.pem"));
  EXPECT_EQ(config->server.http[0].tls->key.mark.line, 14);
  EXPECT_EQ(config->server.http[0].allow[0].roles, std::vector<std::string>{"observe"});
  EXPECT_EQ(config->server.http[1].allow[0].groups, std::vector<std::string>{"adm"});
  EXPECT_EQ(config->server.local[0].allow[0].users, std::vector<std::string>{"1"});
}

TEST_F(ConfigTest, RulesThatNobodyCanMeetAreRefused) {
  const auto rule = [&](const std::string& listener, const std::string& text) {
    return errors("server: {grpc: [{address: '" + listener + "', allow: [" + text + "]}]}\n");
  };
  EXPECT_THAT(rule("unix:s", "{roles: [boss], everyone: true}"), HasSubstr("no role 'boss'"));
  EXPECT_THAT(rule("unix:s", "{everyone: true}"), HasSubstr("a rule needs roles"));
  EXPECT_THAT(rule("unix:s", "{roles: [infer]}"), HasSubstr("a rule names users, groups"));
  EXPECT_THAT(rule("127.0.0.1:1", "{roles: [infer], users: [root]}"),
              HasSubstr("only peers of a Unix socket have users"));
  EXPECT_THAT(rule("127.0.0.1:1", "{roles: [infer], subjects: [a]}"),
              HasSubstr("the listener needs tls with client_ca"));
  EXPECT_THAT(errors("server: {grpc: [{address: '1.2.3.4:1', insecure: true, "
                     "allow: [{roles: [infer], tokens: t}]}]}\n"),
              HasSubstr("tokens would travel without encryption"));
  EXPECT_THAT(errors("server: {http: [{address: '1.2.3.4:1', insecure: true, "
                     "allow: [{roles: [infer], tokens: t}]}]}\n"),
              HasSubstr("tokens would travel without encryption"));
  EXPECT_THAT(rule("unix:s", ""), HasSubstr("and not empty"));
  EXPECT_THAT(errors("server: {grpc: [{address: '1.2.3.4:1', tls: {key: k}}]}\n"),
              HasSubstr("'tls' needs a certificate and a key"));
  EXPECT_THAT(errors("server: {grpc: [{address: 'unix:s', tls: {key: k, certificate: c}}]}\n"),
              HasSubstr("a Unix socket needs no tls"));
}

TEST_F(ConfigTest, TracesGoToAFolderAndNowhereElse) {
  const auto config = load(write("c.yaml",
                                 "trace: {folder: traces, file: t.json, timestamps: true, rate: 5, "
                                 "count: 7, log_frequency: 2}\n"));
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  EXPECT_EQ(config->trace.folder, folder_.file("traces"));
  EXPECT_EQ(config->trace.file, "t.json");
  EXPECT_TRUE(config->trace.timestamps);
  EXPECT_EQ(config->trace.rate, 5);
  EXPECT_EQ(config->trace.count, 7);
  EXPECT_EQ(config->trace.log_frequency, 2);
  EXPECT_THAT(errors("trace: {folder: a, file: ../t.json}\n"), HasSubstr("must be a name"));
  EXPECT_THAT(errors("trace: {folder: a, timestamps: true}\n"),
              HasSubstr("'timestamps' needs 'folder' and 'file'"));
  EXPECT_THAT(errors("trace: {rate: 0}\n"), HasSubstr("'rate'"));
}

}  // namespace
}  // namespace inferd::config
