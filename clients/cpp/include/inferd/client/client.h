// SPDX-License-Identifier: Apache-2.0
//
// A client of the daemon, over gRPC or over the local socket (docs/local-socket.md), which runs
// models on this machine in a fraction of the time.
//
//   auto client = inferd::Client::connect("unix:/run/inferd/inferd.sock");
//   auto outputs = client->infer("detector", {{"image", view}});
//
// Calls block, but for infer_async(). Safe to use from several threads. UNAVAILABLE: nobody answers
// at the endpoint. Other errors are the daemon's, with its message.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inferd/client/infer.h"
#include "inferd/client/infer_future.h"
#include "inferd/client/push.h"
#include "inferd/client/stream.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd {

// How a client reaches a daemon that other machines can reach, too (docs/access.md).
struct ConnectOptions {
  int64_t timeout_ms = 10'000;  // of every call but watch()
  std::string ca = {};  // PEM file: who signs the daemon's certificate; "": whom the system trusts
  std::string certificate = {}, key = {};  // PEM files of the client; "": it shows none
  std::string token = {};                  // shown with every call; "": none
  // What it calls itself, for whoever chooses clients for a canary (docs/deployments.md); "":
  // nothing. Printable ASCII without spaces; not over the local socket, which knows its users.
  std::string name = {};
};

struct ServerInfo {
  std::string name, version;
  bool ready = false;
};

struct ServedModelInfo {
  std::string name, version, state, reason, platform;
  std::vector<TensorInfo> inputs, outputs;
  bool has_labels = false;  // classify() gives names; over the local socket this is not known
};

struct ServedModelStatistics {
  std::string name, version;
  uint64_t inferences = 0, executions = 0, succeeded = 0, failed = 0;
  double mean_queue_ms = 0, mean_compute_ms = 0;
};

struct WatchedKeypoint {
  float x = 0, y = 0;  // relative to the frame
  float score = 1;
};

// What a whole frame or the part in a box shows: a score, or the part of the frame that the class
// covers.
struct WatchedClass {
  int class_id = 0;
  float value = 0;
  std::string label;
};

struct WatchedDetection {
  float x_min = 0, y_min = 0, x_max = 0, y_max = 0;  // relative to the frame
  float score = 0;
  int class_id = 0;
  std::string label;
  uint64_t track_id = 0;  // the same from frame to frame; 0: not tracked
  std::vector<WatchedKeypoint> keypoints = {};
  // What a second model says of what is in the box; nothing where none was asked.
  std::vector<WatchedClass> classes = {};  // best first
  std::string text = {};
};

// The class of each place of the frame, on a grid of cells of one size.
struct WatchedMask {
  int width = 0, height = 0;   // 0: there is none
  std::vector<uint32_t> runs;  // class, length, class, length, ...; row by row, over rows' ends
};

// What went over a line, or in and out of a zone, since the pipeline started.
struct WatchedCount {
  std::string name;
  int class_id = 0;
  std::string label;
  uint64_t in = 0, out = 0;
  uint32_t inside = 0;  // of this frame's detections
};

// A number that a stage gives: an anomaly score, a level, the value of an expression.
struct WatchedValue {
  std::string name;
  double value = 0;
};

struct WatchedFrame {
  uint64_t sequence = 0, dropped = 0;
  int64_t capture_ns = 0, result_ns = 0;  // CLOCK_MONOTONIC of the daemon's machine
  int width = 0, height = 0;
  std::string frame_name;
  std::vector<WatchedDetection> detections;
  std::vector<WatchedClass> classes = {};  // scores, best first
  std::vector<WatchedClass> areas = {};    // parts of the frame, largest first
  WatchedMask mask = {};
  std::vector<WatchedCount> counts = {};
  std::vector<WatchedValue> values = {};
  std::string text = {};    // that was read or heard
  std::string node = {};    // of the pipeline, that says it
  std::string source = {};  // node of the pipeline that the frame came from
};

struct PipelineNode {
  std::string name;     // of a stage or sink
  uint64_t frames = 0;  // that it has seen
  int64_t total_ns = 0;
  std::string node = {};  // of the pipeline, that it belongs to
  // Of a sink, and how it gets on with the other side; empty: there is none.
  std::string state = {}, last_error = {};
  uint64_t queued = 0, dropped = 0;  // results
};

// A node of a pipeline, once for each way that frames come to it.
struct PipelineGraphNode {
  std::string name;
  std::string state, reason;  // of a source, and of its last failure
  uint64_t failures = 0;      // of a source
  uint64_t taken = 0, given = 0, queued = 0;
  std::map<std::string, uint64_t> drops = {};  // by reason
  double fps = 0;
};

// What the daemon says of a pipeline's file.
struct PipelineCheck {
  std::vector<std::string> errors;  // "file:line:column: message"; none: it is good
  std::string text, dot;            // its nodes, for people and for Graphviz
};

