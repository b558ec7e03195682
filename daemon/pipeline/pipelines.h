// SPDX-License-Identifier: Apache-2.0
//
// The pipelines of the daemon: the public face of this folder, used by serve/ and app.cc.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/result.h"
#include "media/picture.h"

namespace inferd::pipeline {

class Inlets;

// What pipelines do without for a while (docs/governor.md). Nothing, as it is made.
struct Restraint {
  std::map<std::string, double> max_fps;      // by pipeline: pictures a second of each source
  std::map<std::string, std::string> models;  // and those that take their places
};

//   stopped --start--> running --stop--> stopped
//                         |
//                         +-- the source has ended --> finished --start--> running
//                         +-- the source has failed --> failed ----start--> running
enum class PipelineState { kStopped, kRunning, kFinished, kFailed };

// Of a stage or sink.
struct NodeStatistics {
  std::string name;  // "infer", "resize", ...
  uint64_t frames = 0;
  int64_t total_ns = 0;
  std::string node = {};  // that it belongs to
  // Of a sink, and how it gets on with the other side; see SinkStatus.
  std::string state = {}, last_error = {};
  uint64_t queued = 0, dropped = 0;
};

// Why a frame went no further.
enum class DropReason : uint8_t {
  kOverwritten,  // a newer one came before it was taken
  kSkipped,      // by `every` or `max_fps`
  kStale,        // the deadline had passed
  kFailed,       // a stage refused it
  kUnmatched,    // a join found nothing that belongs to it
  kGated,        // a stage saw no need to go on with it
  kStopped,      // the pipeline was stopped
};
inline constexpr size_t kDropReasons = 7;
const char* drop_reason_name(DropReason reason);

struct NodeStatus {
  std::string name;
  std::string state = {};   // of sources: see Feed
  std::string reason = {};  // of a source's last failure
  uint64_t failures = 0;    // of a source
  uint64_t taken = 0, given = 0;
  uint64_t queued = 0;  // wait for it
  std::array<uint64_t, kDropReasons> drops = {};
  double fps = 0;                        // given, over the last seconds
  std::vector<std::string> inputs = {};  // names of the nodes that it reads; of sources, none
};

// Upper bounds of the buckets but the last.
inline constexpr std::array<double, 12> kLatencyBoundsMs = {1,   2,   5,   10,   20,   50,
                                                            100, 200, 500, 1000, 2000, 5000};
inline constexpr size_t kLatencyBuckets = kLatencyBoundsMs.size() + 1;

struct PipelineStatus {
  std::string name;
  PipelineState state = PipelineState::kStopped;
  std::string reason;  // of a failure
  std::string source, model;
  // Of a straight line: captured = processed + dropped + failed + those on their way. Of a graph:
  // captured by all sources, processed by all nodes that nobody reads, dropped (but for those that
  // it should skip) and failed anywhere.
  uint64_t captured = 0, processed = 0, dropped = 0, failed = 0;
  std::string last_error;                            // of a stage or sink
  uint64_t subscriber_drops = 0;                     // results that slow subscribers missed
  double captured_fps = 0, processed_fps = 0;        // over the last seconds
  double latency_median_ms = 0, latency_p99_ms = 0;  // capture to result, last 1,000 frames
  // Capture to sinks; the last bucket has what took longer than all.
  std::array<uint64_t, kLatencyBuckets> latency_counts = {};
  double latency_sum_ms = 0;
  uint64_t restarts = 0;  // because it was stuck
  std::vector<NodeStatistics> nodes;
  std::vector<NodeStatus> graph;
};

// Where a pipeline stands.
struct PipelineFile {
  std::string path;
  std::map<std::string, std::string> parameters;  // values that it is used with, but for lists
};

// A file that is to say something else.
struct FileChange {
  std::string path, text;
  std::function<Status()> write;  // called once all is checked; with an error, nothing is changed
};

struct PipelineDrawing {
  std::string text;  // a line for each node
  std::string dot;   // for Graphviz
};

// What a camera can give.
struct CameraMode {
  std::string format;         // as the source's key of that name takes it
  int width = 0, height = 0;  // pixels
};

struct CameraInfo {
  std::string source;  // which kind of source opens it: "libcamera"
  std::string id;      // what that source's key `camera` takes
  std::string model;   // may be empty
  std::vector<CameraMode> modes;
};

// Cameras of libraries. Any thread; looks for them anew, which takes up to a second.
// UNIMPLEMENTED: this build has no such library. UNAVAILABLE: it does not start.
Result<std::vector<CameraInfo>> list_cameras();

// A bounded mailbox of results: the newest `capacity` results wait for next(); older ones are
// dropped and counted. Thread-safe.
class Subscription {
 public:
  virtual ~Subscription() = default;  // unsubscribes
  // Waits for a result, at most `timeout_ms`. Null when there is none: see ended().
  virtual std::shared_ptr<const FrameResult> next(int64_t timeout_ms) = 0;
  // Nothing will come any more: close() was called, or the pipeline has ended, and the mailbox is
  // empty.
  virtual bool ended() const = 0;
  virtual uint64_t dropped() const = 0;
  virtual void close() = 0;  // wakes next()
};

struct SnapshotOptions {
  std::string node = {};  // empty: one that nobody reads
  bool plain = false;     // nothing is drawn
  int quality = 90;       // of JPEG, 1 to 100
  int64_t timeout_ms = 5000;
  bool needs_picture = true;  // else frames that are none have an empty JPEG
};

struct Snapshot {
  std::vector<uint8_t> jpeg;
  FrameResult result;
};

// A picture that somebody asks about: `encoded` (JPEG, PNG or BMP), or where that is empty,
// `pixels`. Both are borrowed for the time of the call.
struct Question {
  std::span<const uint8_t> encoded = {};
  media::Picture pixels = {};
  int64_t timeout_ms = 10'000;
};

// Thread-safe.
class Pipelines {
 public:
  // Gives the configuration as it is then, but for files of pipelines that say something else
  // `instead`, by path. Empty: there is nowhere to read it from.
  using ReadConfigs = std::function<Result<std::vector<config::PipelineConfig>>(
      const std::map<std::string, std::string>& instead)>;

