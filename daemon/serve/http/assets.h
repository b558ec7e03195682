// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace inferd::serve {

// A file of the dashboard's page, as the build embeds it in the module `http`.
struct Asset {
  std::string_view path;  // below /ui/: "index.html", "assets/index-1a2b.js"
  std::string_view etag;  // with its quotes; of the content
  std::string_view gzip;  // the content, packed
};

// What the module has under the name web_assets. Empty: it was built without the page.
using WebAssets = std::span<const Asset> (*)();

}  // namespace inferd::serve