struct PipelineInfo {
  std::string name, state, reason, source, model;
  uint64_t captured = 0, processed = 0, dropped = 0, failed = 0;
  std::string last_error;  // of a stage or sink
  double captured_fps = 0, processed_fps = 0, latency_median_ms = 0, latency_p99_ms = 0;
  std::vector<PipelineNode> nodes;  // in their order
  uint64_t restarts = 0;            // because one was stuck
  std::vector<PipelineGraphNode> graph = {};
};

struct SnapshotOptions {
  std::string node = {};  // of the pipeline; empty: one whose frames nobody reads
  bool plain = false;     // nothing is drawn
  int quality = 0;        // of JPEG, 1 to 100; 0: 90
};

struct Snapshot {
  std::vector<uint8_t> jpeg;
  WatchedFrame frame;  // and what was found in it
};

// What the daemon says of its machine; what is not there, the machine does not say.
struct HostZone {
  std::string name, type;  // "thermal_zone0", "cpu-thermal"
  double celsius = 0;
  std::optional<double> passive, critical;  // from where on it is made slower, and switched off
};

// CPUs that have one clock.
struct HostClock {
  std::string name;  // "policy0"
  std::vector<int> cpus;
  int64_t hertz = 0, allowed_hertz = 0, most_hertz = 0;  // now, the most now, the most ever
  int64_t capacity = 0;                                  // of 1024 for the fastest
};

// What the daemon's governor may do less, and does.
struct GovernorStepInfo {
  std::string what;
  bool taken = false;
  std::string vain;             // why it does nothing although it is taken
  uint64_t ups = 0, downs = 0;  // how often it was taken, and taken back
};
struct GovernorInfo {
  std::vector<GovernorStepInfo> steps;
  int level = 0;       // how many are taken
  std::string reason;  // of the last decision; empty: there was none
};

struct HostInfo {
  std::vector<HostZone> zones;
  std::vector<HostClock> clocks;
  std::optional<std::string> throttled;  // why the firmware makes it slower; empty: it does not
  std::optional<double> cpu_pressure, memory_pressure, io_pressure;  // percent of the last 10 s
  std::optional<double> battery;                                     // percent
  bool discharging = false;
  std::optional<bool> mains;
  std::string memory_limit;  // whose the nearest limit is; empty: not known
  int64_t memory_limit_bytes = 0, memory_available_bytes = 0;
  std::optional<GovernorInfo> governor;  // nothing: none is configured
};

// What of a daemon's answers goes to whom: connections of one process, or from one address, that
// show the same certificate and say the same name.
struct ClientInfo {
  std::string protocol;  // "grpc", "http", "local"
  std::string user;      // of its process, over a Unix socket; empty: over TCP
  int64_t process = 0;   // which, over a Unix socket
  std::string address;   // over TCP
  std::string subject;   // of its certificate
  std::string name;      // that it gives itself
  uint64_t requests = 0, failed = 0, on_their_way = 0;
  int64_t idle_ms = 0;  // since its newest request
};

// What a camera can give.
struct CameraMode {
  std::string format;         // as its source's key of that name takes it
  int width = 0, height = 0;  // pixels
};

struct CameraInfo {
  std::string source;  // which kind of source opens it: "libcamera"
  std::string id;      // what that source's key `camera` takes
  std::string model;   // may be empty
  std::vector<CameraMode> modes;
};

enum class PipelineChange { kStart, kStop, kRestart };

