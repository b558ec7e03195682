// SPDX-License-Identifier: Apache-2.0
//
// inferctl model push: from a file here to a version that serves there.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/deployment_text.h"
#include "clients/inferctl/local_package.h"
#include "clients/inferctl/model_commands.h"
#include "clients/inferctl/progress.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

struct PushOptions {
  std::vector<std::string> paths;
  std::string name, config, labels, self_test, key;
  std::vector<std::string> delta_from;
  int64_t version = 0;
  bool raw = false, no_wait = false;
  int64_t retry_s = 60;
  RolloutOptions rollout;
};

// A model that is not there has no versions; any other error is the caller's.
Result<int64_t> next_version(DeploymentClient& client, const std::string& name) {
  const auto known = client.show(name);
  if (known.status().code() == StatusCode::kNotFound) return int64_t{1};
  if (!known.ok()) return known.status();
  int64_t newest = 0;
  for (const auto& version : known->versions) newest = std::max(newest, version.version);
  return newest + 1;
}

Result<LocalPackage> package_of(const std::string& path, const PushOptions& options,
                                DeploymentClient& client) {
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  if (is_folder && fs::exists(path + "/" + std::string(package::kManifestFile), error))
    return read_package(path);
  if (options.name.empty())
    return invalid_argument("'" + path + "' does not say its name; say it with --name");
  int64_t version = options.version;
  if (version == 0) {
    INFERD_ASSIGN_OR_RETURN(version, next_version(client, options.name));
  }
  if (is_folder) return make_package(path, options.name, version);
  return make_package({path, options.config, options.labels, options.self_test}, options.name,
                      version);
}

// Files that the daemon has, by the path of the package's file that is like them: of a folder those
// of the same path, a single file is the base of the model.
std::map<std::string, std::string> bases_of(const LocalPackage& package,
                                            const std::vector<std::string>& from) {
  std::map<std::string, std::string> bases;
  std::error_code error;
  for (const std::string& path : from) {
    for (const auto& [name, file] : package.files) {
      if (fs::is_directory(path, error) && fs::exists(path + "/" + name, error))
        bases[name] = path + "/" + name;
      if (fs::is_regular_file(path, error) && name.starts_with("model.") && name != "model.yaml")
        bases[name] = path;
    }
  }
  return bases;
}

class Push {
 public:
  Push(const Globals& globals, const PushOptions& options, DeploymentClient& client)
      : globals_(globals), options_(options), client_(client) {}

