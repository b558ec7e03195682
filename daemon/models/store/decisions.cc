// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/decisions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

namespace inferd::models {
namespace {

using Json = nlohmann::json;

// Beyond it, one record takes the place of all.
constexpr int64_t kMaxJournalBytes = int64_t{256} << 10;

constexpr std::array<std::string_view, 6> kVerdicts = {"staged", "refused",     "probation",
                                                       "good",   "rolled_back", "quarantined"};

Json to_json(const VersionNote& note) {
  Json json = {{"verdict", verdict_name(note.verdict)}, {"time_ms", note.time_ms}};
  if (!note.reason.empty()) json["reason"] = note.reason;
  if (note.crashes > 0) json["crashes"] = note.crashes;
  if (!note.deployment.empty()) json["deployment"] = note.deployment;
  return json;
}

Json to_json(const ModelDecision& decision) {
  Json json = {{"current", decision.current}, {"fallback", decision.fallback}};
  if (decision.pinned) json["pinned"] = true;
  Json& versions = json["versions"] = Json::object();
  for (const auto& [version, note] : decision.versions)
    versions[std::to_string(version)] = to_json(note);
  return json;
}

// These throw what the JSON library throws when a record is not as it was written.

VersionNote note_of(const Json& json) {
  VersionNote note;
  const auto name = json.at("verdict").get<std::string>();
  const auto* const verdict = std::find(kVerdicts.begin(), kVerdicts.end(), name);
  if (verdict != kVerdicts.end()) note.verdict = static_cast<Verdict>(verdict - kVerdicts.begin());
  note.time_ms = json.at("time_ms").get<int64_t>();
  note.reason = json.value("reason", "");
  note.crashes = json.value("crashes", 0);
  note.deployment = json.value("deployment", "");
  return note;
}

ModelDecision decision_of(const Json& json) {
  ModelDecision decision;
  decision.current = json.at("current").get<int64_t>();
  decision.fallback = json.at("fallback").get<int64_t>();
  decision.pinned = json.value("pinned", false);
  for (const auto& [key, value] : json.at("versions").items()) {
    int64_t version = 0;
    std::from_chars(key.data(), key.data() + key.size(), version);
    if (version > 0) decision.versions[version] = note_of(value);
  }
  return decision;
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

// A model without a decision any more is null.
std::string record_of(std::string_view event, const Json& models) {
  const Json record = {{"time", now()}, {"event", event}, {"models", models}};
  // Names and reasons may hold what is no UTF-8.
  return record.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string_view verdict_name(Verdict verdict) { return kVerdicts[static_cast<size_t>(verdict)]; }

Result<std::unique_ptr<Decisions>> Decisions::read(const std::string& folder) {
  INFERD_ASSIGN_OR_RETURN(Journal journal, Journal::read(folder + "/decisions"));
  std::unique_ptr<Decisions> decisions(new Decisions(folder, std::move(journal)));
  decisions->replay();
  return decisions;
}

void Decisions::replay() {
  damaged_ = journal_.damaged();
  for (const std::string& record : journal_.records()) {
    try {
      const Json parsed = Json::parse(record);
      for (const auto& [name, value] : parsed.at("models").items()) {
        if (value.is_null()) {
          decisions_.erase(name);
        } else {
          decisions_[name] = decision_of(value);
        }
      }
    } catch (const Json::exception&) {
      ++damaged_;  // another version of the daemon wrote it
    }
  }
}

ModelDecisions Decisions::all() const {
  const std::lock_guard lock(mutex_);
  return decisions_;
}

ModelDecision Decisions::of(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  const auto decision = decisions_.find(model);
  return decision == decisions_.end() ? ModelDecision() : decision->second;
}

Status Decisions::decide(std::string_view event,
                         const std::function<void(ModelDecisions&)>& change) {
  const std::lock_guard lock(mutex_);
  ModelDecisions decided = decisions_;
  change(decided);
  Json changed = Json::object(), whole = Json::object();
  for (const auto& [name, decision] : decided) {
    const auto before = decisions_.find(name);
    if (before == decisions_.end() || before->second != decision) changed[name] = to_json(decision);
    whole[name] = to_json(decision);
  }
  for (const auto& [name, decision] : decisions_) {
    if (!decided.contains(name)) changed[name] = nullptr;
  }
  if (changed.empty()) return ok_status();
  INFERD_RETURN_IF_ERROR(make_folders(folder_));
  const bool rewrite = is_unsure_ || journal_.bytes() > kMaxJournalBytes;
  Status written = rewrite ? journal_.replace(record_of(event, whole))
                           : journal_.append(record_of(event, changed));
  is_unsure_ = !written.ok();
  if (written.ok()) decisions_ = std::move(decided);
  return written;
}

}  // namespace inferd::models
