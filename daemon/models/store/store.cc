// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>

#include "daemon/models/store/wall_clock.h"
#include "daemon/models/versions_on_disk.h"
#include "daemon/telemetry/log.h"
#include "package/digest.h"

namespace inferd::models {
namespace {

namespace fs = std::filesystem;

void warn(const std::string& line) { telemetry::log(LogLevel::kWarning, line); }

void judge(ModelDecision& model, int64_t version, Verdict verdict, std::string reason = "") {
  VersionNote& note = model.versions[version];
  note.verdict = verdict;
  note.reason = std::move(reason);
  note.time_ms = wall_clock_ms();
  note.deployment.clear();
}

bool may_serve(const ModelDecision& decision, int64_t version) {
  const auto note = decision.versions.find(version);
  if (note == decision.versions.end()) return true;  // somebody copied it there
  return note->second.verdict == Verdict::kGood || note->second.verdict == Verdict::kProbation;
}

// The version to fall back to takes the place of the one that serves, and the newest other good one
// its own.
void fall_back(ModelDecision& model) {
  model.current = may_serve(model, model.fallback) ? model.fallback : 0;
  model.fallback = 0;
  for (const auto& [version, note] : model.versions) {
    if (note.verdict == Verdict::kGood && version != model.current) model.fallback = version;
  }
  if (model.current == 0) std::swap(model.current, model.fallback);
}

// What came with a version that goes, and was to serve with it or not at all.
void take_back_others(ModelDecisions& models, const std::string& deployment,
                      const std::string& why) {
  if (deployment.empty()) return;
  for (auto& [name, model] : models) {
    const auto note = model.versions.find(model.current);
    if (note == model.versions.end() || note->second.deployment != deployment) continue;
    const ModelAndVersion version = {name, model.current};
    judge(model, version.version, Verdict::kRolledBack, "it came together with " + why);
    fall_back(model);
    warn(name_of(version) + " came together with it and is taken back");
  }
}

}  // namespace

Store::Store(const config::ModelsConfig& config, std::unique_ptr<Decisions> decisions,
             package::TrustedKeys keys)
    : config_(config),
      root_(config.root),
      own_(config.root + "/.inferd"),
      keys_(std::move(keys)),
      decisions_(std::move(decisions)),
      uploads_(own_ + "/incoming", [this](const std::string& model, const std::string& sha256) {
        return find_file(model, sha256);
      }) {}

Store::~Store() {
  crash_mark_.reset();
  if (lock_file_ >= 0) ::close(lock_file_);
}

Result<std::unique_ptr<Store>> Store::open(const config::ModelsConfig& config, bool read_only) {
  std::error_code error;
  if (!fs::is_directory(config.root, error))
    return not_found("model repository '" + config.root + "' is not a folder");
  INFERD_ASSIGN_OR_RETURN(auto decisions, Decisions::read(config.root + "/.inferd"));
  std::vector<std::string> paths;
  for (const config::NamedFile& file : config.deployments.trusted_keys) paths.push_back(file.path);
  auto keys = package::TrustedKeys::load(paths);
  if (!keys.ok()) return keys.status().with_context("trusted_keys");
  std::unique_ptr<Store> store(new Store(config, std::move(decisions), std::move(*keys)));
  if (const int damaged = store->decisions_->damaged(); damaged > 0) {
    warn(std::to_string(damaged) + " records of '" + store->own_ +
         "/decisions' cannot be read and are left out");
  }
  store->writable_ =
      read_only ? failed_precondition("the repository is only looked at") : store->lock();
  if (!store->writable_.ok()) return store;
  store->tidy();
  store->blame();
  return store;
}

Status Store::lock() {
  INFERD_RETURN_IF_ERROR(make_folders(own_));
  const std::string path = own_ + "/lock";
  lock_file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_file_ < 0) return system_error("open", path);
  if (::flock(lock_file_, LOCK_EX | LOCK_NB) != 0) {
    Status taken = failed_precondition("another inferd has the repository '" + root_ +
                                       "'; only one can change what is in it");
    warn(taken.message());
    return taken;
  }
  for (const char* folder : {"/incoming", "/trash"})
    INFERD_RETURN_IF_ERROR(make_folders(own_ + folder));
  INFERD_ASSIGN_OR_RETURN(crash_mark_, CrashMark::open(own_ + "/running"));
  return ok_status();
}