  // Gives the upload, or for what the daemon has already, "".
  Result<std::string> send(const LocalPackage& package) {
    PackedFiles packed;
    if (options_.raw) {
      packed.take(package);
    } else {
      INFERD_RETURN_IF_ERROR(packed.pack(package, bases_of(package, options_.delta_from)));
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(options_.retry_s);
    for (;;) {
      INFERD_ASSIGN_OR_RETURN(
          const UploadInfo upload,
          client_.begin_upload(package.manifest, package.signature, packed.transfers()));
      const Status sent = send_files(package, packed, upload);
      if (sent.ok()) {
        tell(package, upload);
        return upload.id;
      }
      // What arrived is there; the rest follows.
      const bool broken =
          sent.code() == StatusCode::kUnavailable || sent.code() == StatusCode::kOutOfRange;
      if (!broken || std::chrono::steady_clock::now() > until) return sent;
      std::cerr << "inferctl: the link broke (" << sent.message() << "), going on\n";
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }

 private:
  Status send_files(const LocalPackage& package, const PackedFiles& packed,
                    const UploadInfo& upload) {
    int64_t total = 0, before = 0;
    for (const TransferInfo& file : upload.files) total += file.bytes;
    Progress progress;
    for (const TransferInfo& file : upload.files) {
      const auto sent = [&](int64_t bytes) {
        progress.show("sending " + package.parsed.model, static_cast<size_t>(before + bytes),
                      static_cast<size_t>(total));
      };
      INFERD_RETURN_IF_ERROR(client_.send(upload.id, file, packed.file(file.path), sent));
      before += file.bytes;
    }
    return ok_status();
  }

  void tell(const LocalPackage& package, const UploadInfo& upload) const {
    if (globals_.json) return;
    int64_t travelled = 0;
    for (const TransferInfo& file : upload.files) travelled += file.bytes;
    const int64_t whole = package.parsed.total_bytes();
    std::printf("%s version %lld: %lld bytes, %s\n", package.parsed.model.c_str(),
                static_cast<long long>(package.parsed.version), static_cast<long long>(whole),
                upload.is_staged ? "there already" : (std::to_string(travelled) + " sent").c_str());
  }

  const Globals& globals_;
  const PushOptions& options_;
  DeploymentClient& client_;
};

Status push(const Globals& globals, const PushOptions& options) {
  if (options.paths.size() > 1 && !options.name.empty())
    return invalid_argument(
        "--name is for one package; several have manifests (inferctl model sign)");
  INFERD_ASSIGN_OR_RETURN(const ConnectOptions connection, connect_options(globals));
  INFERD_ASSIGN_OR_RETURN(const auto client,
                          DeploymentClient::connect(globals.endpoint, connection));
  std::vector<std::string> uploads;
  std::vector<VersionName> there;
  Push pushing(globals, options, *client);
  for (const std::string& path : options.paths) {
    INFERD_ASSIGN_OR_RETURN(LocalPackage package, package_of(path, options, *client));
    if (!options.key.empty()) INFERD_RETURN_IF_ERROR(sign_package(package, options.key));
    INFERD_ASSIGN_OR_RETURN(const std::string upload, pushing.send(package));
    if (upload.empty()) {
      there.push_back({package.parsed.model, package.parsed.version});
    } else {
      uploads.push_back(upload);
    }
  }
  INFERD_ASSIGN_OR_RETURN(const DeploymentInfo deployment,
                          client->deploy(uploads, there, options.rollout));
  return options.no_wait ? print_deployment(deployment, globals)
                         : follow_deployment(*client, deployment.id, globals);
}

}  // namespace

void add_rollout_options(CLI::App& command, RolloutOptions& rollout) {
  command.add_option("--shadow", rollout.shadow_fraction,
                     "first run so large a part of the requests on it, too, and compare");
  command.add_option("--shadow-seconds", rollout.shadow_seconds, "for so long at most");
  command.add_option("--canary", rollout.canary_fraction,
                     "then let it answer so large a part of the requests");
  command
      .add_option("--canary-client", rollout.canary_clients,
                  "and all requests of this one: user:NAME, group:NAME, subject:NAME, or what it "
                  "calls itself; more than once for several")
      ->allow_extra_args(false);
  command.add_option("--canary-seconds", rollout.canary_seconds, "for so long");
  command.add_option("--probation", rollout.probation_seconds,
                     "seconds for which it is watched, and taken back if something is wrong");
}

void add_model_push(CLI::App& model, const Globals& globals, Run& chosen) {
  CLI::App* command = model.add_subcommand(
      "push", "send a model to the daemon and let it serve in the place of the version that does");
  const auto options = std::make_shared<PushOptions>();
  command
      ->add_option("PATH", options->paths,
                   "a model file, or folders of packages, which then change together")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--name", options->name, "the model's name there");
  command->add_option("--version", options->version, "default: one more than the newest there")
      ->check(CLI::PositiveNumber);
  command->add_option("--config", options->config, "its model.yaml")->check(CLI::ExistingFile);
  command->add_option("--labels", options->labels, "its labels.txt")->check(CLI::ExistingFile);
  command
      ->add_option("--self-test", options->self_test,
                   "folder of cases: CASE/inputs/TENSOR.npy and CASE/outputs/TENSOR.npy")
      ->check(CLI::ExistingDirectory);
  command->add_option("--sign", options->key, "secret key to sign it with (inferctl key generate)")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--delta-from", options->delta_from,
                   "a model file or folder that the daemon has, too: only the difference is sent")
      ->check(CLI::ExistingPath);
  command->add_flag("--raw", options->raw, "send files as they are, without compressing them");
  command->add_option("--retry", options->retry_s, "seconds to go on after the link breaks")
      ->capture_default_str();
  command->add_flag("--no-wait", options->no_wait, "do not wait for the deployment's end");
  add_rollout_options(*command, options->rollout);
  command->callback(
      [&, options] { chosen = [&globals, options] { return push(globals, *options); }; });
}

}  // namespace inferd::ctl
