// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/repository.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "daemon/models/queue_options.h"

namespace inferd::models {
namespace {

namespace fs = std::filesystem;

// Triton's layout: a version is a folder whose name is a positive integer.
std::optional<int64_t> version_of(const fs::path& folder) {
  const std::string name = folder.filename();
  int64_t version = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  if (error != std::errc() || end != name.data() + name.size() || version < 1) return std::nullopt;
  return version;
}

std::vector<fs::path> folders_in(const fs::path& path) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_directory(error)) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The file called "model.<ext>".
Result<fs::path> model_file(const fs::path& version_folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(version_folder, error)) {
    if (entry.path().stem() == "model" && entry.is_regular_file(error))
      found.push_back(entry.path());
  }
  if (found.size() == 1) return found[0];
  return not_found("'" + version_folder.string() + "' has " + std::to_string(found.size()) +
                   " files named model.<ext>, needs exactly one");
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream stream(path);
  constexpr size_t kMaxLabels = 100'000;
  for (std::string line; lines.size() < kMaxLabels && std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

class FolderRepository final : public Repository {
 public:
  FolderRepository(const config::ModelsConfig& config, std::shared_ptr<Engine> engine)
      : config_(config),
        engine_(std::move(engine)),
        arbiter_(std::make_shared<schedule::Arbiter>(engine_->threads())) {}
  // A worker that still holds its last request, and with it the model, must not be the one to
  // destroy the queue: it would wait for itself.
  ~FolderRepository() override { FolderRepository::close(); }

  Status load_all() {
    if (config_.root.empty()) return ok_status();
    std::error_code error;
    if (!fs::is_directory(config_.root, error)) {
      return not_found("model repository '" + config_.root + "' is not a folder");
    }
    std::vector<config::ModelConfig> wanted = config_.serve;
    if (config_.load_all) {
      for (const fs::path& folder : folders_in(config_.root)) {
        config::ModelConfig model;
        model.name = folder.filename();
        // lost+found, .git and the like are not models.
        const std::vector<fs::path> inside = folders_in(folder);
        const bool has_version = std::any_of(inside.begin(), inside.end(), version_of);
        if (has_version && model.name[0] != '.') wanted.push_back(std::move(model));
      }
    }
    for (const config::ModelConfig& model : wanted) {
      Status status = load(model);
      if (status.ok()) continue;
      const std::string where = model.mark.line > 0 ? model.mark.to_string() + ": " : "";
      return status.with_context(where + "model '" + model.name + "'");
    }
    return ok_status();
  }

  Result<std::shared_ptr<const ModelVersion>> find(const std::string& name,
                                                   int64_t version) const override {
    const auto model = models_.find(name);
    if (model == models_.end()) {
      std::string names;
      for (const auto& [other, unused] : models_) names += (names.empty() ? "" : ", ") + other;
      return not_found("there is no model '" + name + "'" +
                       (names.empty() ? "; none is loaded" : "; loaded: " + names));
    }
    if (version != 0 && version != model->second->version) {
      return not_found("model '" + name + "' has no version " + std::to_string(version) +
                       " loaded; version " + std::to_string(model->second->version) + " is");
    }
    return std::shared_ptr<const ModelVersion>(model->second);
  }

  std::vector<ModelStatus> list() const override {
    std::vector<ModelStatus> list;
    for (const auto& [name, model] : models_)
      list.push_back({name, model->version, ModelState::kReady, ""});
    return list;
  }

  bool ready() const override { return true; }

  void close() override {
    for (auto& [name, model] : models_) model->queue->close();
  }

  void abandon() override {
    for (auto& [name, model] : models_) model->queue->abandon();
  }

 private:
  Status load(const config::ModelConfig& wanted) {
    const fs::path folder = fs::path(config_.root) / wanted.name;
    config::ModelConfig config = wanted;
    std::error_code error;
    if (fs::exists(folder / "model.yaml", error)) {
      INFERD_ASSIGN_OR_RETURN(const auto file,
                              config::load_model((folder / "model.yaml").string()));
      config = config::merge(file, wanted);
    }
    INFERD_ASSIGN_OR_RETURN(const int64_t version, choose_version(folder, config));
    const fs::path version_folder = folder / std::to_string(version);
    INFERD_ASSIGN_OR_RETURN(const fs::path file, model_file(version_folder));

    auto loaded = std::make_shared<ModelVersion>();
    loaded->name = wanted.name;
    loaded->version = version;
    loaded->path = file.string();
    LoadOptions options;
    options.limits.max_file_bytes = config_.max_file_bytes;
    options.limits.max_arena_bytes = config_.max_arena_bytes;
    options.limits.max_tensor_bytes = config_.max_tensor_bytes;
    options.limits.max_nodes = config_.max_nodes;
    options.limits.max_nesting = config_.max_nesting;
    options.signature = config.signature;
    INFERD_ASSIGN_OR_RETURN(loaded->model, engine_->load(loaded->path, options));
    INFERD_ASSIGN_OR_RETURN(loaded->labels, labels(folder, version_folder, config));
    INFERD_ASSIGN_OR_RETURN(
        loaded->queue,
        schedule::ModelQueue::create(loaded->model, wanted.name, queue_options(config), arbiter_));
    models_[wanted.name] = std::move(loaded);
    return ok_status();
  }

  static Result<int64_t> choose_version(const fs::path& folder, const config::ModelConfig& config) {
    int64_t newest = 0;
    for (const fs::path& candidate : folders_in(folder)) {
      const std::optional<int64_t> version = version_of(candidate);
      if (!version) continue;
      if (config.version && *version == *config.version) return *version;
      newest = std::max(newest, *version);
    }
    if (config.version) {
      return not_found("'" + (folder / std::to_string(*config.version)).string() +
                       "' does not exist");
    }
    if (newest == 0) {
      return not_found("'" + folder.string() +
                       "' has no version folder (1, 2, ...) with a model file");
    }
    return newest;
  }

  static Result<std::vector<std::string>> labels(const fs::path& folder,
                                                 const fs::path& version_folder,
                                                 const config::ModelConfig& config) {
    std::error_code error;
    if (!config.labels.empty()) {
      const fs::path path = folder / config.labels;
      if (!fs::is_regular_file(path, error))
        return not_found("labels file '" + path.string() + "' does not exist");
      return read_lines(path);
    }
    for (const fs::path& place : {version_folder, folder}) {
      if (fs::is_regular_file(place / "labels.txt", error)) return read_lines(place / "labels.txt");
    }
    return std::vector<std::string>();
  }

  const config::ModelsConfig config_;
  const std::shared_ptr<Engine> engine_;
  // As many runs at one time as the engine has threads.
  const std::shared_ptr<schedule::Arbiter> arbiter_;
  std::map<std::string, std::shared_ptr<ModelVersion>> models_;  // immutable after load_all()
};

}  // namespace

Result<std::unique_ptr<Repository>> Repository::open(const config::ModelsConfig& config,
                                                     std::shared_ptr<Engine> engine) {
  auto repository = std::make_unique<FolderRepository>(config, std::move(engine));
  INFERD_RETURN_IF_ERROR(repository->load_all());
  return std::unique_ptr<Repository>(std::move(repository));
}

}  // namespace inferd::models
