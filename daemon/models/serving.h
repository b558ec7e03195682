// SPDX-License-Identifier: Apache-2.0
//
// Which versions of which models serve at this moment, and the end of those that did.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/models/background.h"
#include "daemon/models/repository.h"

namespace inferd::models {

using VersionPtr = std::shared_ptr<const ModelVersion>;

// Thread-safe; nothing here waits but the destructor and close().
class Serving {
 public:
  // What is answered to whoever comes after close().
  static Status stopping() { return unavailable("the daemon stops and loads nothing more"); }

  Serving() = default;
  // Closes all queues and waits until nobody holds a version any more.
  ~Serving();

  // Whoever holds a version last does not end it, but this does, on a thread of its own: it may be
  // a worker of its queue, which would wait for itself.
  VersionPtr own(std::unique_ptr<ModelVersion> version);

  // As Repository has them.
  Result<VersionPtr> find(const std::string& name, int64_t version, const Asking& asking) const;
  std::vector<ModelStatus> list() const;
  std::shared_ptr<const void> listen(Repository::Listener listener);

  // The one that requests without a version get, or null.
  VersionPtr current(const std::string& name) const;

  // Before something is loaded: a model that does not serve is said to be loaded, or failed.
  void set_loading(const std::string& name);
  void set_failed(const std::string& name, const Status& why);

  // All of these serve from now on, in one moment, each in the place of what served of its model;
  // requests that have found the old ones are finished on them, and their open sequences find them
  // as long as the old one is not released. `others`: versions that serve by their number only.
  // UNAVAILABLE after close().
  struct Change {
    VersionPtr version;
    std::vector<VersionPtr> others;
  };
  Status publish(const std::vector<Change>& changes);

  // Versions that serve no more but were left their open sequences: those without any are let go.
  // Gives how many sequences are left of this model, 0 to 100 for a start; `all`: lets them go
  // anyway, which ends the sequences.
  int64_t release(const std::string& name, bool all);

  // Of requests without a version, those of `share` get this one, and so do sequences that began on
  // it; null: none do. Until it is published or the model is loaded or unloaded.
  void try_out(const std::string& name, VersionPtr candidate, CanaryShare share);

  // The model serves no more. Null where it did not. NOT_FOUND for one that is not known,
  // FAILED_PRECONDITION for one that an ensemble that serves is made of.
  Result<VersionPtr> withdraw(const std::string& name);

  // The versions of a model that are in memory, of whatever use they are.
  std::vector<VersionPtr> living() const;

  bool closed() const;
  void close();    // publishes nothing more, drains all queues
  void abandon();  // refuses what waits

 private:
  struct Entry {
    VersionPtr serving;  // or null
    std::map<int64_t, VersionPtr> others;
    VersionPtr previous;  // has the sequences that it began
    VersionPtr candidate;
    CanaryShare share;  // the candidate's
    // Adds up fractions, so that of 100 requests 100 * fraction go to the candidate.
    mutable double due = 0;
    ModelState state = ModelState::kLoading;
    std::string reason;
  };

  void tell(const std::string& name, bool serves);
  static VersionPtr choose(const Entry& entry, const Asking& asking);
  static VersionPtr replace(Entry& entry, const Change& change);
  std::string user_of(const std::string& part) const;
  std::string what_serves() const;

  mutable std::mutex mutex_;
  std::condition_variable all_gone_;
  std::map<std::string, Entry> models_;                      // by mutex_
  std::vector<std::weak_ptr<const ModelVersion>> versions_;  // by mutex_; all that live
  int living_ = 0;                                           // by mutex_: versions not ended
  bool closed_ = false;                                      // by mutex_
  std::mutex listeners_mutex_;
  std::list<Repository::Listener> listeners_;  // by listeners_mutex_
  Background ends_;                            // of versions; last: its work uses the others
};

}  // namespace inferd::models