class Client {
 public:
  // "unix:/path" or "host:port": gRPC; "grpcs://host:port": the same with TLS, where the daemon's
  // certificate must be for `host`. "local:/path": the local socket, which runs models and lists
  // them, watches pipelines and pushes frames to them; all else is UNIMPLEMENTED there: connect to
  // the daemon's gRPC endpoint for it, "unix:/run/inferd/inferd.sock". Does not wait for the
  // daemon: the first call does, up to `timeout_ms`, which is also the deadline of every call but
  // watch(). A daemon that was restarted is found within a second.
  static std::unique_ptr<Client> connect(const std::string& endpoint, int64_t timeout_ms = 10'000);
  // The same, which tells what is wrong with `endpoint` before the first call does.
  // INVALID_ARGUMENT: none of these forms, or `options` that it cannot have; certificates need
  // "grpcs://", and a token is sent only there or on this machine. NOT_FOUND: a file cannot be
  // read.
  static Result<std::unique_ptr<Client>> connect(const std::string& endpoint,
                                                 const ConnectOptions& options);
  virtual ~Client() = default;

  virtual Result<ServerInfo> server() = 0;
  virtual Result<bool> healthy() = 0;  // grpc.health.v1
  virtual Result<std::vector<ServedModelInfo>> models() = 0;
  virtual Result<ServedModelInfo> model(const std::string& name) = 0;
  virtual Result<std::vector<ServedModelStatistics>> statistics() = 0;

  virtual Result<std::vector<NamedResult>> infer(const std::string& model,
                                                 const std::vector<NamedTensor>& inputs,
                                                 const InferOptions& options = {}) = 0;

  // The same for a classifier: instead of each output its `top` largest elements, with the labels
  // that the daemon has for them. INVALID_ARGUMENT: `top` is below 1.
  virtual Result<std::vector<NamedClasses>> classify(const std::string& model,
                                                     const std::vector<NamedTensor>& inputs,
                                                     int top, const InferOptions& options = {}) = 0;

  // Starts an inference and returns; `inputs` need not live longer. Any number may be on their way
  // over gRPC, over the local socket as many as the daemon allows a connection (`max_in_flight`,
  // 64): one more ends with RESOURCE_EXHAUSTED at once. A client that goes cancels what is on its
  // way. When the daemon goes, what is on its way ends with UNAVAILABLE, run or not.
  //
  // Over the local socket, requests share one connection, apart from those of infer(), and the
  // first ones wait for the daemon: to connect, to be told of the model, to share memory.
  InferFuture infer_async(const std::string& model, const std::vector<NamedTensor>& inputs,
                          const InferOptions& options = {});

  // The same with a function, which is called once: in a thread of the client's, which it must not
  // hold up; or from within this call, when the request cannot be sent. It may start the next
  // inference, but not end the client. The client's destructor cancels what is on its way and waits
  // until every `done` has returned.
  void infer_async(const std::string& model, const std::vector<NamedTensor>& inputs,
                   const InferOptions& options, InferDone done);

  // Opens a stream of requests (stream.h). Does not wait for the daemon. INVALID_ARGUMENT:
  // `max_in_flight` is not from 1 to 65536.
  Result<std::unique_ptr<Stream>> stream(const StreamOptions& options = {});

  virtual Result<std::vector<PipelineInfo>> pipelines() = 0;
  // The daemon reads its configuration again and takes the pipelines that it has then.
  // INVALID_ARGUMENT with all errors: nothing was changed.
  virtual Result<std::vector<PipelineInfo>> reload_pipelines() = 0;
  // Checks a file of a pipeline, and those that it includes, against the daemon's models.
  // `parameters`: their values. NOT_FOUND: a file cannot be read here.
  virtual Result<PipelineCheck> check_pipeline(
      const std::string& path, const std::map<std::string, std::string>& parameters) = 0;
  // Waits until it is done, and gives how the pipeline is then. Nothing is to be done where it
  // runs, or does not, already. NOT_FOUND: no such pipeline.
  virtual Result<PipelineInfo> change_pipeline(const std::string& name, PipelineChange change) = 0;
  // Calls `on_frame` for each result until it returns false, the pipeline ends, or the connection
  // breaks.
  virtual Status watch(const std::string& pipeline,
                       const std::function<bool(const WatchedFrame&)>& on_frame) = 0;
  // Frames for the source `push` of this name. Of gRPC, the first answer() tells when there is
  // none.
  virtual Result<std::unique_ptr<FramePusher>> pusher(const std::string& source) = 0;
  // The next frame of a pipeline as a picture. NOT_FOUND: no such pipeline or node.
  // DEADLINE_EXCEEDED: no frame came in time.
  virtual Result<Snapshot> snapshot(const std::string& pipeline,
                                    const SnapshotOptions& options) = 0;
  // What a pipeline makes of one picture (JPEG, PNG or BMP), whether it runs or not: its stages as
  // they are configured, without sources, sinks, rates, and stages that say something only after
  // several frames. A result of each node that nobody reads. NOT_FOUND: no such pipeline.
  // INVALID_ARGUMENT: the picture is none. FAILED_PRECONDITION: the pipeline's frames are no
  // pictures, or why its stages failed.
  virtual Result<std::vector<WatchedFrame>> ask(const std::string& pipeline,
                                                std::span<const uint8_t> picture) = 0;
  // UNIMPLEMENTED: a daemon from before it could tell.
  virtual Result<HostInfo> host() = 0;
  // Who has had models run. UNIMPLEMENTED: a daemon from before it could tell.
  virtual Result<std::vector<ClientInfo>> clients() = 0;
  // Cameras that pipelines could have and that only the daemon's libraries can tell of.
  // UNIMPLEMENTED: it was built without such a library. UNAVAILABLE: it does not start there.
  virtual Result<std::vector<CameraInfo>> cameras() = 0;

 protected:
  // As infer_async(). What it returns cancels the inference: `done` gets CANCELLED, unless it has
  // got something else. That may be called at any time and in any thread, also when the client has
  // gone.
  virtual std::function<void()> start(const std::string& model,
                                      const std::vector<NamedTensor>& inputs,
                                      const InferOptions& options, InferDone done) = 0;
  // `options` are checked.
  virtual std::unique_ptr<Stream> open_stream(const StreamOptions& options) = 0;
};

}  // namespace inferd
