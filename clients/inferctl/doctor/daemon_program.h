// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace inferd::ctl {

struct Said {
  int status = -1;   // as of exit(); 127: there is no such program, -1: it did not end by itself
  std::string text;  // what it wrote to standard output, and where wanted to standard error
};

// Runs the daemon's program with an option and a file: the one that lies beside this program, or
// else that of the path.
Said ask_daemon_program(const std::string& option, const std::string& file, bool with_errors);

}  // namespace inferd::ctl
