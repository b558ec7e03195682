// SPDX-License-Identifier: Apache-2.0
//
// Completion for zsh: a function for each command, with _arguments.
#include <algorithm>
#include <sstream>

#include "packaging/pages/command.h"

namespace inferd::pages {
namespace {

// Within single quotes and the brackets of _arguments.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == '[' || c == ']' || c == ':') {
      out += std::string("\\") + c;
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string function_of(const Command& command) {
  std::string name = "_" + command.path;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

void write_option(const Option& option, std::ostream& out) {
  const std::string action =
      option.choices.empty() ? "_files" : "(" + CLI::detail::join(option.choices, " ") + ")";
  if (option.is_positional) {
    out << " \\\n    '*:" << quoted(option.names[0]) << ":" << action << "'";
    return;
  }
  for (const std::string& name : option.names) {
    out << " \\\n    '" << name << "[" << quoted(option.about) << "]";
    if (!option.value.empty()) out << ":" << quoted(option.value) << ":" << action;
    out << "'";
  }
}

void write_command(const Command& command, const std::vector<Option>& inherited,
                   std::ostream& out) {
  for (const Command& sub : command.commands) write_command(sub, inherited, out);
  out << function_of(command) << "() {\n";
  if (!command.commands.empty()) out << "  local line state\n";
  out << "  _arguments" << (command.commands.empty() ? "" : " -C");
  std::vector<Option> options = command.options;
  for (const Option& option : inherited) {
    const auto same = [&](const Option& own) { return own.names == option.names; };
    if (std::none_of(options.begin(), options.end(), same)) options.push_back(option);
  }
  for (const Option& option : options) write_option(option, out);
  if (command.commands.empty()) {
    out << "\n}\n\n";
    return;
  }
  out << " \\\n    '1:command:->command' '*::argument:->argument'\n  case $state in\n"
      << "    command)\n      local -a commands=(\n";
  for (const Command& sub : command.commands) {
    out << "        '" << sub.name << ":" << quoted(sub.about) << "'\n";
  }
  out << "      )\n      _describe command commands ;;\n    argument)\n      case $line[1] in\n";
  for (const Command& sub : command.commands)
    out << "        " << sub.name << ") " << function_of(sub) << " ;;\n";
  out << "      esac ;;\n  esac\n}\n\n";
}

}  // namespace

std::string zsh_completion(const Command& program) {
  std::ostringstream out;
  out << "#compdef " << program.name
      << "\n# Made from the program's own definitions of its options.\n\n";
  write_command(program, program.options, out);
  out << function_of(program) << " \"$@\"\n";
  return out.str();
}

}  // namespace inferd::pages
