// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/cached_queue.h"

#include <mutex>
#include <utility>

namespace inferd::schedule {
namespace {

class CachedQueue final : public ModelQueue {
 public:
  CachedQueue(std::unique_ptr<ModelQueue> queue, std::shared_ptr<ResponseCache> cache)
      : cache_(std::move(cache)), owner_(cache_->new_owner()), queue_(std::move(queue)) {}
  ~CachedQueue() override { CachedQueue::close(); }

  void submit(Request request) override {
    const int64_t start = now_ns();
    const ResponseCache::Key key = cache_->key(owner_, request.inputs);
    const auto answer = cache_->find(key);
    count(answer != nullptr ? hit_ : miss_, 1, now_ns() - start);
    if (answer != nullptr) return request.done({ok_status(), answer->outputs, {}});
    request.done = [this, key, done = std::move(request.done)](const Outcome& outcome) {
      // Before the answer: who has one finds it when asking again.
      if (outcome.status.ok()) keep(key, outcome);
      done(outcome);
    };
    queue_->submit(std::move(request));
  }

  QueueStatistics statistics() const override {
    QueueStatistics all = queue_->statistics();
    const CacheUse use = cache_->use(owner_);
    all.cache_entries = use.entries;
    all.cache_bytes = use.bytes;
    all.cache_evictions = use.evictions;
    const std::lock_guard lock(mutex_);
    all.cache_hit = hit_;
    all.cache_miss = miss_;
    all.success.count += hit_.count;
    all.success.ns += hit_.ns;
    return all;
  }
  const Model& model() const override { return queue_->model(); }
  const QueueOptions& options() const override { return queue_->options(); }

  bool has_sequence(std::string_view id) const override { return queue_->has_sequence(id); }
  void end_sequence(std::string_view id) override { queue_->end_sequence(id); }
  void close() override {
    queue_->close();
    cache_->forget(owner_);
  }
  void abandon() override { queue_->abandon(); }

 private:
  void keep(const ResponseCache::Key& key, const Outcome& outcome) {
    const int64_t start = now_ns();
    cache_->insert(owner_, key, outcome.outputs);
    count(miss_, 0, now_ns() - start);
  }

  void count(DurationStat& stat, uint64_t requests, int64_t ns) {
    const std::lock_guard lock(mutex_);
    stat.count += requests;
    stat.ns += static_cast<uint64_t>(ns);
  }

  const std::shared_ptr<ResponseCache> cache_;
  const uint64_t owner_;
  mutable std::mutex mutex_;
  DurationStat hit_, miss_;                  // by mutex_
  const std::unique_ptr<ModelQueue> queue_;  // last: its requests use the others
};

}  // namespace

Result<std::unique_ptr<ModelQueue>> make_cached_queue(std::unique_ptr<ModelQueue> queue,
                                                      std::shared_ptr<ResponseCache> cache) {
  if (!queue->model().info().states.empty()) {
    return invalid_argument(
        "response_cache is enabled, but the model has states: its answers depend on more than a "
        "request");
  }
  if (queue->options().preserve_ordering) {
    return invalid_argument(
        "response_cache and preserve_ordering are both enabled: answers of the cache do not wait "
        "for others");
  }
  return std::unique_ptr<ModelQueue>(
      std::make_unique<CachedQueue>(std::move(queue), std::move(cache)));
}

}  // namespace inferd::schedule
