// SPDX-License-Identifier: Apache-2.0
//
// One case of ONNX's backend test data: a folder with model.onnx and test_data_set_N/, each with
// input_K.pb and output_K.pb, which are serialized TensorProtos in the order of the graph's inputs
// and outputs.
#pragma once

#include <string>

namespace inferd::conformance {

enum class Verdict {
  kPassed,
  kWrong,        // it ran, and a number differs
  kUnsupported,  // the engine says that it cannot run this model
  kFailed,       // any other error
  kCrashed,      // a signal, or no end within a minute
};

struct Outcome {
  Verdict verdict = Verdict::kFailed;
  std::string reason;  // one line; empty when it passed
};

const char* verdict_name(Verdict verdict);

// Runs every data set of the case in `folder`, in a process of its own, so that a crash is one
// outcome among others. Numbers are compared as ONNX's own runner does: floats within 1e-3 of the
// expected value's size plus 1e-7, everything else exactly.
Outcome run_case(const std::string& folder);

}  // namespace inferd::conformance
