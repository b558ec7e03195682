// SPDX-License-Identifier: Apache-2.0
#include "packaging/pages/command.h"

#include <algorithm>

namespace inferd::pages {
namespace {

// CLI11 shows a choice as "TEXT:{a,b}" and a file as "TEXT:FILE".
std::vector<std::string> choices_of(const std::string& type) {
  const size_t begin = type.find('{'), end = type.find('}');
  std::vector<std::string> choices;
  if (begin == std::string::npos || end == std::string::npos) return choices;
  for (const std::string& choice :
       CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',')) {
    choices.push_back(choice.substr(0, choice.find("->")));
  }
  return choices;
}

std::string value_of(const std::string& type, const std::vector<std::string>& choices) {
  if (!choices.empty()) return CLI::detail::join(choices, "|");
  if (type.find("FILE") != std::string::npos) return "FILE";
  if (type.find("DIR") != std::string::npos) return "DIR";
  return type.substr(0, type.find(':'));
}

Option describe(const CLI::Option& from) {
  Option option;
  option.is_positional = from.get_positional();
  option.is_required = from.get_required();
  option.about = from.get_description();
  option.default_value = from.get_default_str();
  for (const std::string& name : from.get_snames()) option.names.push_back("-" + name);
  for (const std::string& name : from.get_lnames()) option.names.push_back("--" + name);
  if (option.is_positional) option.names = {from.get_name(true)};
  if (from.get_items_expected_max() > 0 && from.get_type_size_max() > 0) {
    const std::string type = from.get_type_name();
    option.choices = choices_of(type);
    option.value = value_of(type, option.choices);
  }
  return option;
}

Command describe(const CLI::App& app, const CLI::App* parent, const std::string& parent_path) {
  Command command;
  command.name = app.get_name();
  command.path = parent_path + command.name;
  command.about = app.get_description();
  // CLI11 hands footers and --help on.
  if (parent == nullptr || app.get_footer() != parent->get_footer())
    command.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (parent == nullptr || option != app.get_help_ptr())
      command.options.push_back(describe(*option));
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    command.commands.push_back(describe(*sub, &app, command.path + " "));
  }
  return command;
}

}  // namespace

Command describe(const CLI::App& program) { return describe(program, nullptr, ""); }

}  // namespace inferd::pages
