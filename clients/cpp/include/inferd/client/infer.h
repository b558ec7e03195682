// SPDX-License-Identifier: Apache-2.0
//
// What an inference takes and gives, however it is asked for (client.h, stream.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd {

struct NamedTensor {
  std::string name;
  TensorView tensor;  // borrowed
};

struct NamedResult {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;

  TensorView view() const { return {dtype, shape, data}; }
};

// Which sequence of a model with states a request belongs to (docs/scheduling.md). Requests of one
// run in the order in which they reach the daemon: that of calls of infer(), of infer_async() over
// the local socket, and of Stream::send(). Asynchronous calls over gRPC may overtake each other.
struct Sequence {
  uint64_t id = 0;  // 0: none
  bool start = false, end = false;
};

// How an inference is to be done.
struct InferOptions {
  std::string version = {};               // "": the newest
  std::vector<std::string> outputs = {};  // none: all
  int priority = 0;                       // 1 is the most urgent; 0: the model's default
  int64_t timeout_ms = 0;                 // 0: the client's
  Sequence sequence = {};
};

// An element of an output as a class: docs/clients.md.
struct Class {
  double score = 0;  // as it stands in the output
  size_t index = 0;
  std::string label;  // "": the model has none for it
};

struct NamedClasses {
  std::string name;                      // of the output
  std::vector<std::vector<Class>> rows;  // of each element of the batch, the highest score first
};

// Told once what became of an inference.
using InferDone = std::function<void(Result<std::vector<NamedResult>>)>;

}  // namespace inferd
