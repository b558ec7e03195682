// SPDX-License-Identifier: Apache-2.0
//
// Runs a model once and waits for it.
//
//   infer ENDPOINT MODEL       e.g. infer unix:/run/inferd/inferd.sock classifier
#include <iostream>

#include "inferd/client/client.h"
#include "zeros.h"

namespace {

inferd::Status run(const std::string& endpoint, const std::string& name) {
  const auto client = inferd::Client::connect(endpoint);
  const auto model = client->model(name);
  if (!model.ok()) return model.status();
  const Zeros inputs(model.value());
  const auto outputs = client->infer(name, inputs.tensors(), {.timeout_ms = 5000});
  if (!outputs.ok()) return outputs.status();
  for (const inferd::NamedResult& output : outputs.value()) {
    std::cout << output.name << " " << inferd::dtype_name(output.dtype) << " "
              << output.shape.to_string() << ", " << output.data.size() << " bytes\n";
  }
  return inferd::ok_status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: infer ENDPOINT MODEL\n";
    return 2;
  }
  const inferd::Status status = run(argv[1], argv[2]);
  if (!status.ok()) std::cerr << status.to_string() << "\n";
  return status.ok() ? 0 : 1;
}
