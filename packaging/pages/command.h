// SPDX-License-Identifier: Apache-2.0
//
// A program's command line as manual pages and completions need it, read from the definitions that
// the program itself parses with and prints for --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace inferd::pages {

struct Option {
  std::vector<std::string>
      names;          // "-o", "--output"; one without dashes of what has no name: "MODEL"
  std::string value;  // what follows, for people; empty: nothing does
  std::vector<std::string> choices;  // all values that there are, where they are known
  std::string about;
  std::string default_value;
  bool is_positional = false, is_required = false;
};

struct Command {
  std::string name;    // the last word
  std::string path;    // all words: "inferctl model sign"
  std::string about;   // one line
  std::string footer;  // lines after everything
  // Of its own: the program's may follow any command.
  std::vector<Option> options;
  std::vector<Command> commands;
};

Command describe(const CLI::App& program);

// Each writes a whole file.
std::string manual_page(const Command& program, int section, const std::string& date);
std::string bash_completion(const Command& program);
std::string zsh_completion(const Command& program);
std::string fish_completion(const Command& program);

}  // namespace inferd::pages