void Store::tidy() {
  (void)remove_tree(own_ + "/trash");
  (void)make_folders(own_ + "/trash");
  uploads_.clean(config_.deployments.upload_idle_s);
  const Status decided = decisions_->decide("tidy", [&](ModelDecisions& models) {
    for (auto& [name, model] : models) {
      const std::string deployment =
          model.versions.contains(model.current) ? model.versions[model.current].deployment : "";
      std::erase_if(model.versions, [&, &called = name](const auto& item) {
        // What never came to its place, or was on its way out. Crashes of copied ones are kept.
        return !exists({called, item.first});
      });
      if (model.current == 0 || exists({name, model.current})) continue;
      const std::string what = name_of({name, model.current}) + " is gone from the repository";
      warn(what);
      model.versions.erase(model.current);
      fall_back(model);
      take_back_others(models, deployment, what);
    }
    std::erase_if(models, [](const auto& item) { return item.second == ModelDecision(); });
  });
  if (!decided.ok()) warn(decided.message());
}

void Store::blame() {
  if (!crash_mark_->died()) return;
  std::vector<CrashMark::Suspect> suspects = crash_mark_->suspects();
  const bool is_known = !suspects.empty();
  for (const auto& [name, model] : decisions_->all()) {
    const auto note = model.versions.find(model.current);
    const bool probation =
        note != model.versions.end() && note->second.verdict == Verdict::kProbation;
    if (!is_known && probation)
      suspects.push_back({name, model.current, "the daemon died while it was on probation"});
  }
  if (suspects.empty()) return warn("the daemon did not end in good order; no model is to blame");
  const Status decided = decisions_->decide("crash", [&](ModelDecisions& models) {
    for (const CrashMark::Suspect& suspect : suspects) {
      ModelDecision& model = models[suspect.model];
      const auto known = model.versions.find(suspect.version);
      if (known == model.versions.end()) judge(model, suspect.version, Verdict::kGood);
      VersionNote& note = model.versions[suspect.version];
      ++note.crashes;
      // One that was good before may have been beside the one to blame, or met a power failure of
      // its own kind; it has more lives.
      const bool is_new = note.verdict != Verdict::kGood;
      std::string what = name_of({suspect.model, suspect.version}) + ": " + suspect.reason;
      if (!(is_new && is_known) && note.crashes < config_.deployments.max_crashes) {
        warn(what + "; " + std::to_string(note.crashes) + " of " +
             std::to_string(config_.deployments.max_crashes) + " times");
        continue;
      }
      const std::string deployment = note.deployment;
      judge(model, suspect.version, Verdict::kQuarantined, suspect.reason);
      if (model.current == suspect.version) fall_back(model);
      take_back_others(models, deployment, what);
      warn(what + "; it is quarantined" +
           (model.current > 0 ? ", version " + std::to_string(model.current) + " serves" : ""));
    }
  });
  if (!decided.ok()) warn(decided.message());
}

// ---- Packages come in ----

Status Store::check_signature(const std::string& manifest, const std::string& signature) const {
  if (config_.deployments.trusted_keys.empty()) return ok_status();
  const auto key = keys_.verify(manifest, signature);
  return key.status();
}

Result<UploadStatus> Store::begin_upload(const std::string& manifest, const std::string& signature,
                                         const std::vector<Transfer>& transfers,
                                         const std::set<ModelAndVersion>& in_use) {
  INFERD_RETURN_IF_ERROR(writable_);
  // Before anything of it is believed.
  INFERD_RETURN_IF_ERROR(check_signature(manifest, signature));
  INFERD_ASSIGN_OR_RETURN(const package::Manifest parsed, package::parse_manifest(manifest));
  INFERD_RETURN_IF_ERROR(
      package::check_fresh(parsed, std::time(nullptr), config_.deployments.max_package_age_s));
  const ModelAndVersion version = {parsed.model, parsed.version};
  if (exists(version)) {
    const auto known = package::read_manifest(folder(version));
    if (known.ok() && known->manifest == manifest) {
      UploadStatus status;
      status.manifest = parsed;
      status.is_staged = true;
      return status;
    }
    return already_exists(name_of(version) +
                          " is here with another content, and versions never change; choose "
                          "another number");
  }
  if (parsed.total_bytes() > config_.deployments.max_package_bytes) {
    return resource_exhausted("the package has " + std::to_string(parsed.total_bytes()) +
                              " bytes, at most " +
                              std::to_string(config_.deployments.max_package_bytes) +
                              " are allowed (models.deployments.max_package_bytes)");
  }
  INFERD_RETURN_IF_ERROR(make_room(parsed.total_bytes(), in_use));
  return uploads_.begin(manifest, signature, transfers);
}

