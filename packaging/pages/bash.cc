// SPDX-License-Identifier: Apache-2.0
//
// Completion for bash: a table of commands to their words, walked by one function. Where a value is
// to follow and its choices are not known, bash completes files.
#include <sstream>

#include "packaging/pages/command.h"

namespace inferd::pages {
namespace {

// The words that may follow a command, besides the options that may follow any.
void write_table(const Command& command, std::ostream& out) {
  std::string names, options;
  for (const Command& sub : command.commands) names += " " + sub.name;
  for (const Option& option : command.options) {
    for (const std::string& name : option.names) {
      if (!option.is_positional) options += " " + name;
    }
  }
  out << "    '" << command.path << "') commands='" << names << " ' options='" << options
      << "' ;;\n";
  for (const Command& sub : command.commands) write_table(sub, out);
}

// `--option` of a command: what may follow; nothing at all where a file may.
void write_values(const Command& command, std::ostream& out) {
  for (const Option& option : command.options) {
    if (option.is_positional || option.value.empty()) continue;
    for (const std::string& name : option.names) {
      out << "    '" << command.path << " " << name << "') values='"
          << CLI::detail::join(option.choices, " ") << "'; takes_value=1 ;;\n";
    }
  }
  for (const Command& sub : command.commands) write_values(sub, out);
}

}  // namespace

std::string bash_completion(const Command& program) {
  const std::string& name = program.name;
  std::ostringstream out;
  out << "# Made from the program's own definitions of its options.\n_" << name << "_words() {\n"
      << "  commands='' options=''\n  case $1 in\n";
  write_table(program, out);
  out << "  esac\n}\n\n_" << name << "_values() {\n  values='' takes_value=0\n  case $1 in\n";
  write_values(program, out);
  out << "  esac\n}\n\n_" << name << "() {\n  local program=" << name << R"(
  local commands options values takes_value words path=$program i
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  for ((i = 1; i < COMP_CWORD; i++)); do
    "_${program}_words" "$path"
    [[ $commands == *" ${COMP_WORDS[i]} "* ]] && path+=" ${COMP_WORDS[i]}"
  done
  "_${program}_values" "$path $previous"
  ((takes_value)) || "_${program}_values" "$program $previous"
  if ((takes_value)); then
    words=$values
  else
    "_${program}_words" "$program"
    words=$options
    "_${program}_words" "$path"
    words+=" $options $commands"
    # What has no name: a file, or a name that the daemon knows.
    [[ $current != -* && -z ${commands// /} ]] && words=''
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _)"
      << name << " " << name << "\n";
  return out.str();
}

}  // namespace inferd::pages
