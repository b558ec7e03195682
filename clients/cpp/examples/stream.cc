// SPDX-License-Identifier: Apache-2.0
//
// Many requests on their way at once: one thread sends, another receives; the daemon batches what
// it may.
//
//   stream ENDPOINT MODEL [COUNT]
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "inferd/client/client.h"
#include "zeros.h"

namespace {

// Stops at the first request that cannot be sent, and says why.
inferd::Status send_all(inferd::Stream& stream, const std::string& name, const Zeros& inputs,
                        int count) {
  inferd::Status status;
  for (int i = 0; i < count && status.ok(); ++i)
    status = stream.send(name, inputs.tensors()).status();
  stream.finish();
  return status;
}

inferd::Status run(const std::string& endpoint, const std::string& name, int count) {
  const auto client = inferd::Client::connect(endpoint);
  const auto model = client->model(name);
  if (!model.ok()) return model.status();
  const Zeros inputs(model.value());
  auto stream = client->stream({.max_in_flight = 16});
  if (!stream.ok()) return stream.status();

  const auto begin = std::chrono::steady_clock::now();
  inferd::Status sent;
  std::thread sender([&] { sent = send_all(*stream.value(), name, inputs, count); });
  int good = 0, bad = 0;
  auto answer = stream.value()->receive();
  for (; answer.ok(); answer = stream.value()->receive()) {
    ++(answer->status.ok() ? good : bad);
    if (!answer->status.ok())
      std::cerr << "request " << answer->request << ": " << answer->status.to_string() << "\n";
  }
  sender.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::cout << good << " answers, " << bad << " errors, "
            << static_cast<int>(good / seconds.count()) << " a second\n";
  const bool is_over = answer.status().code() == inferd::StatusCode::kOutOfRange;
  return !sent.ok() ? sent : is_over ? inferd::ok_status() : answer.status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: stream ENDPOINT MODEL [COUNT]\n";
    return 2;
  }
  const inferd::Status status = run(argv[1], argv[2], argc == 4 ? std::atoi(argv[3]) : 200);
  if (!status.ok()) std::cerr << status.to_string() << "\n";
  return status.ok() ? 0 : 1;
}
