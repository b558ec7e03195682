// SPDX-License-Identifier: Apache-2.0
//
// Small TensorFlow Lite files of forms that the models at hand do not have: control flow,
// variables, recurrent operators with states, sparse weights, 16-bit activations. For comparison
// with the official runtime, and as seeds of fuzzers.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace inferd {

struct MadeModel {
  std::string name;
  std::string bytes;  // of the file
  int runs = 1;       // how often to run it, one after the other: more where it remembers something
  double tolerance = 1e-5;  // of floats, or steps of integers

  // NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's
  friend void PrintTo(const MadeModel& made, std::ostream* out) { *out << made.name; }
};

std::vector<MadeModel> made_tflite_models();

}  // namespace inferd