Result<ModelAndVersion> Store::stage(const std::string& upload) {
  INFERD_RETURN_IF_ERROR(writable_);
  INFERD_ASSIGN_OR_RETURN(const UploadStatus status, uploads_.status(upload));
  INFERD_ASSIGN_OR_RETURN(const std::string package, uploads_.complete(upload));
  const ModelAndVersion version = {status.manifest.model, status.manifest.version};
  {
    const std::lock_guard lock(mutex_);
    // Before it is there, so that it is never taken for one that somebody copied.
    INFERD_RETURN_IF_ERROR(decisions_->decide("stage", [&](ModelDecisions& models) {
      judge(models[version.model], version.version, Verdict::kStaged);
    }));
    INFERD_RETURN_IF_ERROR(make_folders(root_ + "/" + version.model));
    INFERD_RETURN_IF_ERROR(rename_durably(package, folder(version)));
  }
  (void)uploads_.abandon(upload);  // nothing is left in it
  return version;
}

// ---- What lies here ----

std::string Store::folder(const ModelAndVersion& version) const {
  return root_ + "/" + version.model + "/" + std::to_string(version.version);
}

bool Store::exists(const ModelAndVersion& version) const {
  std::error_code error;
  return fs::is_directory(folder(version), error);
}

std::vector<StoredVersion> Store::versions(const std::string& model) const {
  const ModelDecision decision = decisions_->of(model);
  std::vector<StoredVersion> versions;
  for (const int64_t number : versions_on_disk(root_ + "/" + model)) {
    StoredVersion version;
    version.version = number;
    const std::string path = folder({model, number});
    std::error_code error;
    version.is_package = fs::exists(fs::path(path) / package::kManifestFile, error);
    version.bytes = bytes_in_folder(path);
    version.note.verdict = Verdict::kGood;
    if (const auto note = decision.versions.find(number); note != decision.versions.end())
      version.note = note->second;
    versions.push_back(version);
  }
  return versions;
}

bool Store::may_serve(const ModelAndVersion& version) const {
  return models::may_serve(decisions_->of(version.model), version.version);
}

std::vector<int64_t> Store::candidates(const std::string& model) const {
  const ModelDecision decision = decisions_->of(model);
  if (decision.current != 0) {
    std::vector<int64_t> candidates = {decision.current};
    if (decision.fallback != 0) candidates.push_back(decision.fallback);
    return candidates;
  }
  std::vector<int64_t> candidates;
  for (const int64_t version : versions_on_disk(root_ + "/" + model)) {
    if (models::may_serve(decision, version)) candidates.insert(candidates.begin(), version);
  }
  return candidates;
}

Result<Verified> Store::verify(const ModelAndVersion& version) const {
  // What is changed while it is read is seen to have changed later.
  INFERD_ASSIGN_OR_RETURN(FolderStamp stamp, FolderStamp::of(folder(version)));
  INFERD_RETURN_IF_ERROR(check(version));
  return Verified(version, std::move(stamp));
}

Status Store::check(const ModelAndVersion& version, const Verified* verified) const {
  const std::string path = folder(version);
  if (verified != nullptr && verified->version_ == version) {
    const auto now = FolderStamp::of(path);
    if (now.ok() && *now == verified->stamp_) return ok_status();
  }
  const auto text = package::read_manifest(path);
  if (text.status().code() == StatusCode::kNotFound) return ok_status();
  INFERD_RETURN_IF_ERROR(text.status());
  INFERD_RETURN_IF_ERROR(check_signature(text->manifest, text->signature).with_context(path));
  INFERD_ASSIGN_OR_RETURN(const package::Manifest parsed, package::parse_manifest(text->manifest));
  if (parsed.model != version.model || parsed.version != version.version) {
    return data_loss("'" + path + "' holds the package of " +
                     name_of({parsed.model, parsed.version}));
  }
  return package::check_folder(path, parsed);
}

