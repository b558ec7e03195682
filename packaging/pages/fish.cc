// SPDX-License-Identifier: Apache-2.0
//
// Completion for fish: a line for each word, on the condition that the words before it were said.
#include <sstream>

#include "packaging/pages/command.h"

namespace inferd::pages {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

void write_command(const Command& command, const std::string& program, const std::string& condition,
                   std::ostream& out) {
  std::string names;
  for (const Command& sub : command.commands) names += " " + sub.name;
  const std::string none_yet = condition.empty()
                                   ? "not __fish_seen_subcommand_from" + names
                                   : condition + "; and not __fish_seen_subcommand_from" + names;
  for (const Command& sub : command.commands) {
    out << "complete -c " << program << " -f -n " << quoted(none_yet) << " -a " << sub.name
        << " -d " << quoted(sub.about) << "\n";
  }
  for (const Option& option : command.options) {
    if (option.is_positional) continue;
    out << "complete -c " << program;
    if (!condition.empty()) out << " -n " << quoted(condition);
    for (const std::string& name : option.names) {
      out << (name[1] == '-' ? " -l " + name.substr(2) : " -s " + name.substr(1));
    }
    if (!option.choices.empty()) {
      out << " -x -a " << quoted(CLI::detail::join(option.choices, " "));
    } else if (!option.value.empty()) {
      out << " -r";
    }
    out << " -d " << quoted(option.about) << "\n";
  }
  for (const Command& sub : command.commands) {
    const std::string seen = "__fish_seen_subcommand_from " + sub.name;
    write_command(sub, program, condition.empty() ? seen : condition + "; and " + seen, out);
  }
}

}  // namespace

std::string fish_completion(const Command& program) {
  std::ostringstream out;
  out << "# Made from the program's own definitions of its options.\n";
  write_command(program, program.name, "", out);
  return out.str();
}

}  // namespace inferd::pages
