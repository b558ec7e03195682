// SPDX-License-Identifier: Apache-2.0
//
// Manual pages in the macros of man(7).
#include <algorithm>
#include <cctype>
#include <sstream>

#include "packaging/pages/command.h"

namespace inferd::pages {
namespace {

// Text as it is: no backslash, hyphen or leading dot means anything.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return text;
}

void write_option(const Option& option, std::ostream& out) {
  out << ".TP\n";
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "" : ", ") + ("\\fB" + roff(name) + "\\fR");
  }
  out << names;
  if (!option.is_positional && !option.value.empty())
    out << " \\fI" << roff(option.value) << "\\fR";
  out << "\n" << roff(option.about);
  if (!option.default_value.empty())
    out << (option.about.empty() ? "" : ". ") << "Default: " << roff(option.default_value);
  out << "\n";
}

void write_command(const Command& command, std::ostream& out) {
  out << ".SS " << roff(command.path);
  for (const Option& option : command.options) {
    if (option.is_positional) out << " " << roff(option.names[0]);
  }
  out << "\n" << roff(command.about) << "\n";
  for (const Option& option : command.options) write_option(option, out);
  if (!command.footer.empty()) out << ".PP\n.nf\n" << roff(command.footer) << "\n.fi\n";
  for (const Command& sub : command.commands) write_command(sub, out);
}

}  // namespace

std::string manual_page(const Command& program, int section, const std::string& date) {
  std::ostringstream out;
  // "name, what it is" or "name: what it is".
  const size_t begin = program.about.find_first_of(",:");
  const std::string about =
      begin == std::string::npos ? program.about : program.about.substr(begin + 2);
  out << ".\\\" Made from the program's own definitions of its options.\n.TH "
      << upper(program.name) << " " << section << " " << date << " inferd\n.SH NAME\n"
      << program.name << " \\- " << roff(about) << "\n.SH SYNOPSIS\n.B " << program.name
      << "\n[\\fIOPTION\\fR...]" << (program.commands.empty() ? "" : " \\fICOMMAND\\fR ...")
      << "\n.SH OPTIONS\n";
  for (const Option& option : program.options) write_option(option, out);
  if (!program.commands.empty()) out << ".SH COMMANDS\n";
  for (const Command& command : program.commands) write_command(command, out);
  if (!program.footer.empty()) out << ".SH NOTES\n.nf\n" << roff(program.footer) << "\n.fi\n";
  out << ".SH SEE ALSO\n.BR inferd (8),\n.BR inferctl (1),\n/usr/share/doc/inferd\n";
  return out.str();
}

}  // namespace inferd::pages
