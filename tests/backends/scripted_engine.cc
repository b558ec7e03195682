// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/scripted_engine.h"

#include "tests/backends/scripted_model.h"

namespace inferd {
namespace {

class ScriptedEngine final : public Engine {
 public:
  explicit ScriptedEngine(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

  Result<std::shared_ptr<const Model>> load(const std::string& path,
                                            const LoadOptions& options) override {
    return path.ends_with(".test") ? load_scripted_model(path) : engine_->load(path, options);
  }
  Result<ModelInfo> inspect(const std::string& path, const LoadOptions& options) override {
    return engine_->inspect(path, options);
  }
  Status compile(const std::string& path, const std::string& output, const CompileOptions& options,
                 const LoadOptions& load) override {
    return engine_->compile(path, output, options, load);
  }
  int threads() const override { return engine_->threads(); }
  void limit_threads(int threads) override { engine_->limit_threads(threads); }
  std::string_view isa() const override { return engine_->isa(); }
  double measure_peak_gmacs(DType dtype) const override {
    return engine_->measure_peak_gmacs(dtype);
  }

 private:
  const std::shared_ptr<Engine> engine_;
};

}  // namespace

Result<std::shared_ptr<Engine>> make_scripted_engine(const EngineOptions& options) {
  INFERD_ASSIGN_OR_RETURN(auto engine, Engine::create(options));
  return std::shared_ptr<Engine>(std::make_shared<ScriptedEngine>(std::move(engine)));
}

}  // namespace inferd
