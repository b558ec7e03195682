// SPDX-License-Identifier: Apache-2.0
//
// inferd-pages FOLDER DATE: writes manual pages and completions of inferd and inferctl, where they
// belong under /usr.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "clients/inferctl/app.h"
#include "daemon/options.h"
#include "packaging/pages/command.h"

namespace inferd::pages {
namespace {

bool write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  return static_cast<bool>(std::ofstream(path) << text);
}

bool write_all(const std::filesystem::path& folder, const Command& program, int section,
               const std::string& date) {
  const std::filesystem::path share = folder / "share";
  const std::string number = std::to_string(section);
  return write(share / "man" / ("man" + number) / (program.name + "." + number),
               manual_page(program, section, date)) &&
         write(share / "bash-completion/completions" / program.name, bash_completion(program)) &&
         write(share / "zsh/vendor-completions" / ("_" + program.name), zsh_completion(program)) &&
         write(share / "fish/vendor_completions.d" / (program.name + ".fish"),
               fish_completion(program));
}

}  // namespace
}  // namespace inferd::pages

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: inferd-pages FOLDER DATE\n";
    return 2;
  }
  inferd::Options options;
  CLI::App daemon;
  inferd::add_options(daemon, options, "");
  daemon.name("inferd");
  inferd::ctl::Globals globals;
  inferd::ctl::Run chosen;
  CLI::App control;
  inferd::ctl::add_everything(control, globals, chosen, "");
  control.name("inferctl");
  if (!inferd::pages::write_all(argv[1], inferd::pages::describe(daemon), 8, argv[2]) ||
      !inferd::pages::write_all(argv[1], inferd::pages::describe(control), 1, argv[2])) {
    std::cerr << "inferd-pages: cannot write in " << argv[1] << "\n";
    return 1;
  }
  return 0;
}
