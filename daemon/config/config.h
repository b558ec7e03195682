// SPDX-License-Identifier: Apache-2.0
//
// The configuration as typed structs. Only this folder sees YAML. Every error is
// "file:line:column: message"; unknown keys are errors and name the nearest known key.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::config {

// Where something stands in a file, for errors found after parsing.
struct Mark {
  std::string file;
  int line = 0, column = 0;       // from 1
  std::string to_string() const;  // "file:line:column"
  // Where something stands does not make it another thing.
  bool operator==(const Mark&) const { return true; }
};

// Who gets which roles; see docs/access.md. A rule is met by whoever is one of those it names.
struct AccessRule {
  std::vector<std::string> roles = {};               // "infer", "observe", "admin"
  std::vector<std::string> users = {}, groups = {};  // names or numbers; of a Unix socket's peers
  std::vector<std::string> subjects = {};            // common names of clients' certificates
  std::string tokens = {};                           // file of bearer tokens
  bool everyone = false;
  Mark mark = {};
};

// A file that the configuration names.
struct NamedFile {
  std::string path;
  Mark mark = {};
};

struct TlsConfig {
  NamedFile certificate, key;  // PEM files
  NamedFile client_ca;         // of clients' certificates; no path: they need none
};

struct Listener {
  std::string address;     // "unix:PATH" or "HOST:PORT"
  int socket_mode = 0660;  // permissions of a Unix socket
  bool insecure = false;   // allows an address that other machines can reach without encryption
  std::optional<TlsConfig> tls;
  std::vector<AccessRule> allow;  // none: whoever can connect may do everything
  Mark mark;
};

struct GrpcListener : Listener {
  int max_connections = 1024;
};

struct HttpListener : Listener {
  int max_connections = 512;
  int timeout_s = 60;  // how long a client may be silent; see docs/http.md
  // Names that browsers may call it by, where these are told apart: on loopback, and wherever names
  // are listed.
  std::vector<std::string> hosts = {};
  bool loopback = false;  // no other machine can connect; not a Unix socket
};

// A local socket (docs/local-socket.md) and how much its clients may have.
struct LocalListener {
  std::string path = "/run/inferd/local.sock";
  int socket_mode = 0660;
  int max_connections = 64, max_user_connections = 32;  // of all and of each user
  int max_in_flight = 64;                               // requests of a connection without answer
  int max_buffers = 64;                                 // of a connection
  int64_t max_buffer_bytes = int64_t{256} << 20;        // of a connection
  int64_t max_user_bytes = int64_t{512} << 20;          // of all connections of a user
  int spin_us = 0;                // how long to look for the next message before sleeping
  std::vector<AccessRule> allow;  // none: whoever can connect may do everything
  Mark mark;
};

// Pipelines that are asked in the way of DeepStack and CodeProject.AI, over HTTP.
struct VisionConfig {
  std::string detection;            // of /v1/vision/detection; empty: none
  std::vector<std::string> custom;  // of /v1/vision/custom/NAME
  Mark mark;
};

// Where Frigate's `zmq` detector asks a pipeline.
struct FrigateListener {
  std::string address;     // "unix:PATH" or "HOST:PORT"
  int socket_mode = 0660;  // permissions of a Unix socket
  bool insecure = false;   // allows an address that other machines can reach
  std::string pipeline;
  std::string format = "rgb";  // of the pictures that Frigate sends, or "bgr"
  Mark mark;
};

struct ServerConfig {
  std::vector<GrpcListener> grpc;
  std::vector<HttpListener> http;    // empty: no HTTP
  std::vector<LocalListener> local;  // empty: no local socket
  int64_t max_message_bytes = int64_t{64} << 20;
  bool accept_compression = false;    // by gRPC, what is unpacked is bounded only afterwards
  bool system_shared_memory = false;  // clients may register regions; see serve::SharedMemory
  bool write_pipelines = false;       // admins may change files of pipelines
  int64_t max_shared_memory_bytes = int64_t{256} << 20;
  int64_t drain_timeout_ms = 10'000;
  double stall_s = 60;  // who is at one piece of work for so long is stuck; 0: nobody
  VisionConfig vision;
  std::vector<FrigateListener> frigate;
};

struct EngineConfig {
  int threads = 0;
  bool use_core_classes = true;
  std::vector<std::string> prefer_kernels;
  int64_t stripe_bytes = -1;  // as EngineOptions
  bool allow_float16 = false;
};

// Of the requests of one priority; see schedule::QueuePolicy.
struct QueuePolicyConfig {
  std::optional<int64_t> timeout_us;
  std::optional<bool> delay_on_timeout, allow_timeout_override;
  std::optional<int> max_queue;
};

