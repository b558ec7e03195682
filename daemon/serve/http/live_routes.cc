// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "daemon/serve/http/live.h"
#include "daemon/serve/http/routes.h"

namespace inferd::serve {
namespace {

// ?max_fps=N; a page has no use for more than some.
Result<double> max_fps_in(const Request& request) {
  constexpr double kUsual = 10;
  const std::string* text = request.asked("max_fps");
  if (text == nullptr) return kUsual;
  double fps = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), fps);
  const bool is_number = error == std::errc() && end == text->data() + text->size();
  if (is_number && fps >= 0.01 && fps <= LiveViews::kMostFps) return fps;
  return invalid_argument("'max_fps' must be from 0.01 to 60, not '" + *text + "'");
}

Result<Response> look(LiveViews& views, const Request& request) {
  INFERD_ASSIGN_OR_RETURN(const double max_fps, max_fps_in(request));
  const std::string* node = request.asked("node");
  INFERD_ASSIGN_OR_RETURN(Stream stream, views.open(request.capture("pipeline"),
                                                    node == nullptr ? "" : *node, max_fps));
  Response response{200, "application/octet-stream", "", {{"Cache-Control", "no-store"}}};
  response.stream = std::move(stream);
  return response;
}

}  // namespace

std::vector<Route> live_routes(const Backend& backend) {
  const auto views = std::make_shared<LiveViews>(backend.pipelines);
  const SyncHandler handler = [views](const Request& request) {
    Result<Response> response = look(*views, request);
    return response.ok() ? *std::move(response) : coded_error(response.status());
  };
  return {{.method = Method::kGet,
           .pattern = "/live/{pipeline}",
           .needs = Needs::kObserve,
           .handler = handler,
           .same_origin = true,
           .coded_errors = true}};
}

}  // namespace inferd::serve