std::string Store::find_file(const std::string& model, const std::string& sha256) const {
  for (const int64_t version : versions_on_disk(root_ + "/" + model)) {
    const std::string path = folder({model, version});
    const auto text = package::read_manifest(path);
    if (text.ok()) {
      const auto parsed = package::parse_manifest(text->manifest);
      if (!parsed.ok()) continue;
      for (const package::ManifestFile& file : parsed->files) {
        if (file.sha256 == sha256) return path + "/" + file.path;
      }
      continue;
    }
    // Copied there; nobody has computed its checksums yet.
    for (const std::string& file : files_in_folder(path)) {
      const auto digest = package::sha256_of_file(file);
      if (digest.ok() && *digest == sha256) return file;
    }
  }
  return "";
}

// ---- Decisions ----

Status Store::publish(const std::vector<Change>& changes, const std::string& probation_of) {
  INFERD_RETURN_IF_ERROR(writable_);
  return decisions_->decide("publish", [&](ModelDecisions& models) {
    for (const auto& [version, replaces] : changes) {
      ModelDecision& model = models[version.model];
      const auto old = model.versions.find(replaces);
      const bool was_good = old == model.versions.end() || old->second.verdict == Verdict::kGood;
      if (replaces != 0 && replaces != version.version && was_good) {
        model.fallback = replaces;
        if (old == model.versions.end()) judge(model, replaces, Verdict::kGood);
      }
      if (model.fallback == version.version) model.fallback = 0;
      judge(model, version.version, probation_of.empty() ? Verdict::kGood : Verdict::kProbation);
      model.versions[version.version].deployment = probation_of;
      model.current = version.version;
    }
  });
}

Status Store::refuse(const std::vector<ModelAndVersion>& versions, const std::string& reason) {
  INFERD_RETURN_IF_ERROR(writable_);
  return decisions_->decide("refuse", [&](ModelDecisions& models) {
    for (const ModelAndVersion& version : versions) {
      ModelDecision& model = models[version.model];
      const auto note = model.versions.find(version.version);
      const bool was_good = note != model.versions.end() && note->second.verdict == Verdict::kGood;
      const bool serves = model.current == version.version;
      if (!was_good && !serves) judge(model, version.version, Verdict::kRefused, reason);
    }
  });
}

Status Store::settle(const std::vector<ModelAndVersion>& versions) {
  return decisions_->decide("settle", [&](ModelDecisions& models) {
    for (const ModelAndVersion& version : versions) {
      ModelDecision& model = models[version.model];
      judge(model, version.version, Verdict::kGood);
      model.versions[version.version].crashes = 0;
    }
  });
}

Result<std::vector<ModelAndVersion>> Store::roll_back(const std::vector<ModelAndVersion>& versions,
                                                      const std::string& reason) {
  std::vector<ModelAndVersion> serve;
  INFERD_RETURN_IF_ERROR(decisions_->decide("roll back", [&](ModelDecisions& models) {
    serve.clear();
    for (const ModelAndVersion& version : versions) {
      ModelDecision& model = models[version.model];
      judge(model, version.version, Verdict::kRolledBack, reason);
      if (model.current == version.version) fall_back(model);
      serve.push_back({version.model, model.current});
    }
  }));
  return serve;
}

Status Store::pin(const std::string& model, bool pinned) {
  INFERD_RETURN_IF_ERROR(writable_);
  return decisions_->decide(pinned ? "pin" : "unpin",
                            [&](ModelDecisions& models) { models[model].pinned = pinned; });
}

// ---- Removing ----

Status Store::remove(const ModelAndVersion& version, const std::set<ModelAndVersion>& in_use) {
  INFERD_RETURN_IF_ERROR(writable_);
  if (!exists(version)) return not_found(name_of(version) + " is not in the repository");
  const ModelDecision decision = decisions_->of(version.model);
  if (decision.current == version.version || in_use.contains(version))
    return failed_precondition(name_of(version) + " serves; let another one serve first");
  if (decision.fallback == version.version)
    return failed_precondition(name_of(version) + " is what a rollback goes to");
  return remove_now(version);
}

// Out of its place at once; then it is forgotten, and nobody sees how its files go.
Status Store::remove_now(const ModelAndVersion& version) {
  std::string trash;
  {
    const std::lock_guard lock(mutex_);
    trash = own_ + "/trash/" + std::to_string(removed_++);
    INFERD_RETURN_IF_ERROR(rename_durably(folder(version), trash));
    INFERD_RETURN_IF_ERROR(decisions_->decide("remove", [&](ModelDecisions& models) {
      models[version.model].versions.erase(version.version);
      if (models[version.model] == ModelDecision()) models.erase(version.model);
    }));
  }
  telemetry::log(LogLevel::kInfo, name_of(version) + " is removed from the repository");
  return remove_tree(trash);
}

