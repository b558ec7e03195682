// SPDX-License-Identifier: Apache-2.0
//
// Pushes pictures to a pipeline whose source is `push` and counts its results: one thread has the
// camera, another the results. The pictures are grey, in RGB.
//
//   push ENDPOINT SOURCE PIPELINE WIDTH HEIGHT
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

#include "inferd/client/client.h"

namespace {

constexpr int kFrames = 10;

// Until all results have come, at 100 pictures a second.
inferd::Status push_all(inferd::FramePusher& pusher, int width, int height,
                        const std::atomic<int>& seen) {
  std::vector<std::byte> pixels(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  inferd::PushFrame frame;
  frame.width = width;
  frame.height = height;
  frame.bytes = pixels;
  for (int i = 0; seen < kFrames; ++i) {
    std::fill(pixels.begin(), pixels.end(), static_cast<std::byte>(i));
    const auto id = pusher.push(frame);
    if (!id.ok()) return id.status();
    const auto answer = pusher.answer(10'000);  // the daemon needs the frame no more
    if (!answer.ok()) return answer.status();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return inferd::ok_status();
}

inferd::Status run(const std::string& endpoint, const std::string& source,
                   const std::string& pipeline, int width, int height) {
  const auto client = inferd::Client::connect(endpoint);
  auto pusher = client->pusher(source);
  if (!pusher.ok()) return pusher.status();
  std::atomic<int> seen{0};
  inferd::Status pushed;
  std::thread camera([&] { pushed = push_all(*pusher.value(), width, height, seen); });
  const inferd::Status watched = client->watch(pipeline, [&](const inferd::WatchedFrame& frame) {
    std::cout << (static_cast<double>(frame.result_ns - frame.capture_ns) * 1e-6) << " ms, "
              << frame.detections.size() << " detections\n";
    return ++seen < kFrames;
  });
  if (seen >= kFrames) std::cout << seen << " frames\n";
  seen = kFrames;  // also where the pipeline has ended
  camera.join();
  return watched.ok() ? pushed : watched;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: push ENDPOINT SOURCE PIPELINE WIDTH HEIGHT\n";
    return 2;
  }
  const inferd::Status status =
      run(argv[1], argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]));
  if (!status.ok()) std::cerr << status.to_string() << "\n";
  return status.ok() ? 0 : 1;
}
