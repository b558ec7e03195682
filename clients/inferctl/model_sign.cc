// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"
#include "package/manifest.h"
#include "package/signature.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDay = 86'400, kMaxDays = 100 * 366;

struct SignOptions {
  std::string folder, name, key;
  int64_t version = 0, expires_days = 0;
};

// A key that lies among the files would be published with them.
Status check_place(const std::string& key, const std::string& folder) {
  std::error_code error;
  const fs::path place = fs::relative(fs::weakly_canonical(key, error), folder, error);
  if (error || place.empty() || *place.begin() == "..") return ok_status();
  return invalid_argument("the secret key '" + key + "' lies in the package's folder '" + folder +
                          "' and would go wherever it goes; move it");
}

Status write_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text << std::flush;
  return file ? ok_status() : unavailable("cannot write '" + path.string() + "'");
}

Status sign(const SignOptions& options, const Globals& globals) {
  INFERD_RETURN_IF_ERROR(check_place(options.key, options.folder));
  INFERD_ASSIGN_OR_RETURN(const package::SecretKey key, package::load_secret_key(options.key));
  INFERD_ASSIGN_OR_RETURN(package::Manifest manifest,
                          package::describe_folder(options.folder, options.name, options.version));
  if (options.expires_days != 0) {
    manifest.expires_s = manifest.created_s + options.expires_days * kDay;
  }
  const std::string text = package::write_manifest(manifest);
  const fs::path folder = options.folder;
  INFERD_RETURN_IF_ERROR(write_file(folder / package::kManifestFile, text));
  INFERD_RETURN_IF_ERROR(write_file(folder / package::kSignatureFile, package::sign(text, key)));
  const std::string& id = key.public_key().id();
  if (globals.json) {
    const nlohmann::json json = {{"model", manifest.model},
                                 {"version", manifest.version},
                                 {"files", manifest.files.size()},
                                 {"bytes", manifest.total_bytes()},
                                 {"key", id}};
    std::cout << json.dump(2) << "\n";
  } else {
    std::printf("signed %s version %lld: %zu file%s, %lld bytes, by the key %s\n",
                manifest.model.c_str(), static_cast<long long>(manifest.version),
                manifest.files.size(), manifest.files.size() == 1 ? "" : "s",
                static_cast<long long>(manifest.total_bytes()), id.c_str());
  }
  return ok_status();
}

}  // namespace

void add_model_sign(CLI::App& model_command, const Globals& globals, Run& chosen) {
  CLI::App* command = model_command.add_subcommand(
      "sign", "make a folder a package: write its manifest.json and manifest.sig");
  auto o = std::make_shared<SignOptions>();
  command->add_option("FOLDER", o->folder, "the model file and what belongs to it")->required();
  command->add_option("--name", o->name, "the model's name")->required();
  command->add_option("--version", o->version, "1 or more, higher than before")->required();
  command->add_option("--key", o->key, "secret key of `inferctl key generate`")->required();
  command
      ->add_option("--expires", o->expires_days, "days after which it is refused; never by default")
      ->check(CLI::Range(int64_t{1}, kMaxDays));
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return sign(*o, globals); }; });
}

}  // namespace inferd::ctl