// One model of an ensemble, and which of the ensemble's tensors it reads and writes.
struct EnsembleStep {
  std::string model;
  std::optional<int64_t> version;                            // default: the one that serves
  std::vector<std::pair<std::string, std::string>> inputs;   // the model's name, the ensemble's
  std::vector<std::pair<std::string, std::string>> outputs;  // those that are wanted
  Mark mark;
};

// A model that is made of others. Tensors pass between its steps by name, whatever their order.
struct EnsembleConfig {
  std::vector<EnsembleStep> steps;   // none: no ensemble
  std::vector<std::string> inputs;   // in order; none: what no step writes
  std::vector<std::string> outputs;  // in order; none: what no step reads
};

// An input or output as a model's configuration declares it, to be compared with the model's own.
struct TensorConfig {
  std::string name;
  std::string datatype;       // a name of the Open Inference Protocol, "FP32"; empty: not said
  std::vector<int64_t> dims;  // -1: any size
  Mark mark = {};
};

// What only Triton's config.pbtxt says of a model.
struct DeclaredModel {
  std::string name = {};                   // as it calls itself; empty: not said
  std::vector<TensorConfig> inputs = {};   // none: not said
  std::vector<TensorConfig> outputs = {};  // those that are said
  bool dims_have_batch = false;            // `max_batch_size: 0`: dimensions are all there are
  std::map<std::string, std::string> parameters = {};  // for clients to read
  // Inputs and outputs that are one state, in this order.
  std::vector<std::pair<std::string, std::string>> states = {};
  Mark mark = {};  // its file is empty: there is none
};

// The steps that a version takes before and after it begins to serve; see docs/deployments.md. What
// is not said is left to whoever else says something, and at last to models::Rollout.
struct RolloutConfig {
  std::optional<double> abs_tolerance, rel_tolerance;      // of answers, to call them the same
  std::optional<double> shadow_fraction;                   // of requests; 0: no shadow
  std::optional<double> shadow_s, min_agreement;           // at most so long; of what is compared
  std::optional<int64_t> shadow_requests;                  // so many are enough
  std::optional<double> canary_fraction, canary_s;         // of requests; 0: of nobody but these:
  std::optional<std::vector<std::string>> canary_clients;  // as models::ChosenClients takes them
  std::optional<double> probation_s;                       // 0: none
  std::optional<double> max_error_rate, max_slowdown;      // of canary and probation
  std::optional<bool> check_outputs;                       // for NaN and nothing but zeros
};

// `own` where it says something, else `base`.
RolloutConfig merge(const RolloutConfig& base, RolloutConfig own);

// When a model has what it computes with in memory; see models::Residency.
enum class Residence : uint8_t {
  kPinned,    // always
  kPreload,   // from the start on, until it is idle or others need the memory
  kOnDemand,  // from the first request on, until the same
};

// What models may have in memory.
struct MemoryConfig {
  int64_t budget_bytes = 0;                   // of all models together; 0: what the machine has
  int64_t reserve_bytes = int64_t{64} << 20;  // of the machine, and of what the service may take
  double max_pressure = 10;                   // percent of time; 0: whatever it is
  Residence residence = Residence::kPreload;  // of models that say nothing
  double keep_alive_s = 0;                    // the same; 0: as long as there is memory
};

// Which versions serve beside the newest, for requests that name them.
struct VersionPolicy {
  int64_t latest = 1;                  // the newest so many; INT64_MAX: all
  std::vector<int64_t> specific = {};  // only these; then `latest` is 0
};

// Another model of the repository that does the same with less.
struct ModelVariant {
  std::string model;
  Mark mark = {};
};

// What is not said is left to whoever else says something, and at last to schedule::QueueOptions.
struct ModelConfig {
  std::string name;
  std::optional<int64_t> version;  // default: the newest
  std::optional<VersionPolicy> version_policy;
  std::optional<int> max_batch, max_queue, max_queue_per_client, instances, threads;
  std::optional<int64_t> max_delay_us;
  std::optional<std::vector<int>> preferred_batches;  // ascending
  std::optional<bool> adaptive, preserve_ordering, real_time;
  std::optional<int> priority_levels, default_priority;
  QueuePolicyConfig default_policy;
  std::map<int, QueuePolicyConfig> policies;  // by priority
  std::optional<int64_t> max_sequence_idle_us;
  std::optional<int> max_sequences;
  std::optional<double> weight;
  std::optional<bool> response_cache;
  std::optional<Residence> residence;
  std::optional<double> keep_alive_s;
  std::string labels;     // file, relative to the model's folder
  std::string signature;  // of a TensorFlow Lite file; empty: the usual one
  EnsembleConfig ensemble;
  std::map<std::string, ModelVariant> variants;  // by what they are called here
  RolloutConfig rollout;
  std::string file_name;  // in the version's folder; empty: "model.<ext>"
  DeclaredModel declared;
  std::vector<std::string> notes;  // what its files say in vain, for the log
  Mark mark;
};

