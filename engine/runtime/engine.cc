// SPDX-License-Identifier: Apache-2.0
#include "inferd/engine/engine.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <thread>

#include "engine/base/cache_size.h"
#include "engine/base/cpu_classes.h"
#include "engine/base/cpu_features.h"
#include "engine/base/thread_pool.h"
#include "engine/import/import.h"
#include "engine/kernels/candidates.h"
#include "engine/runtime/model.h"
#include "engine/runtime/out_of_memory.h"
#include "engine/runtime/peak.h"
#include "engine/runtime/unsupported.h"

namespace inferd {
namespace {

constexpr int kMaxThreads = 256;

std::vector<std::string> split_commas(const char* text) {
  std::vector<std::string> parts;
  std::istringstream stream(text == nullptr ? "" : text);
  for (std::string part; std::getline(stream, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<CpuClass> classes_for(const EngineOptions& options) {
  if (!options.use_core_classes) return {};
  return cpu_classes(allowed_cpus());
}

// Every unsupported operator, one per line: users want the whole list, not the first.
Status unsupported_status(const std::vector<UnsupportedOp>& unsupported) {
  std::string message = std::to_string(unsupported.size()) + " unsupported operator" +
                        (unsupported.size() == 1 ? "" : "s") + ":";
  for (const UnsupportedOp& op : unsupported) {
    message += "\n  " + op.op + " '" + op.node + "': " + op.reason;
  }
  return unimplemented(message);
}

// Packing is done by kernels, so they must be here.
Result<Isa> isa_to_compile_for(const CompileOptions& options) {
  if (options.isa.empty()) return best_isa();
  const std::optional<Isa> isa = isa_from_name(options.isa);
  if (!isa)
    return invalid_argument("'" + options.isa + "' is no instruction set that inferd knows");
  if (!cpu_has(*isa)) {
    return failed_precondition("weights cannot be packed for " + options.isa +
                               " on this CPU: compile on one that has it, or with raw weights "
                               "alone, which are packed when the model is loaded");
  }
  return *isa;
}

int64_t stripe_bytes(const EngineOptions& options) {
  if (options.stripe_bytes >= 0) return options.stripe_bytes;
  constexpr int64_t kWhenUnknown = int64_t{256} << 10;
  constexpr int64_t kMost = int64_t{512} << 10;
  const int64_t cache = second_level_cache_bytes();
  return cache > 0 ? std::min(cache / 2, kMost) : kWhenUnknown;
}

class SharedEngine final : public Engine {
 public:
  SharedEngine(const EngineOptions& options, int threads)
      : log_(options.log),
        plan_{.prefer_kernels = split_commas(std::getenv("INFERD_KERNEL")),
              .allow_float16 = options.allow_float16,
              .stripe_bytes = stripe_bytes(options),
              .threads = threads},
        pool_(std::make_shared<ThreadPool>(threads, classes_for(options))) {
    plan_.prefer_kernels.insert(plan_.prefer_kernels.end(), options.prefer_kernels.begin(),
                                options.prefer_kernels.end());
    if (log_ && plan_.allow_float16 && !kernels::has_half_precision()) {
      log_(LogLevel::kWarning,
           "float16 arithmetic is allowed, but this CPU or build has none; it changes nothing");
    }
  }

  Result<std::shared_ptr<const Model>> load(const std::string& path,
                                            const LoadOptions& options) override {
    return runtime::within_memory([&] { return load_file(path, options); }, "to load ", path);
  }

  Result<ModelInfo> inspect(const std::string& path, const LoadOptions& options) override {
    return runtime::within_memory([&] { return inspect_file(path, options); }, "to load ", path);
  }

  Status compile(const std::string& path, const std::string& output, const CompileOptions& options,
                 const LoadOptions& load) override {
    return runtime::within_memory([&] { return compile_file(path, output, options, load); },
                                  "to compile ", path);
  }

  int threads() const override { return pool_->threads(); }
  void limit_threads(int threads) override { pool_->limit(threads); }
  std::string_view isa() const override { return isa_name(best_isa()); }
  double measure_peak_gmacs(DType dtype) const override {
    return runtime::measure_peak_gmacs(dtype);
  }

 private:
  Result<std::shared_ptr<const Model>> load_file(const std::string& path,
                                                 const LoadOptions& options) {
    INFERD_ASSIGN_OR_RETURN(import::Imported imported,
                            import::import_file(path, options.limits, options.signature));
    if (!imported.unsupported.empty())
      return unsupported_status(imported.unsupported).with_context(path);
    auto model = prepare(std::move(imported), options, path);
    if (model.status().code() == StatusCode::kUnimplemented) {
      // Once more for the whole list, so that models that load need not keep their graph for it.
      INFERD_ASSIGN_OR_RETURN(imported,
                              import::import_file(path, options.limits, options.signature));
      const auto unsupported = runtime::find_unsupported(std::move(imported.graph));
      if (!unsupported.empty()) return unsupported_status(unsupported).with_context(path);
    }
    if (!model.ok()) return model.status();
    if (log_) log_(LogLevel::kDebug, path + ": loaded");
    return std::shared_ptr<const Model>(std::move(*model));
  }

  Result<ModelInfo> inspect_file(const std::string& path, const LoadOptions& options) {
    INFERD_ASSIGN_OR_RETURN(import::Imported imported,
                            import::import_file(path, options.limits, options.signature));
    if (imported.unsupported.empty() && !imported.compiled) {
      imported.unsupported = runtime::find_unsupported(imported.graph);
    }
    if (imported.unsupported.empty()) {
      INFERD_ASSIGN_OR_RETURN(const auto model, prepare(std::move(imported), options, path));
      return model->info();
    }
    ModelInfo info;
    info.format = std::move(imported.format);
    info.description = std::move(imported.description);
    info.inputs = std::move(imported.inputs);
    info.outputs = std::move(imported.outputs);
    info.unsupported = std::move(imported.unsupported);
    info.signatures = std::move(imported.signatures);
    info.signature = std::move(imported.signature);
    return info;
  }

  Status compile_file(const std::string& path, const std::string& output,
                      const CompileOptions& options, const LoadOptions& load) {
    plan::PlanOptions plan = plan_;
    INFERD_ASSIGN_OR_RETURN(const Isa isa, isa_to_compile_for(options));
    if (isa != best_isa()) plan.prefer_kernels.insert(plan.prefer_kernels.begin(), options.isa);
    INFERD_ASSIGN_OR_RETURN(import::Imported imported,
                            import::import_file(path, load.limits, load.signature));
    if (!imported.unsupported.empty())
      return unsupported_status(imported.unsupported).with_context(path);
    const auto model = runtime::LoadedModel::create(std::move(imported), load, plan, pool_);
    if (!model.ok()) return model.status().with_context(path);
    return (*model)->write(output, options.weights, isa_name(isa)).with_context(path);
  }

  Result<std::shared_ptr<const runtime::LoadedModel>> prepare(import::Imported imported,
                                                              const LoadOptions& options,
                                                              const std::string& path) {
    auto model = runtime::LoadedModel::create(std::move(imported), options, plan_, pool_);
    if (!model.ok()) return model.status().with_context(path);
    return model;
  }

  std::function<void(LogLevel, std::string_view)> log_;
  plan::PlanOptions plan_;
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace

Result<std::shared_ptr<Engine>> Engine::create(const EngineOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return invalid_argument("threads is " + std::to_string(options.threads) +
                            ", must be 0 (one per core) to " + std::to_string(kMaxThreads));
  }
  if (options.stripe_bytes < -1) {
    return invalid_argument("stripe_bytes is " + std::to_string(options.stripe_bytes) +
                            ", must be -1 (chosen by the cache), 0 (no stripes) or more");
  }
  const unsigned cores = std::thread::hardware_concurrency();
  const int threads =
      options.threads > 0 ? options.threads : static_cast<int>(cores > 0 ? cores : 1);
  return std::shared_ptr<Engine>(std::make_shared<SharedEngine>(options, threads));
}

}  // namespace inferd
