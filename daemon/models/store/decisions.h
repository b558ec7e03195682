// SPDX-License-Identifier: Apache-2.0
//
// What was decided of the models in a repository: which version serves, which one to go back to,
// and what became of the others. Kept in <root>/.inferd/decisions, a journal; each record holds all
// that is known of the models it is about, so that several models change together or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/models/store/journal.h"

namespace inferd::models {

// What became of a version.
enum class Verdict : uint8_t {
  kStaged,       // complete on disk; has never served
  kRefused,      // did not pass what it had to before it could serve
  kProbation,    // serves, and is watched
  kGood,         // has served well
  kRolledBack,   // served and was taken back
  kQuarantined,  // the daemon died of it
};
std::string_view verdict_name(Verdict verdict);  // "staged", ...

struct VersionNote {
  Verdict verdict = Verdict::kStaged;
  std::string reason;   // in words, where there is something to say
  int64_t time_ms = 0;  // since the epoch; of the verdict
  int crashes = 0;      // of the daemon, by this version, since it was last known to be well
  std::string deployment = {};  // on probation: with what else of it, it is judged; or ""
  bool operator==(const VersionNote&) const = default;
};

struct ModelDecision {
  int64_t current = 0;   // serves, also after a restart; 0: deployments decide nothing of it
  int64_t fallback = 0;  // what a rollback goes to; 0: nothing
  bool pinned = false;   // stays as it is
  std::map<int64_t, VersionNote> versions;
  bool operator==(const ModelDecision&) const = default;
};

using ModelDecisions = std::map<std::string, ModelDecision>;

// Thread-safe.
class Decisions {
 public:
  // Reads the journal; `folder` may be missing and is made by the first decision.
  static Result<std::unique_ptr<Decisions>> read(const std::string& folder);

  ModelDecisions all() const;
  ModelDecision of(const std::string& model) const;  // an empty one where nothing was decided
  int damaged() const { return damaged_; }           // records that could not be read

  // `change` gets what is decided so far and changes it. When this returns OK, that is durable and
  // what all() says; otherwise nothing has changed. `event` is for people who read the journal.
  Status decide(std::string_view event, const std::function<void(ModelDecisions&)>& change);

 private:
  Decisions(std::string folder, Journal journal)
      : folder_(std::move(folder)), journal_(std::move(journal)) {}
  void replay();

  const std::string folder_;
  mutable std::mutex mutex_;
  Journal journal_;           // by mutex_
  ModelDecisions decisions_;  // by mutex_
  bool is_unsure_ = false;    // by mutex_: the journal may say what decisions_ does not
  int damaged_ = 0;
};

}  // namespace inferd::models
