// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pipelines.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>

#include "daemon/config/pipeline_file.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/question.h"
#include "daemon/pipeline/replace_models.h"
#include "daemon/pipeline/sinks/draw_result.h"
#include "daemon/telemetry/log.h"
#include "daemon/telemetry/worker.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// A pipeline as it is configured, and the one that runs, or ran.
struct Entry {
  config::PipelineConfig config;
  std::mutex changing;               // held by who starts or stops it, for as long as that takes
  bool gone = false;                 // by changing; it is not configured any more
  config::PipelineConfig built;      // by changing; with models in the place of others
  std::shared_ptr<const void> kept;  // by changing; the models whose place they took
  mutable std::mutex mutex;
  std::shared_ptr<Pipeline> pipeline;            // by mutex
  uint64_t restarts = 0;                         // by mutex
  std::string stuck;                             // by mutex; why it was not started again
  std::optional<telemetry::Worker> beyond_help;  // by mutex; the same for the watchdog
};

// Who watches goes on with the pipeline that takes over: what is unsubscribed from is the one that
// there is then.
class MailboxSubscription final : public Subscription {
 public:
  MailboxSubscription(std::shared_ptr<Entry> entry, size_t capacity,
                      std::function<void()> on_change)
      : entry_(std::move(entry)) {
    const std::lock_guard lock(entry_->mutex);
    pipeline_ = entry_->pipeline;
    mailbox_ = entry_->pipeline->subscribe(capacity, std::move(on_change));
  }
  ~MailboxSubscription() override {
    const std::lock_guard lock(entry_->mutex);
    if (const auto pipeline = pipeline_.lock()) pipeline->unsubscribe(mailbox_);
    entry_->pipeline->unsubscribe(mailbox_);
  }

  std::shared_ptr<const FrameResult> next(int64_t timeout_ms) override {
    return mailbox_->take(timeout_ms);
  }
  bool ended() const override { return mailbox_->ended(); }
  uint64_t dropped() const override { return mailbox_->dropped(); }
  void close() override { mailbox_->close(); }

 private:
  const std::shared_ptr<Entry> entry_;
  std::weak_ptr<Pipeline> pipeline_;  // that was subscribed to
  std::shared_ptr<Mailbox> mailbox_;
};

// Pipelines that were stopped while a node was stuck: kept until it comes back. Not thread-safe.
class Stuck {
 public:
  static constexpr size_t kMost = 8;

  size_t count() {
    std::erase_if(pipelines_, [](const auto& pipeline) { return pipeline->ended(); });
    return pipelines_.size();
  }
  void keep(std::shared_ptr<Pipeline> pipeline) { pipelines_.push_back(std::move(pipeline)); }

  // At the end of the process: the threads of those that are still stuck must find what they use.
  ~Stuck() {
    for (auto& pipeline : pipelines_) {
      if (!pipeline->ended()) new std::shared_ptr<Pipeline>(std::move(pipeline));
    }
  }

 private:
  std::vector<std::shared_ptr<Pipeline>> pipelines_;
};

class PipelineSet final : public Pipelines {
 public:
  PipelineSet(models::Repository& repository, ReadConfigs read)
      : repository_(repository), read_(std::move(read)) {}
  ~PipelineSet() override { stop(); }

  // Before it is used by others.
  Status make(const std::vector<config::PipelineConfig>& configs) {
    INFERD_ASSIGN_OR_RETURN(entries_, build(configs, {}));
    return ok_status();
  }

  void start() override {
    for (const auto& entry : entries()) {
      const std::lock_guard changing(entry->changing);
      if (entry->config.autostart) current(*entry)->start();
    }
    watch_on();
    watchman_ = std::thread([this] { watch(); });
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    if (watchman_.joinable()) watchman_.join();
    for (const auto& entry : entries()) {
      const std::lock_guard changing(entry->changing);
      stop_entry(*entry);
    }
    wait_for_stuck();
  }

  Status start(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    const std::lock_guard changing(entry->changing);
    return start_entry(*entry);
  }

  Status stop(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    const std::lock_guard changing(entry->changing);
    stop_entry(*entry);
    return ok_status();
  }

