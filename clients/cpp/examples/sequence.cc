// SPDX-License-Identifier: Apache-2.0
//
// A model that remembers: five steps of one sequence, in their order.
//
//   sequence ENDPOINT MODEL
#include <iostream>

#include "inferd/client/client.h"
#include "zeros.h"

namespace {

inferd::Status run(const std::string& endpoint, const std::string& name) {
  constexpr uint64_t kSteps = 5;
  const auto client = inferd::Client::connect(endpoint);
  const auto model = client->model(name);
  if (!model.ok()) return model.status();
  const Zeros inputs(model.value());
  auto stream = client->stream();
  if (!stream.ok()) return stream.status();

  // The number is the program's to choose; clients that use the same one continue each other's
  // sequences.
  for (uint64_t i = 1; i <= kSteps; ++i) {
    const inferd::Sequence step{.id = 4711, .start = i == 1, .end = i == kSteps};
    const auto sent = stream.value()->send(name, inputs.tensors(), {.sequence = step});
    if (!sent.ok()) return sent.status();
  }
  stream.value()->finish();
  auto answer = stream.value()->receive();
  for (; answer.ok(); answer = stream.value()->receive()) {
    if (!answer->status.ok()) return answer->status;
    std::cout << "step " << answer->request << " of " << kSteps << ": " << answer->outputs.size()
              << " outputs\n";
  }
  const bool is_over = answer.status().code() == inferd::StatusCode::kOutOfRange;
  return is_over ? inferd::ok_status() : answer.status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: sequence ENDPOINT MODEL\n";
    return 2;
  }
  const inferd::Status status = run(argv[1], argv[2]);
  if (!status.ok()) std::cerr << status.to_string() << "\n";
  return status.ok() ? 0 : 1;
}