// `own` where it says something, else `base`.
ModelConfig merge(const ModelConfig& base, ModelConfig own);

// How versions come to the board and begin to serve; see docs/deployments.md.
struct DeploymentsConfig {
  std::vector<NamedFile> trusted_keys =
      {};                         // packages must be signed by one of them; none: need not
  int64_t max_package_age_s = 0;  // since it was made; 0: any
  int64_t max_package_bytes = int64_t{1} << 30;
  int64_t quota_bytes = 0;                        // of the repository; 0: the disk's size
  int64_t min_free_bytes = int64_t{64} << 20;     // that stay on the disk
  int keep_versions = 3;                          // of each model that was good, at least
  int64_t upload_idle_s = int64_t{24} * 60 * 60;  // for so long an incomplete upload is kept
  int max_crashes = 3;                            // of the daemon, until a version is quarantined
  int64_t drain_timeout_ms = 10'000;              // for the open sequences of a replaced version
  RolloutConfig rollout = {};
};

struct ModelsConfig {
  std::string root;                // folder; may be empty when no model is served
  bool load_all = true;            // false when `serve` names them
  std::vector<ModelConfig> serve;  // merged with <root>/<model>/model.yaml, this one wins
  int64_t response_cache_bytes = int64_t{64} << 20;  // of all models; 0: none is kept
  DeploymentsConfig deployments = {};
  MemoryConfig memory = {};
  // What a model file may ask for; see inferd::Limits.
  int64_t max_file_bytes = int64_t{1} << 30;
  int64_t max_arena_bytes = int64_t{1} << 30;
  int64_t max_tensor_bytes = int64_t{1} << 30;
  int64_t max_nodes = 100'000;
  int max_nesting = 64;
};

struct LogConfig {
  std::string level = "info";   // debug, info, warning, error
  std::string format = "text";  // text, json
};

// Traces of requests (docs/tracing.md), as they are from the start on; clients may change them.
struct TraceConfig {
  std::string folder;  // where trace files may be; empty: nothing is traced
  std::string file;    // a name in it
  bool timestamps = false;
  int64_t rate = 1000;        // of so many requests, one is traced
  int64_t count = -1;         // so many traces at most; -1: any number
  int64_t log_frequency = 0;  // so many traces in a file, then the next; 0: all in one
};

// A stage, source or sink as written: its type and its keys, checked and typed by whoever makes it.
// `values` holds scalars as text and lists of them; errors refer to `marks`.
struct NodeConfig {
  std::string type;  // "images", "infer", "jsonl", ...
  struct Entry {
    std::vector<std::string> items;  // one item for a scalar
    bool is_list = false;
    Mark mark;
    bool operator==(const Entry&) const = default;
  };
  std::map<std::string, Entry> entries;
  Mark mark;
  bool operator==(const NodeConfig&) const = default;
};

// `each: {tile: ...}`: parts of a large picture, so that small things are not lost in it.
struct TileConfig {
  int width = 0, height = 0;  // pixels of the frame
  double overlap = 0.2;       // of neighbours, in parts of their width and height
  bool whole = true;          // the whole picture is one more of them
  double iou = 0.5;           // things of different tiles that overlap more are one
  bool operator==(const TileConfig&) const = default;
};

// `each: box`: what a node's stages are done for, instead of for the frame.
struct EachConfig {
  std::vector<std::string> classes = {};  // labels; none: of all
  double min_score = 0;
  double margin = 0;                    // parts of the box's width and height on each side
  int max = 16;                         // boxes of a frame, the best ones
  std::optional<TileConfig> tile = {};  // instead of boxes, and of all above
  bool operator==(const EachConfig&) const = default;
};

// `join`: one frame of each of `from` that belong together.
struct JoinConfig {
  double tolerance_ms = 0;  // between captures
  double wait_ms = 0;       // for the others of a frame
  bool operator==(const JoinConfig&) const = default;
};

