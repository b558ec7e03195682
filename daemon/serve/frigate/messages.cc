// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/frigate/messages.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace inferd::serve::frigate {
namespace {

using nlohmann::json;

constexpr size_t kMaxHeaderBytes = 4096;
constexpr int64_t kMaxSide = 8192;  // pixels

bool says(const json& header, const char* key) {
  const auto at = header.find(key);
  return at != header.end() && at->is_boolean() && at->get<bool>();
}

Result<Header> picture_header(const json& header) {
  const auto dtype = header.find("dtype"), shape = header.find("shape");
  if (dtype == header.end() || !dtype->is_string() || shape == header.end() || !shape->is_array())
    return invalid_argument("the message has no 'dtype' and 'shape'");
  if (*dtype != "uint8") {
    return invalid_argument("the picture comes as " + dtype->dump(-1, ' ', true) +
                            "; 'input_dtype: int' under 'model' in Frigate's configuration has it "
                            "come as uint8");
  }
  std::vector<int64_t> sizes;
  for (const json& size : *shape)
    sizes.push_back(size.is_number_unsigned() ? static_cast<int64_t>(std::min<uint64_t>(
                                                    size.get<uint64_t>(), kMaxSide + 1))
                                              : -1);
  const bool is_picture = sizes.size() == 4 && sizes[0] == 1 && sizes[3] == 3 && sizes[1] >= 1 &&
                          sizes[1] <= kMaxSide && sizes[2] >= 1 && sizes[2] <= kMaxSide;
  if (!is_picture) {
    return invalid_argument(
        "the picture must have the shape [1, height, width, 3]; 'input_tensor: nhwc' and "
        "'input_pixel_format: rgb' under 'model' in Frigate's configuration give it that");
  }
  return Header{Header::Kind::kPicture, static_cast<int>(sizes[2]), static_cast<int>(sizes[1])};
}

}  // namespace

Result<Header> parse_header(std::string_view text) {
  if (text.size() > kMaxHeaderBytes)
    return invalid_argument("the message's header is longer than 4096 bytes");
  // Nesting is bounded by the length.
  const json header = json::parse(text, nullptr, false);
  if (!header.is_object()) return invalid_argument("the message's header is no JSON object");
  if (says(header, "model_request")) return Header{.kind = Header::Kind::kModel};
  if (says(header, "model_data")) return Header{.kind = Header::Kind::kModelData};
  return picture_header(header);
}

Result<media::Picture> picture_in(const Header& header, std::span<const uint8_t> bytes,
                                  media::PixelFormat format) {
  INFERD_ASSIGN_OR_RETURN(const size_t size,
                          media::packed_bytes(format, header.width, header.height));
  if (bytes.size() != size) {
    return invalid_argument("the tensor has " + std::to_string(bytes.size()) + " bytes; with " +
                            std::to_string(header.width) + " x " + std::to_string(header.height) +
                            " pixels it must have " + std::to_string(size));
  }
  return media::packed_picture(format, header.width, header.height, bytes);
}

Table table_of(const std::vector<pipeline::FrameResult>& results) {
  std::vector<const pipeline::Detection*> found;
  for (const pipeline::FrameResult& result : results) {
    for (const pipeline::Detection& detection : result.detections) found.push_back(&detection);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto* a, const auto* b) { return a->score > b->score; });
  Table table{};
  float* row = table.data();
  for (size_t i = 0; i < std::min(found.size(), kRows); ++i, row += kColumns) {
    const pipeline::Detection& d = *found[i];
    row[0] = static_cast<float>(d.class_id);
    row[1] = d.score;
    row[2] = d.box.y_min;
    row[3] = d.box.x_min;
    row[4] = d.box.y_max;
    row[5] = d.box.x_max;
  }
  return table;
}

std::string table_header() { return R"({"shape": [20, 6], "dtype": "float32"})"; }

// Which model it is the pipeline says: none has to be sent, and none is taken.
std::string answer_to_model(Header::Kind kind, bool is_there) {
  const char* what = kind == Header::Kind::kModel ? "model_available" : "model_saved";
  const bool yes = kind == Header::Kind::kModel && is_there;
  return json{{what, yes}, {"model_loaded", is_there}}.dump();
}

}  // namespace inferd::serve::frigate
