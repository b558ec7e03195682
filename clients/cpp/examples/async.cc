// SPDX-License-Identifier: Apache-2.0
//
// Two inferences at once: while the first one runs, the program sends the second and does something
// else. What is not needed any more is cancelled.
//
//   async ENDPOINT MODEL
#include <iostream>

#include "inferd/client/client.h"
#include "zeros.h"

namespace {

inferd::Status run(const std::string& endpoint, const std::string& name) {
  const auto client = inferd::Client::connect(endpoint);
  const auto model = client->model(name);
  if (!model.ok()) return model.status();
  const Zeros inputs(model.value());

  inferd::InferFuture first = client->infer_async(name, inputs.tensors());
  inferd::InferFuture second = client->infer_async(name, inputs.tensors(), {.priority = 1});
  // Here the program captures the next frame.
  for (inferd::InferFuture* future : {&first, &second}) {
    const auto outputs = future->get();
    if (!outputs.ok()) return outputs.status();
    std::cout << outputs.value().size() << " outputs\n";
  }

  inferd::InferFuture third = client->infer_async(name, inputs.tensors());
  if (!third.wait_for_ms(1)) third.cancel();
  const auto outputs = third.get();
  std::cout << (outputs.ok() ? "done in a millisecond" : outputs.status().to_string()) << "\n";
  return inferd::ok_status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: async ENDPOINT MODEL\n";
    return 2;
  }
  const inferd::Status status = run(argv[1], argv[2]);
  if (!status.ok()) std::cerr << status.to_string() << "\n";
  return status.ok() ? 0 : 1;
}