// A part of a pipeline that works on its own; see docs/pipelines.md.
struct PipelineNode {
  std::string name;
  std::optional<NodeConfig> source = {};  // its frames come from there, or ...
  std::vector<std::string> from = {};     // ... from these nodes
  std::vector<NodeConfig> stages = {};
  std::vector<NodeConfig> sinks = {};
  int every = 1;       // takes one of so many frames
  double max_fps = 0;  // takes no more; 0: all
  int queue = 1;       // frames that wait for it
  std::optional<EachConfig> each = {};
  std::optional<JoinConfig> join = {};
  Mark mark = {};
  bool operator==(const PipelineNode&) const = default;
};

struct PipelineConfig {
  std::string name;
  std::string file = {};                         // that it stands in; empty: the configuration
  std::map<std::string, std::string> with = {};  // its parameters' values, but for lists
  // The one node of a pipeline that is a straight line. Not used where `nodes` are given.
  NodeConfig source;
  std::vector<NodeConfig> stages;
  std::vector<NodeConfig> sinks;
  std::vector<PipelineNode> nodes;
  double deadline_ms = 0;  // from capture to result; what is older is dropped; 0: none
  double stall_s = 30;     // a node that works so long at a frame is stuck; 0: never
  bool autostart = true;
  Mark mark;
  bool operator==(const PipelineConfig&) const = default;
};

// When something calls for doing less, and when that is over; in between, nothing changes.
struct GovernorThreshold {
  double enter = 0, leave = 0;
};

// What is to be done less; exactly one of these.
struct GovernorStep {
  std::string pipeline = {};  // takes `max_fps` of each of its sources
  double max_fps = 0;
  std::string model = {}, variant = {};  // takes the model's place
  int threads = 0;                       // of the engine's, that compute
  int shed = 0;                          // requests of this priority and of larger numbers
  Mark mark = {};
};

// What is done when the machine gets too warm or has too much to do; see docs/governor.md.
struct GovernorConfig {
  double every_s = 2;     // it looks
  double hold_s = 10;     // something has called for less, until the next step
  double release_s = 30;  // nothing has, until a step is taken back
  // Of temperatures, degrees Celsius; the first two below the trip point of each zone, where the
  // other two are not said.
  GovernorThreshold below_trip = {5, 12};
  std::optional<GovernorThreshold> temperature;
  std::vector<std::string> zones;  // names of their types; none: all
  bool throttled = true;           // by the machine's firmware
  // Percent of the last ten seconds in which somebody waited, of the memory limit that is used, of
  // the battery's charge (from above).
  std::optional<GovernorThreshold> cpu_pressure, memory_pressure, memory, battery;
  std::vector<GovernorStep> steps;  // in this order
};

struct Config {
  ServerConfig server;
  EngineConfig engine;
  ModelsConfig models;
  LogConfig log;
  TraceConfig trace;
  std::vector<PipelineConfig> pipelines;  // in line and from `pipelines: [files]`
  std::optional<GovernorConfig> governor;
};

// Reads, checks types and ranges, resolves relative paths against the file's folder, reads the
// pipeline files it names. Reports every error found, one per line.
// `instead`: what files of pipelines say, by path, whatever is on the disk.
Result<Config> load(const std::string& path,
                    const std::map<std::string, std::string>& instead = {});

// <root>/<model>/model.yaml: the keys of a `serve` entry without the name.
Result<ModelConfig> load_model(const std::string& path);

// <root>/<model>/config.pbtxt: Triton's model configuration as text. What means nothing here is in
// `notes`; what would change answers is an error. See docs/model-repository.md.
Result<ModelConfig> load_triton_model(const std::string& path);

// Typed access to a NodeConfig with errors at the key's mark; after the last get, finish() refuses
// keys that nobody asked for.
class NodeReader {
 public:
  explicit NodeReader(const NodeConfig& node) : node_(node) {}

  std::string text(const std::string& key, std::string fallback);
  std::string required_text(const std::string& key);
  double number(const std::string& key, double fallback, double min, double max);
  int64_t integer(const std::string& key, int64_t fallback, int64_t min, int64_t max);
  bool boolean(const std::string& key, bool fallback);
  std::string one_of(const std::string& key, std::string fallback,
                     const std::vector<std::string>& allowed);
  std::vector<std::string> list(const std::string& key);
  std::vector<double> numbers(const std::string& key);
  bool has(const std::string& key) const;

  // All errors so far, one per line, or OK.
  Status finish();

 private:
  const NodeConfig::Entry* entry(const std::string& key);
  void error(const Mark& mark, const std::string& message);

  const NodeConfig& node_;
  std::vector<std::string> known_;
  std::string errors_;
};

}  // namespace inferd::config