  // Builds and checks every pipeline against the models; starts those with `autostart` on start().
  // Errors are "file:line:column: message", all at once. The repository outlives them; while a
  // pipeline runs, its model stays and changes only to versions that it can go on with.
  static Result<std::unique_ptr<Pipelines>> create(
      const std::vector<config::PipelineConfig>& configs, models::Repository& repository,
      ReadConfigs read = {});
  virtual ~Pipelines() = default;  // stops

  virtual void start() = 0;
  // Ends sources, finishes the frames on their way, closes subscriptions; nothing starts any more.
  virtual void stop() = 0;

  // The same of one of them; each waits until that is done, and has nothing to do where it runs, or
  // does not, already. A pipeline that is started anew is built anew, as the configuration has it,
  // with counters at 0. NOT_FOUND for one that is not configured, UNAVAILABLE after stop(), or why
  // it cannot be built: its model is gone, its file cannot be opened.
  virtual Status start(const std::string& name) = 0;
  virtual Status stop(const std::string& name) = 0;
  virtual Status restart(const std::string& name) = 0;

  // Reads the configuration again: starts and stops what it adds and leaves out, builds anew what
  // it changes (and starts it where it ran), and leaves all others alone. With an error, the same
  // as create() gives, nothing is changed.
  virtual Status reload() = 0;
  // The same as it will be once a file says something else, which `write` sees to.
  virtual Status reload(const FileChange& change) = 0;

  // NOT_FOUND: no such pipeline. FAILED_PRECONDITION: it stands in the configuration itself.
  virtual Result<PipelineFile> file_of(const std::string& name) const = 0;

  // From now on pipelines do without what it says, and have again what it does not say any more, as
  // they are and as they will be built. Sources go on; a pipeline whose models change is built
  // anew, and who watches it goes on with the new one. Where that cannot be done, it goes on as it
  // was, and the status says why, a line for each; so does one that reads a source which is not
  // live, as it would begin anew, until its next start.
  virtual Status restrain(const Restraint& restraint) = 0;
  // Whether that could change anything: NOT_FOUND for a pipeline that is not configured,
  // FAILED_PRECONDITION for one without pictures, or why one with other models cannot be built.
  virtual Status check(const Restraint& restraint) = 0;

  // Checks a file of a pipeline (docs/pipelines.md), with values of its parameters: it is built
  // against the models and never started; libraries that it names are not loaded. `read` gives the
  // contents of this file and of those that it includes, by path. The same errors.
  using ReadFile = std::function<Result<std::string>(const std::string& path)>;
  virtual Result<PipelineDrawing> check(const std::string& path,
                                        const std::map<std::string, std::string>& parameters,
                                        const ReadFile& read) = 0;

  virtual std::vector<PipelineStatus> list() const = 0;
  virtual Result<PipelineStatus> status(const std::string& name) const = 0;
  // `on_change` is called whenever a result has come, and at the end; with locks held, so it must
  // be short and call nothing of this. It is not called any more once the subscription has gone.
  virtual Result<std::unique_ptr<Subscription>> subscribe(const std::string& name, size_t capacity,
                                                          std::function<void()> on_change = {}) = 0;

  // The next frame as a picture with its results; encoded by the caller's thread. NOT_FOUND: no
  // such pipeline or node. DEADLINE_EXCEEDED: no frame came. FAILED_PRECONDITION: it does not run,
  // or its frames are no pictures.
  virtual Result<Snapshot> snapshot(const std::string& name, const SnapshotOptions& options) = 0;

  // What a pipeline makes of one picture, whether it runs or not, and without disturbing it: a
  // result of each node that nobody reads, in the graph's order; where it is there for several
  // cameras, one. Its stages are as configured, without what belongs to a
  // stream: sources, sinks, rates, the deadline, and stages that say something only after several
  // frames (tracks, counts, gates). Holds the caller's thread, and starts as many as the pipeline
  // has nodes. NOT_FOUND: no such pipeline. FAILED_PRECONDITION: its frames are no pictures, or why
  // its stages failed. INVALID_ARGUMENT: the picture is none, or why the pipeline cannot be built
  // without all that. RESOURCE_EXHAUSTED: a picture that is too large, or too many questions at
  // once. DEADLINE_EXCEEDED: it took longer.
  static constexpr int kMaxQuestions = 4;
  virtual Result<std::vector<FrameResult>> ask(const std::string& name,
                                               const Question& question) = 0;

  // Where frames of other processes go.
  virtual Inlets& inlets() = 0;
};

}  // namespace inferd::pipeline