  Status restart(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    const std::lock_guard changing(entry->changing);
    stop_entry(*entry);
    return start_entry(*entry);
  }

  Status reload() override { return take_configs({}, nullptr); }

  Status reload(const FileChange& change) override {
    return take_configs({{change.path, change.text}}, change.write);
  }

  Result<PipelineFile> file_of(const std::string& name) const override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    if (!entry->config.file.empty()) return PipelineFile{entry->config.file, entry->config.with};
    return failed_precondition("pipeline '" + name +
                               "' stands in the daemon's configuration and has no file of its own");
  }

  Status restrain(const Restraint& restraint) override {
    const std::lock_guard reloading(reloading_);
    {
      const std::lock_guard lock(mutex_);
      restraint_ = restraint;
    }
    std::string errors;
    for (const auto& entry : entries()) {
      const std::lock_guard changing(entry->changing);
      if (closed()) return unavailable("the daemon stops and changes nothing more");
      current(*entry)->set_max_fps(max_fps_of(restraint, entry->config.name));
      const Status changed = change_models(*entry, restraint);
      if (!changed.ok()) errors += (errors.empty() ? "" : "\n") + changed.message();
    }
    return errors.empty() ? ok_status() : failed_precondition(errors);
  }

  Status check(const Restraint& restraint) override {
    for (const auto& [name, unused] : restraint.max_fps) {
      INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
      if (current(*entry)->has_pictures()) continue;
      return failed_precondition("pipeline '" + name + "' has no pictures, and samples of sound " +
                                 "or sensors are not left out");
    }
    for (const auto& entry : entries()) {
      const auto wanted = replace_models(entry->config, restraint.models);
      if (wanted == entry->config) continue;
      const Status made = Pipeline::create(wanted, repository_, nullptr, false).status();
      INFERD_RETURN_IF_ERROR(made.with_context("pipeline '" + entry->config.name + "'"));
    }
    return ok_status();
  }

  Result<PipelineDrawing> check(const std::string& path,
                                const std::map<std::string, std::string>& parameters,
                                const ReadFile& read) override {
    INFERD_ASSIGN_OR_RETURN(const auto config, config::load_pipeline(path, parameters, read));
    INFERD_ASSIGN_OR_RETURN(const auto pipeline,
                            Pipeline::create(config, repository_, nullptr, false));
    return PipelineDrawing{draw_text(pipeline->graph()), draw_dot(config.name, pipeline->graph())};
  }

  std::vector<PipelineStatus> list() const override {
    std::vector<PipelineStatus> list;
    for (const auto& entry : entries()) list.push_back(status_of(*entry));
    return list;
  }

  Result<PipelineStatus> status(const std::string& name) const override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    return status_of(*entry);
  }

  Result<std::unique_ptr<Subscription>> subscribe(const std::string& name, size_t capacity,
                                                  std::function<void()> on_change) override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    return std::unique_ptr<Subscription>(
        std::make_unique<MailboxSubscription>(entry, capacity, std::move(on_change)));
  }

  Result<Snapshot> snapshot(const std::string& name, const SnapshotOptions& options) override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    INFERD_ASSIGN_OR_RETURN(auto shot, current(*entry)->shoot(options.node, options.timeout_ms));
    const media::Picture& picture = shot.frame->picture;
    if (picture.width == 0 && !options.needs_picture) return Snapshot{{}, std::move(shot.result)};
    if (picture.width == 0)
      return failed_precondition("the frames of pipeline '" + name + "' are no pictures");
    media::Image image;
    media::to_rgb(picture, image);
    shot.frame.reset();
    if (!options.plain) draw_result(shot.result, image);
    INFERD_ASSIGN_OR_RETURN(auto jpeg, media::encode_jpeg(image, options.quality));
    return Snapshot{std::move(jpeg), std::move(shot.result)};
  }

  Result<std::vector<FrameResult>> ask(const std::string& name, const Question& question) override {
    INFERD_ASSIGN_OR_RETURN(const auto entry, find(name));
    if (closed()) return unavailable("the daemon stops and starts nothing more");
    if (!questions_.try_acquire()) {
      return resource_exhausted("there are " + std::to_string(kMaxQuestions) +
                                " questions already, ask again later");
    }
    auto answer = answer_to(question, replace_models(entry->config, restraint().models));
    questions_.release();
    return answer;
  }

  Inlets& inlets() override { return feeds_.inlets(); }

 private:
  using Entries = std::vector<std::shared_ptr<Entry>>;

  // `write` is called, if there is one, once all is built.
  Status take_configs(const std::map<std::string, std::string>& instead,
                      const std::function<Status()>& write) {
    const std::lock_guard reloading(reloading_);
    if (closed()) return unavailable("the daemon stops and starts nothing more");
    if (!read_) return failed_precondition("there is no configuration to read again");
    INFERD_ASSIGN_OR_RETURN(const auto configs, read_(instead));
    const Entries before = entries();
    INFERD_ASSIGN_OR_RETURN(Entries after, build(configs, before));
    if (write) INFERD_RETURN_IF_ERROR(write());
    {
      const std::lock_guard lock(mutex_);
      entries_ = after;
      changed_.notify_all();
    }
    std::vector<std::string> ran;
    for (const auto& old : before) {
      if (std::find(after.begin(), after.end(), old) != after.end()) continue;
      const std::lock_guard changing(old->changing);
      if (current(*old)->running()) ran.push_back(old->config.name);
      old->gone = true;
      stop_entry(*old);
    }
    for (const auto& entry : after) {
      if (std::find(before.begin(), before.end(), entry) != before.end()) continue;
      const std::string& name = entry->config.name;
      const bool was_there = std::any_of(before.begin(), before.end(),
                                         [&](const auto& old) { return old->config.name == name; });
      const bool starts = was_there ? std::find(ran.begin(), ran.end(), name) != ran.end()
                                    : entry->config.autostart;
      telemetry::log(LogLevel::kInfo, "pipeline " + name + (was_there ? " has changed" : " is new"),
                     {.pipeline = name});
      const std::lock_guard changing(entry->changing);
      if (starts) current(*entry)->start();
    }
    watch_on();
    return ok_status();
  }

  // Those of `before` that stay as they are, and new ones.
  Result<Entries> build(const std::vector<config::PipelineConfig>& configs, const Entries& before) {
    Entries entries;
    std::string errors;
    for (const config::PipelineConfig& config : configs) {
      const auto same = std::find_if(before.begin(), before.end(),
                                     [&](const auto& entry) { return entry->config == config; });
      if (same != before.end()) {
        entries.push_back(*same);
        continue;
      }
      auto made = make(config);
      if (!made.ok()) {
        errors += (errors.empty() ? "" : "\n") + made.status().message();
        continue;
      }
      entries.push_back(std::make_shared<Entry>());
      entries.back()->config = config;
      take(*entries.back(), *std::move(made));
    }
    if (!errors.empty()) return invalid_argument(errors);
    return entries;
  }

  Entries entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }

  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

  Result<std::shared_ptr<Entry>> find(const std::string& name) const {
    std::string names;
    for (const auto& entry : entries()) {
      if (entry->config.name == name) return entry;
      names += (names.empty() ? "" : ", ") + entry->config.name;
    }
    return not_found("there is no pipeline '" + name + "'" +
                     (names.empty() ? "" : "; there are: " + names));
  }

  static std::shared_ptr<Pipeline> current(const Entry& entry) {
    const std::lock_guard lock(entry.mutex);
    return entry.pipeline;
  }

  static PipelineStatus status_of(const Entry& entry) {
    PipelineStatus status = current(entry)->status();
    const std::lock_guard lock(entry.mutex);
    status.restarts = entry.restarts;
    if (!entry.stuck.empty()) {
      status.state = PipelineState::kFailed;
      status.reason = entry.stuck;
    }
    return status;
  }

  // By entry.changing. What works on is waited for, but not for ever: a node may be stuck.
  void stop_entry(Entry& entry) {
    constexpr int64_t kPatienceNs = 20 * kSecondNs;
    const auto pipeline = current(entry);
    if (!pipeline->stop_within(kPatienceNs)) give_up(pipeline);
    const std::lock_guard lock(entry.mutex);
    entry.stuck.clear();
    entry.beyond_help.reset();
  }

  // Some may have come back by now; the others are left behind.
  void wait_for_stuck() {
    const int64_t until = schedule::now_ns() + 2 * kSecondNs;
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (stuck_.count() == 0 || schedule::now_ns() > until) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  void give_up(const std::shared_ptr<Pipeline>& pipeline) {
    telemetry::log(
        LogLevel::kError,
        "pipeline " + pipeline->name() + " has a node that does not end; it is left behind",
        {.pipeline = pipeline->name()});
    const std::lock_guard lock(mutex_);
    stuck_.keep(pipeline);
  }

  // By entry.changing. A pipeline runs once; the next run is another one's.
  Status start_entry(Entry& entry) {
    if (closed()) return unavailable("the daemon stops and starts nothing more");
    if (entry.gone) return not_found("there is no pipeline '" + entry.config.name + "' any more");
    const auto before = current(entry);
    if (before->running()) return ok_status();
    stop_entry(entry);  // its threads have ended, or are about to
    return start_anew(entry);
  }

  // After every start, once the pipeline is an entry's.
  void watch_on() {
    const std::lock_guard lock(mutex_);
    watching_ = true;
    changed_.notify_all();
  }

  // Sleeps while no pipeline runs.
  void watch() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closed_ || watching_; });
      changed_.wait_for(lock, std::chrono::milliseconds(500), [&] { return closed_; });
      if (closed_) return;
      watching_ = false;  // unless one runs, or is started meanwhile
      const Entries entries = entries_;
      lock.unlock();
      bool any_runs = false;
      {
        const telemetry::Work work(watch_);
        const int64_t now = schedule::now_ns();
        feeds_.look_after(now);
        for (const auto& entry : entries) {
          look_after(*entry, now);
          any_runs |= current(*entry)->running();
        }
      }
      lock.lock();
      watching_ |= any_runs;
    }
  }

  // Builds a pipeline anew where one of its nodes is stuck. The old one stays behind: no thread can
  // be ended from outside.
  void look_after(Entry& entry, int64_t now) {
    const std::unique_lock changing(entry.changing, std::try_to_lock);
    if (!changing.owns_lock()) return;  // somebody starts or stops it
    const auto pipeline = current(entry);
    const std::string node = pipeline->stuck_node(now);
    if (node.empty() || !pipeline->running()) return;
    const std::string what = "node '" + node + "' is stuck";
    telemetry::log(LogLevel::kError, "pipeline " + entry.config.name + ": " + what,
                   {.pipeline = entry.config.name});
    if (!pipeline->stop_within(kSecondNs)) give_up(pipeline);
    Status started = unavailable("too many pipelines are stuck");
    {
      const std::lock_guard lock(mutex_);
      if (stuck_.count() < Stuck::kMost) started = ok_status();
    }
    if (started.ok()) started = start_anew(entry);
    const std::lock_guard lock(entry.mutex);
    if (started.ok()) {
      ++entry.restarts;
    } else {
      entry.stuck = what + ", and it was not started again: " + started.message();
      entry.beyond_help.emplace("pipeline " + entry.config.name + ", of which " + what + ",");
      entry.beyond_help->begin();
    }
  }

  Status start_anew(Entry& entry) {
    INFERD_ASSIGN_OR_RETURN(Made next, make(entry.config));
    next.pipeline->start();
    take(entry, std::move(next));
    return ok_status();
  }

  // ---- Doing with less ----

  struct Made {
    std::shared_ptr<Pipeline> pipeline;
    config::PipelineConfig built;
    std::shared_ptr<const void> kept;
  };

  // By entry.changing, or before others know it.
  void take(Entry& entry, Made made) {
    entry.built = std::move(made.built);
    entry.kept = std::move(made.kept);
    {
      const std::lock_guard lock(entry.mutex);
      entry.pipeline = std::move(made.pipeline);
    }
    watch_on();
  }

  Restraint restraint() const {
    const std::lock_guard lock(mutex_);
    return restraint_;
  }

  // With the models and at the rate that pipelines have at this moment. A model's variant that does
  // not fit does not keep a pipeline from running.
  Result<Made> make(const config::PipelineConfig& config) {
    const Restraint restraint = this->restraint();
    auto made = make_with(replace_models(config, restraint.models), restraint);
    if (made.ok() || replace_models(config, restraint.models) == config) return made;
    telemetry::log(
        LogLevel::kWarning,
        "pipeline " + config.name + " runs with its own models: " + made.status().message(),
        {.pipeline = config.name});
    return make_with(config, restraint);
  }

  Result<Made> make_with(config::PipelineConfig built, const Restraint& restraint) {
    Made made;
    INFERD_ASSIGN_OR_RETURN(made.pipeline, Pipeline::create(built, repository_, &feeds_));
    made.pipeline->set_max_fps(max_fps_of(restraint, built.name));
    made.kept = keep_models(built, restraint);
    made.built = std::move(built);
    return made;
  }

  static double max_fps_of(const Restraint& restraint, const std::string& name) {
    const auto limit = restraint.max_fps.find(name);
    return limit == restraint.max_fps.end() ? 0 : limit->second;
  }

  // Those whose places others took in this pipeline must be there when it wants them back.
  std::shared_ptr<const void> keep_models(const config::PipelineConfig& built,
                                          const Restraint& restraint) const {
    auto kept = std::make_shared<std::vector<std::shared_ptr<const void>>>();
    for (const auto& [model, variant] : restraint.models) {
      if (uses_model(built, variant))
        kept->push_back(repository_.depend(model, "pipeline '" + built.name + "'"));
    }
    return kept;
  }

  // By entry.changing.
  Status change_models(Entry& entry, const Restraint& restraint) {
    constexpr int64_t kPatienceNs = 20 * kSecondNs;
    const auto before = current(entry);
    auto wanted = replace_models(entry.config, restraint.models);
    if (wanted == entry.built || before->status().state != PipelineState::kRunning)
      return ok_status();
    const std::string title = "pipeline " + entry.config.name;
    if (!before->is_live()) {
      return failed_precondition(title + " would read its source from the beginning; it takes " +
                                 "other models with its next start");
    }
    auto made = make_with(std::move(wanted), restraint);
    if (!made.ok()) return made.status().with_context(title + " goes on as it is");
    const auto sources = before->keep_sources();
    const auto next = made->pipeline;
    {
      const std::lock_guard lock(entry.mutex);
      next->take_mailboxes(*before);
      entry.pipeline = next;
    }
    if (!before->stop_within(kPatienceNs)) give_up(before);
    next->start();
    take(entry, *std::move(made));
    return ok_status();
  }

  Result<std::vector<FrameResult>> answer_to(const Question& question,
                                             const config::PipelineConfig& config) {
    INFERD_ASSIGN_OR_RETURN(auto run, OnePictureRun::create(config, repository_, question));
    auto answer = run.answer();
    if (!run.pipeline()->stop_within(kSecondNs)) give_up(run.pipeline());
    return answer;
  }

  models::Repository& repository_;
  const ReadConfigs read_;
  Feeds feeds_;
  std::mutex reloading_;
  std::counting_semaphore<kMaxQuestions> questions_{kMaxQuestions};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Stuck stuck_;            // by mutex_
  Entries entries_;        // by mutex_
  Restraint restraint_;    // by mutex_
  bool closed_ = false;    // by mutex_
  bool watching_ = false;  // by mutex_; a pipeline may run
  telemetry::Worker watch_{"the watch over pipelines"};
  std::thread watchman_;
};

}  // namespace

Result<std::unique_ptr<Pipelines>> Pipelines::create(
    const std::vector<config::PipelineConfig>& configs, models::Repository& repository,
    ReadConfigs read) {
  auto pipelines = std::make_unique<PipelineSet>(repository, std::move(read));
  INFERD_RETURN_IF_ERROR(pipelines->make(configs));
  return std::unique_ptr<Pipelines>(std::move(pipelines));
}

}  // namespace inferd::pipeline
