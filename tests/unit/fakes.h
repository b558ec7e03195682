// SPDX-License-Identifier: Apache-2.0
//
// Models that do what a test says, and a repository of them: the daemon's parts are tested without
// model files.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/models/repository.h"
#include "inferd/engine/engine.h"

namespace inferd {

// Holds runs back until opened. Thread-safe.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void wait_for_arrivals(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;  // by mutex_
  int arrived_ = 0;    // by mutex_
};

struct FakeTensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;
};

// Runs a function. It must be safe to call from as many threads as there are contexts.
class FakeModel final : public Model {
 public:
  using Run = std::function<Result<std::vector<FakeTensor>>(std::span<const TensorView>)>;

  FakeModel(std::vector<TensorInfo> inputs, std::vector<TensorInfo> outputs, Run run)
      : run_(std::move(run)) {
    info_.inputs = std::move(inputs);
    info_.outputs = std::move(outputs);
  }
  // Before it is used.
  void set_batchable(bool batchable) { info_.batchable = batchable; }
  void add_state(TensorInfo state) { info_.states.push_back(std::move(state)); }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Runs>(run_));
  }
  std::unique_ptr<State> create_state() const override {
    return info_.states.empty() ? nullptr : std::make_unique<NoState>();
  }

 private:
  struct NoState final : State {
    void reset() override {}
  };
  class Runs final : public Context {
   public:
    explicit Runs(const Run& run) : run_(run) {}
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const>) override {
      INFERD_ASSIGN_OR_RETURN(outputs_, run_(inputs));
      views_.clear();
      for (const FakeTensor& t : outputs_) views_.push_back({t.dtype, t.shape, t.data});
      return std::span<const TensorView>(views_);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    const Run& run_;
    std::vector<FakeTensor> outputs_;
    std::vector<TensorView> views_;
  };

  ModelInfo info_;
  Run run_;
};

// Filled before it is used, or by the thread that uses it.
class FakeRepository final : public models::Repository {
 public:
  // A worker that still holds its last request, and with it the model, must not end it from within.
  ~FakeRepository() override { close(); }

  // The first version of a model, or the next one, which takes the place of the one before.
  void add(const std::string& name, std::shared_ptr<const Model> model,
           const schedule::QueueOptions& options = {}, std::vector<std::string> labels = {}) {
    auto version = std::make_shared<models::ModelVersion>();
    version->name = name;
    version->version = models_.contains(name) ? models_[name]->version + 1 : 1;
    version->labels = std::move(labels);
    version->model = model;
    auto queue = schedule::ModelQueue::create(std::move(model), name, options);
    if (!queue.ok()) std::abort();
    version->queue = std::move(*queue);
    models_[name] = std::move(version);
  }

  Result<std::shared_ptr<const models::ModelVersion>> find(
      const std::string& name, int64_t, const models::Asking& = {}) const override {
    const auto model = models_.find(name);
    if (model == models_.end()) return not_found("there is no model '" + name + "'");
    return std::shared_ptr<const models::ModelVersion>(model->second);
  }
  std::vector<models::ModelStatus> list() const override {
    std::vector<models::ModelStatus> list;
    for (const auto& [name, model] : models_)
      list.push_back({name, model->version, models::ModelState::kReady, ""});
    return list;
  }
  std::vector<models::ModelStatus> index() const override { return list(); }
  bool ready() const override { return true; }
  void load(const std::string&, Done done) override { done(unimplemented("models are added")); }
  void unload(const std::string& name, bool, Done done) override {
    const auto model = models_.find(name);
    if (model == models_.end()) return done(not_found("there is no model '" + name + "'"));
    model->second->queue->close();
    models_.erase(model);
    if (listener_) listener_(name, false);
    done(ok_status());
  }
  std::shared_ptr<const void> listen(Listener listener) override {
    listener_ = std::move(listener);
    return nullptr;
  }
  std::shared_ptr<const void> depend(const std::string&, const std::string&) override {
    return nullptr;
  }
  void close() override {
    for (auto& [name, model] : models_) model->queue->close();
  }
  void restrain(const models::Restraint&) override {}
  void abandon() override {
    for (auto& [name, model] : models_) model->queue->abandon();
  }

 private:
  std::map<std::string, std::shared_ptr<models::ModelVersion>> models_;
  Listener listener_;
};

}  // namespace inferd
