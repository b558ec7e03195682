// SPDX-License-Identifier: Apache-2.0
#include "package/key.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"

namespace inferd::ctl {
namespace {

Status generate(const std::string& path, const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const package::SecretKey key, package::SecretKey::generate());
  const std::string public_path = path + ".pub";
  INFERD_RETURN_IF_ERROR(key.save(path));
  if (Status status = key.public_key().save(public_path); !status.ok()) {
    ::unlink(path.c_str());  // a pair or nothing
    return status;
  }
  const std::string& id = key.public_key().id();
  if (globals.json) {
    const nlohmann::json json = {{"id", id}, {"secret", path}, {"public", public_path}};
    std::cout << json.dump(2) << "\n";
  } else {
    std::printf(
        "key     %s\nsecret  %s: signs packages; keep it to yourself\n"
        "public  %s: for the machines that are to trust it\n",
        id.c_str(), path.c_str(), public_path.c_str());
  }
  return ok_status();
}

}  // namespace

void add_key(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("key", "keys that sign packages of models");
  command->require_subcommand(1);
  CLI::App* generate_command = command->add_subcommand("generate", "make a new pair of keys");
  auto path = std::make_shared<std::string>();
  generate_command
      ->add_option("OUT", *path, "file of the secret key; the public one is OUT.pub. Both are new")
      ->required();
  generate_command->callback([&globals, &chosen, path] {
    chosen = [&globals, path] { return generate(*path, globals); };
  });
}

}  // namespace inferd::ctl
