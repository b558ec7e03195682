// SPDX-License-Identifier: Apache-2.0
//
// The examples of the C++ client do what they say, over each transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/integration/live_daemon.h"

namespace inferd {
namespace {

// What a program prints to both of its outputs, and its exit code at the end.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "cannot run " + command;
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  const int status = ::pclose(pipe);
  return text + "exit " + std::to_string(WEXITSTATUS(status));
}

class ClientExampleTest : public testing::TestWithParam<const char*> {
 protected:
  std::string run(const std::string& example, const std::string& arguments) const {
    return output_of(INFERD_EXAMPLES "/example-" + example + " " + daemon_.endpoint(GetParam()) +
                     " " + arguments);
  }

 private:
  const LiveDaemon daemon_{Models{
      {"copy", R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [-1, 4]}]})"},
      {"sum", R"({"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [1]}]})"},
      {"fail", R"({"backend": "fail", "message": "broken",
                   "inputs": [{"datatype": "FP32", "shape": [1]}]})"}}};
};
INSTANTIATE_TEST_SUITE_P(Transport, ClientExampleTest, testing::Values("grpc", "local"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(ClientExampleTest, DoesWhatItSays) {
  using testing::HasSubstr;
  EXPECT_EQ(run("infer", "copy"), "OUTPUT0 FP32 [1,4], 16 bytes\nexit 0");
  EXPECT_THAT(run("infer", "nothing"), testing::AllOf(HasSubstr("NOT_FOUND"), HasSubstr("exit 1")));
  EXPECT_THAT(run("async", "copy"),
              testing::AllOf(HasSubstr("1 outputs\n1 outputs\n"), HasSubstr("exit 0")));
  EXPECT_THAT(run("stream", "copy 300"),
              testing::AllOf(HasSubstr("300 answers, 0 errors"), HasSubstr("exit 0")));
  EXPECT_THAT(run("stream", "fail 3"),
              testing::AllOf(HasSubstr("broken"), HasSubstr("0 answers, 3 errors")));
  EXPECT_EQ(run("sequence", "sum"),
            "step 1 of 5: 1 outputs\nstep 2 of 5: 1 outputs\nstep 3 of 5: 1 outputs\n"
            "step 4 of 5: 1 outputs\nstep 5 of 5: 1 outputs\nexit 0");
  EXPECT_THAT(run("sequence", ""), HasSubstr("usage"));
}

TEST(ClientExampleInCTest, DoesWhatItSays) {
  using testing::HasSubstr;
  const LiveDaemon daemon(Models{{"copy", R"({"backend": "identity",
                                              "inputs": [{"datatype": "INT64", "shape": [-1, 4]}]})"}});
  const std::string command = INFERD_C_EXAMPLE " " + daemon.endpoint("local").substr(6);
  EXPECT_EQ(output_of(command + " copy"), "INPUT0: 32 bytes\nOUTPUT0: 32 bytes\nexit 0");
  EXPECT_THAT(output_of(command + " nothing"),
              testing::AllOf(HasSubstr("there is no model 'nothing'"), HasSubstr("exit 1")));
  EXPECT_THAT(output_of(INFERD_C_EXAMPLE " /nonexistent copy"), HasSubstr("nobody answers"));
}

}  // namespace
}  // namespace inferd
