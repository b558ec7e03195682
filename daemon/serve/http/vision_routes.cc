// SPDX-License-Identifier: Apache-2.0
//
// Pipelines in the way of DeepStack and CodeProject.AI (docs/adapters.md): what camera software
// such as Blue Iris, Agent DVR and Frigate asks when it wants to know what is in a picture.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "daemon/serve/http/call_threads.h"
#include "daemon/serve/http/routes.h"

namespace inferd::serve {
namespace {

using pipeline::Detection;
using pipeline::FrameResult;

constexpr double kUsualConfidence = 0.4;  // as both servers have it
// Frigate has room for so many and does not look whether there are more.
constexpr size_t kMostPredictions = 20;

Response failure(const Status& status) {
  return failure_response(http_code(status.code()), status.message());
}

Result<double> confidence_in(const Request& request) {
  const auto field = request.form.find("min_confidence");
  if (field == request.form.end()) return kUsualConfidence;
  const std::string& text = field->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= 1)
    return value;
  return invalid_argument("'min_confidence' must be from 0 to 1, not '" + text + "'");
}

nlohmann::ordered_json prediction(const Detection& detection, const FrameResult& result) {
  const auto pixel = [](float part, int size) {
    return std::lround(part * static_cast<float>(size));
  };
  const std::string& label = detection.label;
  return {{"label", label.empty() ? std::to_string(detection.class_id) : label},
          {"confidence", detection.score},
          {"x_min", pixel(detection.box.x_min, result.width)},
          {"y_min", pixel(detection.box.y_min, result.height)},
          {"x_max", pixel(detection.box.x_max, result.width)},
          {"y_max", pixel(detection.box.y_max, result.height)}};
}

// The surest first: some clients stop at the first that they do not want.
Response answer(const std::vector<FrameResult>& results, double least) {
  std::vector<std::pair<const Detection*, const FrameResult*>> found;
  for (const FrameResult& result : results) {
    for (const Detection& detection : result.detections) {
      if (static_cast<double>(detection.score) >= least) found.emplace_back(&detection, &result);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first->score > b.first->score; });
  found.resize(std::min(found.size(), kMostPredictions));
  nlohmann::ordered_json predictions = nlohmann::ordered_json::array();
  int64_t ns = 0;
  for (const auto& [detection, result] : found)
    predictions.push_back(prediction(*detection, *result));
  for (const FrameResult& result : results) ns = std::max(ns, result.result_ns - result.capture_ns);
  return json_response(nlohmann::ordered_json{{"success", true},
                                              {"count", predictions.size()},
                                              {"predictions", std::move(predictions)},
                                              {"inferenceMs", ns / 1'000'000},
                                              {"code", 200}});
}

Response look(pipeline::Pipelines& pipelines, const std::string& name, const Request& request) {
  const Result<double> least = confidence_in(request);
  if (!least.ok()) return failure(least.status());
  const auto image = request.form.find("image");
  if (image == request.form.end() || image->second.empty())
    return failure_response(400, "the form lacks the file 'image'");
  const auto* bytes = reinterpret_cast<const uint8_t*>(image->second.data());
  const auto results = pipelines.ask(name, {.encoded = {bytes, image->second.size()}});
  return results.ok() ? answer(*results, *least) : failure(results.status());
}

// What a path asks for: the pipeline's name; empty: there is none there.
using Find = std::function<std::string(const Request&)>;

AsyncHandler ask(pipeline::Pipelines& pipelines, const std::shared_ptr<CallThreads>& threads,
                 const Find& find) {
  return [&pipelines, threads, find](const std::shared_ptr<const Request>& request,
                                     const Done& done) {
    const std::string name = find(*request);
    if (name.empty())
      return done(failure_response(404, "there is no model '" + request->capture("model") + "'"));
    const bool runs =
        threads->run([&pipelines, name, request, done] { done(look(pipelines, name, *request)); });
    if (!runs) done(failure_response(503, "too many pictures at once, try again later"));
  };
}

}  // namespace

std::vector<Route> vision_routes(const Backend& backend) {
  const config::VisionConfig& vision = backend.config.vision;
  const auto threads = std::make_shared<CallThreads>(pipeline::Pipelines::kMaxQuestions);
  std::vector<Route> routes;
  const auto add = [&](const char* pattern, const Find& find) {
    routes.push_back({.method = Method::kPost,
                      .pattern = pattern,
                      .needs = Needs::kInfer,
                      .handler = ask(backend.pipelines, threads, find),
                      .takes = kForm,
                      .tells_success = true});
  };
  if (!vision.detection.empty())
    add("/v1/vision/detection", [&vision](const Request&) { return vision.detection; });
  if (vision.custom.empty()) return routes;
  const SyncHandler list = [&vision](const Request&) {
    return json_response(
        nlohmann::ordered_json{{"success", true}, {"models", vision.custom}, {"code", 200}});
  };
  routes.push_back({.method = Method::kPost,
                    .pattern = "/v1/vision/custom/list",
                    .needs = Needs::kAnyRole,
                    .handler = list,
                    .tells_success = true});
  add("/v1/vision/custom/{model}", [&vision](const Request& request) {
    const std::string name = request.capture("model");
    const bool is_there =
        std::find(vision.custom.begin(), vision.custom.end(), name) != vision.custom.end();
    return is_there ? name : std::string();
  });
  return routes;
}

}  // namespace inferd::serve
