// SPDX-License-Identifier: Apache-2.0
//
// The engine as a library: load a model once, run it from many contexts.
//
//   auto engine = inferd::Engine::create({.threads = 4});
//   auto model = engine->load("model.tflite");                 // mapped, checked, optimised
//   auto context = (*model)->create_context();                 // arena; one per concurrent run
//   auto outputs = (*context)->run({{input_view}});            // views, valid until the next run
//
// Threads: Engine and Model are immutable after creation and safe to use from any thread. A Context
// belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Bounds on what a model file may ask for. A file over a limit is refused, never partly loaded.
struct Limits {
  int64_t max_file_bytes = int64_t{4} << 30;
  int64_t max_nodes = 100'000;
  int64_t max_tensors = 400'000;
  int64_t max_tensor_bytes = int64_t{2} << 30;  // one activation or weight
  int64_t max_arena_bytes = int64_t{2} << 30;   // all activations of one context
  int max_nesting = 64;                         // nested messages and tables
  int64_t max_iterations = 1'000'000;           // of one loop inside a model
};

struct EngineOptions {
  int threads = 0;  // worker threads shared by all models; 0: one per core
  // On chips with cores of different speed (big.LITTLE): workers stay on cores of one speed, the
  // fastest first, and work is split by speed. false: threads are alike and the system places them.
  bool use_core_classes = true;
  // Called from any thread, possibly at once from several.
  std::function<void(LogLevel, std::string_view)> log;
  // Kernels to prefer where they accept, by name or ISA ("ref", "avx2", "conv2d_s8_avx2"). The
  // environment variable INFERD_KERNEL (comma separated) comes first.
  std::vector<std::string> prefer_kernels;
  // Neighbouring image operators run together in stripes that touch about so much memory, so that
  // what passes between them stays in the second-level cache. 0: one after the other; -1: half of a
  // core's share of that cache, at most 512 KiB.
  int64_t stripe_bytes = -1;
  // Lets convolutions and fully connected layers of float32 models multiply in half precision where
  // the CPU can (ARMv8.2): up to twice as fast, results within some 1e-3 of the size of what is
  // summed instead of 1e-6; activations beyond 2000 may overflow to infinity.
  bool allow_float16 = false;
};

// An output that is the same input's value at the next run: how models say that they have a state
// (the hidden state of a recurrent network).
struct StatePair {
  std::string input;
  std::string output;
};

struct LoadOptions {
  Limits limits;
  // These inputs and outputs become state: they begin as zeros, dimensions of any size as 1, and
  // are no inputs and outputs of the model any more.
  std::vector<StatePair> states;
  // Which of the file's signatures (TensorFlow Lite); empty: "serving_default", or else the first.
  std::string signature = {};
};

// What of the weights a compiled model holds. Its file is mapped: what is not read takes no memory.
enum class CompiledWeights : uint8_t {
  kBoth,    // as the model has them and as kernels want them: starts fast here, runs everywhere
  kRaw,     // as the model has them: packed anew whenever it is loaded
  kPacked,  // as kernels want them, where they are packed: starts only on CPUs and with engines
            // that pack the same
};

struct CompileOptions {
  CompiledWeights weights = CompiledWeights::kBoth;
  // The instruction set to pack for ("avx2"); empty: the best one that this CPU has.
  std::string isa;
};

// One operator of an imported model that the engine cannot run.
struct UnsupportedOp {
  std::string op;      // the file format's name for it
  std::string node;    // the node's name, or "#index" where it has none
  std::string reason;  // what about it is not supported
};

// An operator between 8-bit and float32 numbers that optimisation left inside a quantized model, so
// that a part of it runs in float32. Those at the model's inputs and outputs do not count.
struct LeftConversion {
  std::string op;      // "quantize", "dequantize"
  std::string node;    // its name in the model file
  std::string reason;  // what kept its neighbours from running on integers
};

struct OpCount {
  std::string op;  // engine's name
  int64_t count = 0;
};

// What `inferctl inspect` shows.
struct ModelInfo {
  std::string format;  // "tflite", "onnx", "ifd" (compiled)
  std::string description;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  std::vector<OpCount> ops;  // after optimisation, by count
  int64_t macs = 0;  // multiply-accumulates of one inference at batch 1; 0 if shapes are dynamic
  int64_t weights_bytes = 0;       // constants after optimisation
  std::vector<TensorInfo> states;  // what it remembers from run to run
  bool batchable = false;  // dimension 0 of every input and output is a free batch dimension
  // For each input: true when a run only computes with its elements. Then they may lie in memory
  // that others write to meanwhile: that spoils results and nothing else. Where it is false they
  // must not change during a run, which may take one for an index that it has checked before.
  std::vector<bool> value_inputs = {};
  std::vector<LeftConversion> conversions;  // empty: nothing, or all of it, is quantized
  std::vector<UnsupportedOp> unsupported;   // empty: the model runs
  std::vector<std::string> signatures;      // TensorFlow Lite: ways to use the file
  std::string signature;                    // the one that was loaded
};

