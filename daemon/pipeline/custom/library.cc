// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/library.h"

#include <dlfcn.h>

#include <array>
#include <cstring>

namespace inferd::pipeline {
namespace {

// What a function of the library wrote, and room for it.
struct ErrorText {
  std::array<char, INFERD_STAGE_ERROR_BYTES> text{};

  std::string or_else(const std::string& nothing) const {
    std::string said(text.data(), ::strnlen(text.data(), text.size()));
    return said.empty() ? nothing : said;
  }
};

std::string last_error() {
  const char* text = ::dlerror();
  return text == nullptr ? "for no reason" : text;
}

}  // namespace

void LoadedStage::Close::operator()(void* library) const { ::dlclose(library); }

Result<std::unique_ptr<LoadedStage>> LoadedStage::load(const LibraryStage& from) {
  std::unique_ptr<LoadedStage> loaded(new LoadedStage);
  loaded->library_.reset(::dlopen(from.library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (loaded->library_ == nullptr) return not_found("cannot be loaded: " + last_error());
  const void* symbol = ::dlsym(loaded->library_.get(), from.symbol.c_str());
  if (symbol == nullptr) {
    return not_found("'" + from.library + "' has no '" + from.symbol +
                     "'; it must be declared with INFERD_STAGE_EXPORT");
  }
  loaded->functions_ = static_cast<const inferd_stage_functions*>(symbol);
  const inferd_stage_functions& functions = *loaded->functions_;
  if (functions.abi != INFERD_STAGE_ABI) {
    return failed_precondition("'" + from.library + "' was built for version " +
                               std::to_string(functions.abi) + " of inferd/stage.h, and this is " +
                               std::to_string(INFERD_STAGE_ABI) + "; build it again");
  }
  if (functions.create == nullptr || functions.process == nullptr || functions.destroy == nullptr)
    return invalid_argument("'" + from.library + "' lacks a function in '" + from.symbol + "'");
  std::vector<inferd_stage_option> options;
  for (const auto& [key, value] : from.options) options.push_back({key.c_str(), value.c_str()});
  ErrorText error;
  const int code =
      functions.create(options.data(), options.size(), &loaded->stage_, error.text.data());
  if (code != INFERD_STAGE_OK)
    return invalid_argument(error.or_else("'" + from.library + "' refuses its options"));
  loaded->made_ = true;
  return loaded;
}

LoadedStage::~LoadedStage() {
  if (made_) functions_->destroy(stage_);
}

Result<bool> LoadedStage::process(const inferd_stage_frame& frame, inferd_stage_output& output) {
  output = {};
  ErrorText error;
  const int code = functions_->process(stage_, &frame, &output, error.text.data());
  if (code == INFERD_STAGE_OK) return true;
  if (code == INFERD_STAGE_LEAVE_OUT) return false;
  return internal_error(error.or_else("failed with code " + std::to_string(code)));
}

}  // namespace inferd::pipeline
