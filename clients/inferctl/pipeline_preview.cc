// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/pipeline_preview.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/preview/blocks.h"
#include "clients/inferctl/preview/kitty.h"
#include "clients/inferctl/preview/scale.h"
#include "clients/inferctl/preview/sixel.h"
#include "clients/inferctl/preview/terminal.h"
#include "clients/inferctl/text.h"
#include "clients/inferctl/top/table.h"

namespace inferd::ctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAnswerMs = 1000;                      // over a slow line, too
constexpr int kQuality = 80;                         // of the JPEGs on their way here
constexpr int kMostWidth = 1024, kMostHeight = 768;  // pixels that are sent to a terminal

bool has_true_colour() {
  const char* const said = std::getenv("COLORTERM");
  const std::string_view colours = said == nullptr ? "" : said;
  return colours == "truecolor" || colours == "24bit";
}

std::string label_of(const WatchedDetection& d) {
  std::string label = d.label.empty() ? std::to_string(d.class_id) : d.label;
  if (d.track_id != 0) label = "#" + std::to_string(d.track_id) + " " + label;
  char score[16];
  std::snprintf(score, sizeof score, " %.0f%%", static_cast<double>(d.score) * 100);
  return label + score;
}

// The last line: what is seen.
std::string line_about(const Snapshot& taken, const std::string& pipeline, int columns) {
  const WatchedFrame& f = taken.frame;
  char numbers[128];
  std::snprintf(numbers, sizeof numbers, "  frame %llu  %dx%d  %.1f ms  %zu found  q quit",
                static_cast<unsigned long long>(f.sequence), f.width, f.height,
                static_cast<double>(f.result_ns - f.capture_ns) * 1e-6, f.detections.size());
  return padded(printable(pipeline) + numbers, columns, false);
}

class Preview {
 public:
  Preview(const Terminal& terminal, Graphics graphics)
      : terminal_(terminal), graphics_(graphics), blocks_(0, 0, has_true_colour()) {}

  // Blocks are too coarse for labels in the picture: these are written over it instead.
  bool wants_plain() const { return graphics_ == Graphics::kBlocks; }

  Status show(const Snapshot& taken, const std::string& pipeline) {
    INFERD_ASSIGN_OR_RETURN(const media::Image picture, media::decode_image(taken.jpeg));
    const TerminalSize size = terminal_.size();
    std::string out;
    if (size != size_) {
      size_ = size;
      blocks_.resize(size.columns, rows());
      out = "\x1b[2J";
    }
    out += graphics_ == Graphics::kBlocks ? in_blocks(picture, taken.frame) : in_pixels(picture);
    out +=
        "\x1b[" + std::to_string(size.rows) + ";1H" + line_about(taken, pipeline, size.columns - 1);
    return terminal_.write(out);
  }

  Status end() const {
    return graphics_ == Graphics::kKitty ? terminal_.write(kitty_end()) : ok_status();
  }

 private:
  int rows() const { return std::max(size_.rows - 1, 1); }  // but for the last line

  std::string in_blocks(const media::Image& picture, const WatchedFrame& frame) {
    const Size size = fitting(picture, size_.columns, 2 * rows(), true);
    media::Image small = scaled(picture, size.width, size.height);
    const auto x = [&](float v) { return static_cast<int>(v * static_cast<float>(size.width)); };
    const auto y = [&](float v) { return static_cast<int>(v * static_cast<float>(size.height)); };
    for (const WatchedDetection& d : frame.detections) {
      media::draw_rectangle(small, x(d.x_min), y(d.y_min), x(d.x_max), y(d.y_max), 1,
                            media::colour_of(d.class_id));
    }
    blocks_.put(small);
    for (const WatchedDetection& d : frame.detections)
      blocks_.label(x(d.x_min), std::max(y(d.y_min) / 2, 0), label_of(d),
                    media::colour_of(d.class_id));
    return blocks_.changes();
  }

  std::string in_pixels(const media::Image& picture) const {
    const int width = std::min(size_.columns * size_.cell_width, kMostWidth);
    const int height = std::min(rows() * size_.cell_height, kMostHeight);
    const Size size = fitting(picture, width, height, false);
    const media::Image small = scaled(picture, size.width, size.height);
    if (graphics_ == Graphics::kSixel) return "\x1b[H" + sixel_picture(small);
    // Kitty enlarges it itself.
    const Size shown =
        fitting(picture, size_.columns * size_.cell_width, rows() * size_.cell_height, true);
    return "\x1b[H" + kitty_picture(small, std::max(shown.width / size_.cell_width, 1),
                                    std::max(shown.height / size_.cell_height, 1));
  }

  const Terminal& terminal_;
  const Graphics graphics_;
  TerminalSize size_{0, 0, 0, 0};
  Blocks blocks_;
};

Graphics graphics_of(const PreviewOptions& options, const Terminal& terminal) {
  if (options.graphics == "kitty") return Graphics::kKitty;
  if (options.graphics == "sixel") return Graphics::kSixel;
  if (options.graphics == "blocks") return Graphics::kBlocks;
  return terminal.ask_for_graphics(kAnswerMs);
}

}  // namespace

Status preview(const Globals& globals, const PreviewOptions& options) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  SnapshotOptions wanted;
  wanted.quality = kQuality;
  // What is wrong with the pipeline is said before the terminal is another.
  INFERD_RETURN_IF_ERROR(client->snapshot(options.pipeline, wanted).status());
  INFERD_ASSIGN_OR_RETURN(const auto terminal, Terminal::open());
  Preview preview(*terminal, graphics_of(options, *terminal));
  wanted.plain = preview.wants_plain();
  auto due = Clock::now();
  for (uint64_t i = 0; options.count == 0 || i < options.count; ++i) {
    INFERD_ASSIGN_OR_RETURN(const Snapshot taken, client->snapshot(options.pipeline, wanted));
    INFERD_RETURN_IF_ERROR(preview.show(taken, options.pipeline));
    // Not as often as frames come, and later where the terminal is slow.
    due = std::max(due + std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double>(1 / options.max_fps)),
                   Clock::now());
    for (auto left = due - Clock::now();; left = due - Clock::now()) {
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      const char key = terminal->wait_for_key(static_cast<int>(std::max<int64_t>(ms, 0)));
      if (key == 'q') return preview.end();
      if (key == '\0') break;
    }
  }
  return preview.end();
}

}  // namespace inferd::ctl