// One step of the last profiled run.
struct LayerProfile {
  std::string name;  // node name
  std::string op;
  std::string kernel;  // table row that ran
  std::string isa;     // what that row needs
  // Rows of this operator for better instruction sets that this CPU has and that do not take this
  // one's types, attributes or shapes: why it is slow, where it is.
  std::vector<std::string> declined;
  int64_t stripes = 0;  // that it ran in, together with its neighbours; 0: alone and at once
  int64_t macs = 0;
  int64_t bytes = 0;    // inputs, outputs and packed weights, each once
  double start_ms = 0;  // since the run began
  double ms = 0;
  double gmacs_per_s = 0;
  double gbytes_per_s = 0;
};

struct MemoryUse {
  int64_t weights_bytes = 0;      // packed weights of the model, shared by its contexts
  int64_t arena_bytes = 0;        // activations of this context
  int64_t arena_lower_bound = 0;  // the largest sum of bytes in use at one time
  int64_t scratch_bytes = 0;
};

struct ContextOptions {
  int threads = 0;       // at most so many of the engine's workers in one run; 0: all
  bool profile = false;  // record a LayerProfile per step
};

// What a model remembers of one sequence of runs. Belongs to one thread at a time.
class State {
 public:
  virtual ~State() = default;
  virtual void reset() = 0;  // as at the beginning of a sequence
};

class Context {
 public:
  virtual ~Context() = default;

  // Runs once. `inputs` are in the order of Model::inputs(), borrowed for the call, and may have
  // any size in dynamic dimensions (and any batch when the model is batchable); the first run with
  // new shapes plans for them (milliseconds), later ones allocate nothing. Returns views of the
  // outputs in the order of Model::outputs(), owned by the context and valid until its next run.
  // Fails with INVALID_ARGUMENT on a wrong count, type, shape or byte size.
  // A model with states goes on from `states` and leaves there what comes after; a run that fails
  // leaves them as they were. They are of different sequences, one for each batch element (one in
  // all where the model is not batchable), and create_state() of this model made them. An element
  // whose state is null, or each where there are none, is a sequence of its own.
  virtual Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                                  std::span<State* const> states = {}) = 0;

  // Plans for these input shapes without running, so that the first run is as fast as the others.
  virtual Status prepare(std::span<const Shape> input_shapes) = 0;

  virtual std::span<const LayerProfile> profile()
      const = 0;  // of the last run; empty unless asked for
  virtual MemoryUse memory() const = 0;
};

class Model : public std::enable_shared_from_this<Model> {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  std::span<const TensorInfo> inputs() const { return info().inputs; }
  std::span<const TensorInfo> outputs() const { return info().outputs; }

  // The context keeps the model alive.
  virtual Result<std::unique_ptr<Context>> create_context(
      const ContextOptions& options = {}) const = 0;

  // Gives up the plans and packed weights that no context has; the next context makes them anew
  // (milliseconds to seconds). What stays is the graph, and of the weights the mapped file.
  virtual void forget_plans() const {}

  // The state of a new sequence, to be handed to run(). May outlive the model. Null for a model
  // without states.
  virtual std::unique_ptr<State> create_state() const { return nullptr; }
};

// The shared worker pool and settings. Models keep the engine's parts they need alive.
class Engine {
 public:
  static Result<std::shared_ptr<Engine>> create(const EngineOptions& options);
  virtual ~Engine() = default;

  // Maps, verifies, imports and optimises a model file; the format is told from its content.
  // Fails with NOT_FOUND, DATA_LOSS (truncated or corrupt), INVALID_ARGUMENT (not a model, or
  // against its format's rules), UNIMPLEMENTED (lists all unsupported operators) or
  // RESOURCE_EXHAUSTED (limits).
  virtual Result<std::shared_ptr<const Model>> load(const std::string& path,
                                                    const LoadOptions& options = {}) = 0;

  // Like load(), but a model with unsupported operators is described instead of refused.
  virtual Result<ModelInfo> inspect(const std::string& path, const LoadOptions& options = {}) = 0;

  // Loads `path` and writes it to `output` as a compiled model, which load() takes like any other:
  // imported, optimised and its weights packed already. Fails as load() does, with
  // FAILED_PRECONDITION when weights cannot be packed as asked, with UNAVAILABLE when the file
  // cannot be written, and with UNIMPLEMENTED in a build without compiled models.
  virtual Status compile(const std::string& path, const std::string& output,
                         const CompileOptions& options = {}, const LoadOptions& load = {}) = 0;

  virtual int threads() const = 0;
  virtual std::string_view isa()
      const = 0;  // best instruction set in use: "avx512vnni", "neon_dot", ...

  // What the fastest matrix kernel for kInt8 or kFloat32 reaches here on one thread while
  // everything lies in the first-level cache, in 10^9 multiply-accumulates per second: the measure
  // for LayerProfile::gmacs_per_s. Measured anew by each call, in some milliseconds; 0 for other
  // types.
  virtual double measure_peak_gmacs(DType dtype) const = 0;

  // From now on no more than `threads` of its threads compute at one time, in runs that are under
  // way as well (they leave at the end of a piece); 0, or as many as there are: all. Callers always
  // compute: more of them than that are more threads. Answers stay the same. Any thread.
  virtual void limit_threads(int threads) = 0;
};

}  // namespace inferd