std::vector<ModelAndVersion> Store::removable(const std::set<ModelAndVersion>& in_use,
                                              int keep_versions) const {
  struct Candidate {
    bool is_good;
    int64_t time_ms;
    ModelAndVersion version;
  };
  std::vector<Candidate> candidates;
  for (const auto& [name, model] : decisions_->all()) {
    const std::vector<StoredVersion> stored = versions(name);
    int kept = 0;
    for (auto it = stored.rbegin(); it != stored.rend(); ++it) {
      const ModelAndVersion version = {name, it->version};
      const bool is_good = it->note.verdict == Verdict::kGood;
      if (is_good && kept++ < keep_versions) continue;
      if (!it->is_package || version.version == model.current ||
          version.version == model.fallback || in_use.contains(version))
        continue;
      candidates.push_back({is_good, it->note.time_ms, version});
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.is_good, a.time_ms) < std::tie(b.is_good, b.time_ms);
  });
  std::vector<ModelAndVersion> removable;
  removable.reserve(candidates.size());
  for (Candidate& candidate : candidates) removable.push_back(std::move(candidate.version));
  return removable;
}

void Store::collect(const std::set<ModelAndVersion>& in_use) {
  if (!writable_.ok()) return;
  uploads_.clean(config_.deployments.upload_idle_s);
  for (const ModelAndVersion& version : removable(in_use, config_.deployments.keep_versions)) {
    // What was refused stays for a while to be looked at; make_room() takes it when it must.
    const ModelDecision decision = decisions_->of(version.model);
    const auto note = decision.versions.find(version.version);
    const bool is_good = note != decision.versions.end() && note->second.verdict == Verdict::kGood;
    const bool is_old =
        note == decision.versions.end() ||
        wall_clock_ms() - note->second.time_ms > config_.deployments.upload_idle_s * 1000;
    if (!is_good && !is_old) continue;
    if (const Status removed = remove_now(version); !removed.ok()) warn(removed.message());
  }
}

Status Store::make_room(int64_t bytes, const std::set<ModelAndVersion>& in_use) {
  // What is sent, and what it is unpacked to.
  const int64_t needed = 2 * bytes;
  for (;;) {
    struct statvfs disk {};
    if (::statvfs(root_.c_str(), &disk) != 0) return system_error("look at", root_);
    const auto free = static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
    const int64_t quota = config_.deployments.quota_bytes;
    const int64_t used = quota > 0 ? bytes_in_folder(root_) : 0;
    const bool fits_quota = quota == 0 || used + bytes <= quota;
    const bool fits_disk = needed + config_.deployments.min_free_bytes <= free;
    if (fits_quota && fits_disk) return ok_status();
    const std::vector<ModelAndVersion> removable = this->removable(in_use, 0);
    if (!removable.empty()) {
      INFERD_RETURN_IF_ERROR(remove_now(removable[0]));
      continue;
    }
    if (!fits_quota) {
      return resource_exhausted("the repository has " + std::to_string(used) +
                                " bytes and nothing that may be removed; the package needs " +
                                std::to_string(bytes) + " of the " + std::to_string(quota) +
                                " that models.deployments.quota_bytes allows");
    }
    return resource_exhausted("the disk has " + std::to_string(free) + " bytes left, " +
                              std::to_string(needed) + " are needed for the package and " +
                              std::to_string(config_.deployments.min_free_bytes) +
                              " are to stay free; remove something");
  }
}

// ---- Crashes ----

void Store::begin_loading(const ModelAndVersion& version) {
  if (crash_mark_ != nullptr) crash_mark_->begin_loading(version.model, version.version);
}

void Store::done_loading() {
  if (crash_mark_ != nullptr) crash_mark_->done();
}

void Store::has_run_well(const ModelAndVersion& version) {
  const ModelDecision decision = decisions_->of(version.model);
  const auto note = decision.versions.find(version.version);
  if (note == decision.versions.end() || note->second.crashes == 0 || !writable_.ok()) return;
  const Status decided = decisions_->decide("runs well", [&](ModelDecisions& models) {
    models[version.model].versions[version.version].crashes = 0;
  });
  if (!decided.ok()) warn(decided.message());
}

}  // namespace inferd::models
