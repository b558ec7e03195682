// SPDX-License-Identifier: Apache-2.0
//
// The dashboard: files that the build has embedded.
#include <algorithm>
#include <array>

#include "daemon/host/module.h"
#include "daemon/serve/http/assets.h"
#include "daemon/serve/http/encoding.h"
#include "daemon/serve/http/routes.h"

namespace inferd::serve {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kTypes = {{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
}};

// Nothing comes from elsewhere, nothing is written into pages as script or style, no other page
// shows this one in a frame.
constexpr char kPolicy[] =
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

std::string type_of(std::string_view path) {
  const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const auto& row) { return path.ends_with(row.first); });
  return std::string(type == kTypes.end() ? "application/octet-stream" : type->second);
}

void add_protection(Response& response) {
  for (const auto& [name, value] :
       {std::pair("Content-Security-Policy", kPolicy),
        std::pair("X-Content-Type-Options", "nosniff"), std::pair("Referrer-Policy", "no-referrer"),
        std::pair("Cross-Origin-Resource-Policy", "same-origin"),
        std::pair("Cross-Origin-Opener-Policy", "same-origin"),
        std::pair("X-Frame-Options", "DENY")}) {
    response.headers.emplace_back(name, value);
  }
}

// Whether a browser that has these (RFC 9110, 13.1.2) has this one.
bool has_it(const std::string* if_none_match, std::string_view etag) {
  return if_none_match != nullptr &&
         (*if_none_match == "*" || if_none_match->find(etag) != std::string::npos);
}

Result<std::string> unpacked(std::string_view gzip) {
  std::string text;
  Unpacker unpacker(Encoding::kGzip);
  INFERD_RETURN_IF_ERROR(unpacker.add(gzip, [&](std::string_view piece) {
    text += piece;
    return true;
  }));
  INFERD_RETURN_IF_ERROR(unpacker.finish());
  return text;
}

Response answer(const Asset& asset, const Request& request) {
  Response response;
  response.content_type = type_of(asset.path);
  // Files of this folder have their content's checksum in their names.
  const bool is_for_ever = asset.path.starts_with("assets/");
  response.headers.emplace_back("Cache-Control",
                                is_for_ever ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.emplace_back("ETag", std::string(asset.etag));
  response.headers.emplace_back("Vary", "Accept-Encoding");
  add_protection(response);
  if (has_it(request.header("If-None-Match"), asset.etag)) {
    response.code = 304;
    return response;
  }
  const std::string* accepted = request.header("Accept-Encoding");
  if (accepted != nullptr && accepted_encoding(*accepted) == Encoding::kGzip) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = asset.gzip;
    return response;
  }
  Result<std::string> text = unpacked(asset.gzip);
  if (!text.ok()) return error_response(text.status());
  response.body = *std::move(text);
  return response;
}

Response text_answer(int code, const std::string& text) {
  Response response{code, "text/plain; charset=utf-8", text + "\n"};
  add_protection(response);
  return response;
}

Response serve(std::span<const Asset> assets, const Request& request) {
  if (assets.empty()) {
    return text_answer(404,
                       "This inferd was built without its dashboard: "
                       "'cmake -DINFERD_BUILD_WEB=ON' builds it, with npm");
  }
  std::string path = request.capture("folder");
  if (!path.empty()) path += '/';
  path += request.capture("file");
  if (path.empty()) path = "index.html";
  const auto asset = std::find_if(assets.begin(), assets.end(),
                                  [&](const Asset& candidate) { return candidate.path == path; });
  if (asset != assets.end()) return answer(*asset, request);
  return text_answer(404, "The dashboard has no such file");
}

Response go_to(const std::string& path) {
  Response response;
  response.code = 302;
  response.headers.emplace_back("Location", path);
  return response;
}

}  // namespace

std::vector<Route> ui_routes(const Backend&) {
  const auto found = host::function_in_module<WebAssets>("http", "web_assets");
  const std::span<const Asset> assets = found.ok() ? (**found)() : std::span<const Asset>();
  const SyncHandler file = [assets](const Request& request) { return serve(assets, request); };
  const SyncHandler home = [](const Request&) { return go_to("/ui/"); };
  constexpr Method kGet = Method::kGet;
  constexpr Needs kNothing = Needs::kNothing;
  return {{kGet, "/", kNothing, home},
          {kGet, "/ui", kNothing, home},
          {kGet, "/ui/", kNothing, file},
          {kGet, "/ui/{file}", kNothing, file},
          {kGet, "/ui/{folder}/{file}", kNothing, file}};
}

}  // namespace inferd::serve
