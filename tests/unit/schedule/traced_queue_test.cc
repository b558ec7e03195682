// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/traced_queue.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "daemon/telemetry/trace.h"
#include "tests/unit/fakes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::schedule {
namespace {

using Json = nlohmann::json;

// Sum of the slices of that name, nanoseconds.
int64_t sum(const Json& events, const std::string& name) {
  int64_t ns = 0;
  for (const Json& event : events) {
    if (event["name"] == name && event["ph"] == "X") {
      ns += std::llround(event["dur"].get<double>() * 1000);
    }
  }
  return ns;
}

TEST(TracedQueue, TracesSayWhatStatisticsSay) {
  const TemporaryFolder folder;
  config::TraceConfig config;
  config.folder = folder.file("");
  config.file = "t.json";
  config.timestamps = true;
  config.rate = 1;
  telemetry::Tracer& tracer = telemetry::tracer();
  ASSERT_TRUE(tracer.open(config).ok());
  const std::vector<TensorInfo> tensor = {{"x", DType::kFloat32, {1}, {}}};
  auto model = std::make_shared<FakeModel>(tensor, tensor, [](std::span<const TensorView> inputs) {
    const auto bytes = inputs[0].data;
    return std::vector<FakeTensor>{{DType::kFloat32, {1}, {bytes.begin(), bytes.end()}}};
  });
  const auto queue = make_traced_queue(*ModelQueue::create(model, "m", {}), "m", 2);
  constexpr int kRequests = 20;
  const float x = 1;
  const std::vector<TensorView> inputs = {
      {DType::kFloat32, {1}, std::as_bytes(std::span<const float>(&x, 1))}};
  for (int i = 0; i <= kRequests; ++i) {
    std::promise<void> answered;
    Request request;
    request.inputs = inputs;
    request.id = "seven";
    request.deadline_ns = i == kRequests ? 1 : 0;  // the last one comes too late
    request.done = [&](const Outcome&) { answered.set_value(); };
    queue->submit(std::move(request));
    answered.get_future().get();
  }
  queue->close();
  tracer.close();
  const Json events = Json::parse(std::ifstream(folder.file("t.json")));
  const QueueStatistics s = queue->statistics();
  EXPECT_EQ(s.success.count, uint64_t{kRequests});
  EXPECT_EQ(sum(events, "compute"), static_cast<int64_t>(s.compute_infer.ns));
  EXPECT_EQ(sum(events, "batch assembly"), static_cast<int64_t>(s.compute_input.ns));
  int64_t waits = 0, refused = 0;
  for (const Json& event : events) {
    const Json arguments = event.value("args", Json::object());
    if (event["name"] != "queue") continue;
    EXPECT_EQ(arguments["request_id"], "seven");
    if (arguments.contains("status")) {
      ++refused;
      EXPECT_EQ(arguments["batch_size"], 0);
    } else {
      waits += std::llround(event["dur"].get<double>() * 1000);
    }
  }
  EXPECT_EQ(waits, static_cast<int64_t>(s.queue.ns));
  EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace inferd::schedule
