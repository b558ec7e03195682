// SPDX-License-Identifier: Apache-2.0
//
// ONNX Runtime as a yardstick, through the C API of a libonnxruntime.so opened at run time. Nothing
// of it is linked, and no header of it is needed: its API is a table of functions whose positions
// never change (API version 1), of which a handful are named here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::bench {

class OnnxRuntime {
 public:
  // `library`: path of libonnxruntime.so. UNAVAILABLE when it cannot be opened.
  static Result<std::unique_ptr<OnnxRuntime>> open(const std::string& library);
  virtual ~OnnxRuntime() = default;
  virtual std::string version() const = 0;

  // A model with its inputs bound; outputs are made by ONNX Runtime.
  class Session {
   public:
    virtual ~Session() = default;
    virtual Status run() = 0;
  };
  // `inputs` with `names` must outlive the session. All optimizations on, `threads` within nodes.
  virtual Result<std::unique_ptr<Session>> load(const std::string& model, int threads,
                                                const std::vector<std::string>& names,
                                                const std::vector<TensorView>& inputs,
                                                const std::vector<std::string>& outputs) = 0;
};

}  // namespace inferd::bench
