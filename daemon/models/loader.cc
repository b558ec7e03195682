// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/loader.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "daemon/host/quiet.h"
#include "daemon/models/declared.h"
#include "daemon/models/queue_options.h"
#include "daemon/models/versions_on_disk.h"
#include "daemon/schedule/cached_queue.h"
#include "daemon/schedule/traced_queue.h"
#include "daemon/schedule/watched_queue.h"
#include "package/name.h"
#include "package/text.h"

namespace inferd::models {
namespace {

namespace fs = std::filesystem;

// What is in a folder; as much as can be read of it.
std::vector<fs::directory_entry> entries_of(const fs::path& path) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  // Unlike a range-based loop, increment() does not throw.
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  return entries;
}

std::vector<fs::path> folders_in(const fs::path& path) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const fs::directory_entry& entry : entries_of(path)) {
    if (entry.is_directory(error)) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The file that the configuration names, or else that called "model.<ext>".
Result<fs::path> model_file(const fs::path& version_folder, const std::string& name) {
  std::vector<fs::path> found;
  std::error_code error;
  if (!name.empty()) {
    if (fs::is_regular_file(version_folder / name, error)) return version_folder / name;
    return not_found("'" + (version_folder / name).string() + "' is not a file");
  }
  for (const fs::directory_entry& entry : entries_of(version_folder)) {
    const fs::path& path = entry.path();
    if (path.stem() == "model" && path.extension() != ".yaml" && entry.is_regular_file(error))
      found.push_back(path);
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

// What the files in a folder say of its model, where `wanted` says nothing; null where it has none.
Result<std::optional<config::ModelConfig>> read_options(const fs::path& folder,
                                                        const config::ModelConfig& wanted) {
  std::error_code error;
  const fs::path ours = folder / "model.yaml", tritons = folder / "config.pbtxt";
  const bool has_tritons = fs::exists(tritons, error);
  if (fs::exists(ours, error)) {
    INFERD_ASSIGN_OR_RETURN(config::ModelConfig file, config::load_model(ours.string()));
    if (has_tritons) file.notes.push_back(tritons.string() + " is not read: there is a model.yaml");
    return std::optional(config::merge(file, wanted));
  }
  if (!has_tritons) return std::optional<config::ModelConfig>();
  INFERD_ASSIGN_OR_RETURN(const auto file, config::load_triton_model(tritons.string()));
  const std::string& name = file.declared.name;
  if (!name.empty() && name != wanted.name) {
    return invalid_argument(tritons.string() + ": 'name' is '" + name +
                            "', but its folder is called '" + wanted.name + "'");
  }
  return std::optional(config::merge(file, wanted));
}

Result<std::vector<std::string>> labels(const fs::path& folder, const fs::path& version_folder,
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

// Where the states of several sequences cannot be kept apart in one run. Unlike for other models
// that is no mistake of the configuration: it says what batches may be, not that there are some.
void run_sequences_alone(ModelVersion& loaded, schedule::QueueOptions& options) {
  const ModelInfo& info = loaded.model->info();
  if (info.states.empty() || info.batchable || options.max_batch == 1) return;
  loaded.config.notes.push_back("max_batch is " + std::to_string(options.max_batch) +
                                ", but the model takes one sequence at a time: requests run alone");
  options.max_batch = 1;
  options.preferred_batches.clear();
}

// Plans for a batch of 1, where the model leaves nothing else open.
Status prepare(const Model& model, Context& context) {
  std::vector<Shape> shapes;
  for (const TensorInfo& input : model.inputs()) {
    shapes.push_back(input.shape);
    if (model.info().batchable) shapes.back()[0] = 1;
    if (!shapes.back().is_static()) return ok_status();
  }
  return context.prepare(shapes);
}

}  // namespace

Result<std::vector<config::ModelConfig>> Loader::wanted_at_start() const {
  std::vector<config::ModelConfig> wanted = config_.serve;
  if (config_.root.empty()) return std::vector<config::ModelConfig>();
  std::error_code error;
  if (!fs::is_directory(config_.root, error)) {
    return not_found("model repository '" + config_.root + "' is not a folder");
  }
  if (!config_.load_all) return wanted;
  for (std::string& name : on_disk()) {
    config::ModelConfig model;
    model.name = std::move(name);
    wanted.push_back(std::move(model));
  }
  return wanted;
}

void Loader::limit_threads(int threads) const {
  engine_->limit_threads(threads);
  const int all = engine_->threads();
  arbiter_->set_places(threads > 0 ? std::min(threads, all) : all);
}

std::vector<std::string> Loader::on_disk() const {
  std::vector<std::string> names;
  if (config_.root.empty()) return names;
  std::error_code error;
  for (const fs::path& folder : folders_in(config_.root)) {
    // lost+found, .git and the like are not models.
    const bool has_model = fs::exists(folder / "model.yaml", error) ||
                           fs::exists(folder / "config.pbtxt", error) ||
                           !versions_on_disk(folder).empty();
    const std::string name = folder.filename();
    if (has_model && name[0] != '.') names.push_back(name);
  }
  return names;
}

Result<config::ModelConfig> Loader::find(const std::string& name) const {
  if (!package::is_model_name(name)) {
    return invalid_argument(package::shown(name) +
                            " is not a model name: " + std::string(package::kModelNameRule));
  }
  std::error_code error;
  if (config_.root.empty() || !fs::is_directory(fs::path(config_.root) / name, error)) {
    return not_found("the repository has no model '" + name + "'");
  }
  for (const config::ModelConfig& configured : config_.serve) {
    if (configured.name == name) return configured;
  }
  config::ModelConfig model;
  model.name = name;
  return model;
}

Result<config::ModelConfig> Loader::configure(const config::ModelConfig& wanted,
                                              int64_t version) const {
  const fs::path folder = fs::path(config_.root) / wanted.name;
  if (version > 0) {
    INFERD_ASSIGN_OR_RETURN(auto own, read_options(folder / std::to_string(version), wanted));
    if (own) return std::move(*own);
  }
  INFERD_ASSIGN_OR_RETURN(auto of_all, read_options(folder, wanted));
  if (of_all) return std::move(*of_all);
  return wanted;
}

Result<std::vector<int64_t>> Loader::versions(const std::string& name) const {
  const fs::path folder = fs::path(config_.root) / name;
  std::vector<int64_t> versions = versions_on_disk(folder);
  std::reverse(versions.begin(), versions.end());
  if (!versions.empty()) return versions;
  return not_found("'" + folder.string() + "' has no version folder (1, 2, ...) with a model file");
}

Result<std::unique_ptr<ModelVersion>> Loader::load(const config::ModelConfig& configured,
                                                   int64_t version, When when,
                                                   const FindModel& find) const {
  auto loaded = std::make_unique<ModelVersion>();
  loaded->name = configured.name;
  loaded->version = version;
  loaded->config = configured;
  const bool is_ensemble = !configured.ensemble.steps.empty();
  INFERD_RETURN_IF_ERROR(is_ensemble ? make_ensemble(*loaded, find) : load_file(*loaded, when));
  loaded->queue =
      schedule::make_traced_queue(std::move(loaded->queue), loaded->name, loaded->version);
  loaded->watching = std::make_shared<schedule::Watching>();
  loaded->queue = schedule::make_watched_queue(std::move(loaded->queue), loaded->watching);
  INFERD_RETURN_IF_ERROR(check_declared(configured.declared, loaded->model->info()));
  return loaded;
}

// What is known of a model before it is read is how large its file is, which is about what its
// weights take.
Result<Loader::Place> Loader::find_place(const ModelVersion& version, When when) const {
  Place place;
  place.terms = residency_.terms_of(version.config);
  const bool is_pinned = place.terms.residence == config::Residence::kPinned;
  place.room = is_pinned || when == When::kLater ? Residency::Room::kMade : Residency::Room::kLeft;
  place.awake = when == When::kLater || place.terms.residence != config::Residence::kOnDemand;
  std::error_code error;
  const auto bytes = static_cast<int64_t>(fs::file_size(version.path, error));
  if (error) return not_found("'" + version.path + "': " + error.message());
  const std::string what = "model '" + version.name + "'";
  if (place.awake) {
    auto reservation = residency_.reserve(what, bytes, place.room);
    place.awake = reservation.ok();
    if (reservation.ok()) place.reservation = std::move(*reservation);
    if (!reservation.ok() && place.room == Residency::Room::kMade) return reservation.status();
  }
  if (place.awake) return place;
  INFERD_ASSIGN_OR_RETURN(place.reservation,
                          residency_.reserve(what, bytes, Residency::Room::kForAWhile));
  return place;
}

Result<Loader::Read> Loader::read_model(ModelVersion& loaded) const {
  LoadOptions options;
  options.limits.max_file_bytes = config_.max_file_bytes;
  options.limits.max_arena_bytes = config_.max_arena_bytes;
  options.limits.max_tensor_bytes = config_.max_tensor_bytes;
  options.limits.max_nodes = config_.max_nodes;
  options.limits.max_nesting = config_.max_nesting;
  options.signature = loaded.config.signature;
  for (const auto& [input, output] : loaded.config.declared.states) {
    options.states.push_back({input, output});
  }
  INFERD_ASSIGN_OR_RETURN(const SteadyFile file, SteadyFile::open(loaded.path));
  INFERD_ASSIGN_OR_RETURN(loaded.model, engine_->load(loaded.path, options));
  // Weights are packed by the first plan; later ones have little left to do.
  INFERD_ASSIGN_OR_RETURN(const auto context, loaded.model->create_context());
  INFERD_RETURN_IF_ERROR(prepare(*loaded.model, *context));
  INFERD_RETURN_IF_ERROR(file.check_unchanged());
  return Read{file.mark(), context->memory()};
}

Status Loader::load_file(ModelVersion& loaded, When when) const {
  const fs::path folder = fs::path(config_.root) / loaded.name;
  const fs::path version_folder = folder / std::to_string(loaded.version);
  std::error_code error;
  if (!fs::is_directory(version_folder, error))
    return not_found("'" + version_folder.string() + "' does not exist");
  INFERD_ASSIGN_OR_RETURN(const fs::path path, model_file(version_folder, loaded.config.file_name));
  loaded.path = path.string();
  INFERD_ASSIGN_OR_RETURN(Place place, find_place(loaded, when));
  std::optional<Result<Read>> model;
  const auto read = [&] { model = read_model(loaded); };
  if (when == When::kLater) {
    host::run_quietly(read);
  } else {
    read();
  }
  INFERD_RETURN_IF_ERROR(model->status());
  INFERD_ASSIGN_OR_RETURN(loaded.labels, labels(folder, version_folder, loaded.config));
  return make_queue(loaded, **model, std::move(place));
}

Status Loader::make_queue(ModelVersion& loaded, const Read& read, Place place) const {
  schedule::QueueOptions queueing = queue_options(loaded.config);
  run_sequences_alone(loaded, queueing);
  queueing.version = loaded.version;
  queueing.response_cache = queueing.response_cache && cache_ != nullptr;
  INFERD_RETURN_IF_ERROR(
      schedule::check_options(*loaded.model, queueing).with_context("model '" + loaded.name + "'"));
  const auto make = [model = loaded.model, name = loaded.name, queueing, arbiter = arbiter_,
                     file = read.file]() -> Result<std::unique_ptr<schedule::ModelQueue>> {
    INFERD_RETURN_IF_ERROR(file.check_not_overwritten());
    return schedule::ModelQueue::create(model, name, queueing, arbiter);
  };
  loaded.sleeper = std::make_shared<schedule::Sleeper>(loaded.model, loaded.name, queueing, make);
  // What is not taken wakes nothing; what the cache can answer is never refused.
  loaded.queue =
      schedule::make_shedding_queue(schedule::make_sleeping_queue(loaded.sleeper), shedding_);
  place.terms.estimate_bytes =
      read.memory.weights_bytes +
      queueing.instances * (read.memory.arena_bytes + read.memory.scratch_bytes);
  residency_.add(loaded.sleeper, place.terms);
  place.reservation.release();
  if (place.awake) {
    const Status awake = residency_.wake(loaded.sleeper, place.room);
    const bool may_wait =
        place.room == Residency::Room::kLeft && awake.code() == StatusCode::kResourceExhausted;
    if (!may_wait) INFERD_RETURN_IF_ERROR(awake);
    place.awake = awake.ok();
  }
  if (!place.awake) {
    loaded.model->forget_plans();
    if (place.terms.residence != config::Residence::kOnDemand)
      loaded.config.notes.push_back("there is no memory for it yet; it sleeps until it is used");
  }
  if (!queueing.response_cache) return ok_status();
  INFERD_ASSIGN_OR_RETURN(loaded.queue,
                          schedule::make_cached_queue(std::move(loaded.queue), cache_));
  return ok_status();
}

// Its folder may have versions, as those of Triton's ensembles do; there is nothing in them.
Status Loader::make_ensemble(ModelVersion& loaded, const FindModel& find) const {
  const fs::path folder = fs::path(config_.root) / loaded.name;
  if (loaded.config.response_cache.value_or(false)) {
    return invalid_argument(
        "response_cache is enabled for an ensemble, whose models may be loaded again; enable it "
        "for those");
  }
  if (loaded.version == 0) loaded.version = 1;
  INFERD_ASSIGN_OR_RETURN(loaded.labels,
                          labels(folder, folder / std::to_string(loaded.version), loaded.config));
  INFERD_ASSIGN_OR_RETURN(loaded.queue, make_ensemble_queue(loaded.name, loaded.config.ensemble,
                                                            queue_options(loaded.config), find));
  loaded.model = loaded.queue->model().shared_from_this();
  return ok_status();
}

}  // namespace inferd::models
