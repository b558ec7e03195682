// SPDX-License-Identifier: Apache-2.0
//
// Models that do what a small JSON file says, without any network in it:
//
//   {"backend": "identity",     OUTPUTi = INPUTi
//               "scale",        OUTPUTi = INPUTi * `factor` (FP32; null: NaN)
//               "crash",        each run ends the process
//               "repeat",       OUTPUTi = INPUTi `times` times along its last dimension
//               "add_sub",      OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1 (INT32 or
//               FP32) "accumulate",   OUTPUT0 = sum of all INPUT0 of the sequence so far (FP32);
//               has a state "fail",         each run fails with `message`
//    "inputs": [{"datatype": "FP32", "shape": [-1, 4]}],   dimension 0 of -1 everywhere: batchable
//    "run_us": 1000,            how long a run takes, at least: it sleeps,
//    "element_us": 10,          and so much more for each batch element,
//    "spin": true,              or computes
//    "load_ms": 500,            how long it takes to load
//    "memory_bytes": 1000000,   what it says that each instance takes
//    "times": 2, "message": "broken"}
#pragma once

#include <memory>
#include <string>

#include "inferd/engine/engine.h"

namespace inferd {

// INVALID_ARGUMENT: not such a file, with what is wrong in it.
Result<std::shared_ptr<const Model>> load_scripted_model(const std::string& path);

}  // namespace inferd
