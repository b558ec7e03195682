// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"
#include "package/manifest.h"
#include "package/signature.h"
#include "package/text.h"

namespace inferd::ctl {
namespace {

struct VerifyOptions {
  std::string folder;
  std::vector<std::string> trusted;
};

struct Verified {
  package::Manifest manifest;
  bool has_signature = false;
  std::string key;  // that signed it; empty: nobody asked
};

Result<Verified> check(const VerifyOptions& options) {
  INFERD_ASSIGN_OR_RETURN(const auto keys, package::TrustedKeys::load(options.trusted));
  INFERD_ASSIGN_OR_RETURN(const auto text, package::read_manifest(options.folder));
  Verified result;
  result.has_signature = !text.signature.empty();
  // The signature first: what nobody signed need not be understood.
  if (!options.trusted.empty()) {
    INFERD_ASSIGN_OR_RETURN(result.key, keys.verify(text.manifest, text.signature));
  }
  INFERD_ASSIGN_OR_RETURN(result.manifest, package::parse_manifest(text.manifest));
  INFERD_RETURN_IF_ERROR(package::check_folder(options.folder, result.manifest));
  const auto now = std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
  INFERD_RETURN_IF_ERROR(package::check_fresh(result.manifest, now, 0));
  return result;
}

void print_json(const Verified& verified) {
  const package::Manifest& manifest = verified.manifest;
  nlohmann::json json = {{"model", manifest.model},
                         {"version", manifest.version},
                         {"created", package::utc_text(manifest.created_s)},
                         {"bytes", manifest.total_bytes()},
                         {"signed", verified.has_signature},
                         {"files", nlohmann::json::array()}};
  if (manifest.expires_s != 0) json["expires"] = package::utc_text(manifest.expires_s);
  if (!verified.key.empty()) json["key"] = verified.key;
  for (const package::ManifestFile& file : manifest.files) {
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  std::cout << json.dump(2) << "\n";
}

void print_text(const Verified& verified) {
  const package::Manifest& manifest = verified.manifest;
  const char* signer = !verified.key.empty()    ? verified.key.c_str()
                       : verified.has_signature ? "not checked: no --trusted key"
                                                : "no";
  std::printf(
      "model    %s\nversion  %lld\ncreated  %s\nexpires  %s\nsigned   %s\n", manifest.model.c_str(),
      static_cast<long long>(manifest.version), package::utc_text(manifest.created_s).c_str(),
      manifest.expires_s == 0 ? "never" : package::utc_text(manifest.expires_s).c_str(), signer);
  for (const package::ManifestFile& file : manifest.files) {
    std::printf("file     %s, %lld bytes\n", file.path.c_str(), static_cast<long long>(file.bytes));
  }
}

Status verify(const VerifyOptions& options, const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const Verified verified, check(options));
  globals.json ? print_json(verified) : print_text(verified);
  return ok_status();
}

}  // namespace

void add_model_verify(CLI::App& model_command, const Globals& globals, Run& chosen) {
  CLI::App* command = model_command.add_subcommand(
      "verify", "whether a folder is the package that was signed, and still good");
  auto o = std::make_shared<VerifyOptions>();
  command->add_option("FOLDER", o->folder, "the package")->required();
  command
      ->add_option("--trusted", o->trusted,
                   "public keys, one of which must have signed it; by default only the files are "
                   "checked")
      ->allow_extra_args(false);
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return verify(*o, globals); }; });
}

}  // namespace inferd::ctl
