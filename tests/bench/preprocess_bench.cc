// SPDX-License-Identifier: Apache-2.0
//
// From a camera's picture into a model's input: inferd's one pass beside what OpenCV's users write,
// in turn, with one thread each. The table is Markdown.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <random>

#include "media/preprocessor.h"
#include "media/undistorter.h"
#include "tests/bench/rounds.h"

namespace inferd::bench {
namespace {

using media::PixelFormat;

struct Target {
  const char* name;
  int side;
  DType dtype;
  bool nchw;
};
constexpr Target kTargets[] = {{"300x300 uint8 NHWC", 300, DType::kUInt8, false},
                               {"320x320 int8 NHWC", 320, DType::kInt8, false},
                               {"416x416 float NCHW", 416, DType::kFloat32, true}};

// Pictures to RGB, resized, in the tensor's type and order. BGR is resized first and then turned
// around, which is the faster order; the other formats must be converted first.
class OpenCv {
 public:
  OpenCv(PixelFormat format, int width, int height, std::vector<uint8_t>& bytes, const Target& to)
      : format_(format), to_(to) {
    const bool nv12 = format == PixelFormat::kNv12;
    const int type = nv12 ? CV_8UC1 : format == PixelFormat::kYuyv ? CV_8UC2 : CV_8UC3;
    picture_ = cv::Mat(nv12 ? height * 3 / 2 : height, width, type, bytes.data());
    planes_.resize(3);
  }

  // From now on pictures are bent.
  void look_through(const media::LensView& view) {
    const bool nv12 = format_ == PixelFormat::kNv12;
    const cv::Size size(picture_.cols, nv12 ? picture_.rows * 2 / 3 : picture_.rows);
    const auto lens = media::LensMap::of(view, size.width, size.height).value();
    cv::Mat places(size, CV_32FC2);
    for (int y = 0; y < size.height; ++y) {
      for (int x = 0; x < size.width; ++x) {
        const auto at = lens.at(x, y).value_or(media::PlanePoint{-9, -9});
        places.at<cv::Vec2f>(y, x) = {static_cast<float>(at.x), static_cast<float>(at.y)};
      }
    }
    cv::convertMaps(places, cv::Mat(), map_, parts_, CV_16SC2);
  }

  void run() {
    const cv::Size size(to_.side, to_.side);
    if (!map_.empty()) {
      const bool nv12 = format_ == PixelFormat::kNv12;
      const bool bgr = format_ == PixelFormat::kBgr;
      if (!bgr)
        cv::cvtColor(picture_, whole_, nv12 ? cv::COLOR_YUV2RGB_NV12 : cv::COLOR_YUV2RGB_YUYV);
      cv::remap(bgr ? picture_ : whole_, straight_, map_, parts_, cv::INTER_LINEAR);
      cv::resize(straight_, bgr ? resized_ : rgb_, size, 0, 0, cv::INTER_LINEAR);
      if (bgr) cv::cvtColor(resized_, rgb_, cv::COLOR_BGR2RGB);
    } else if (format_ == PixelFormat::kBgr) {
      cv::resize(picture_, resized_, size, 0, 0, cv::INTER_LINEAR);
      cv::cvtColor(resized_, rgb_, cv::COLOR_BGR2RGB);
    } else {
      const bool nv12 = format_ == PixelFormat::kNv12;
      cv::cvtColor(picture_, whole_, nv12 ? cv::COLOR_YUV2RGB_NV12 : cv::COLOR_YUV2RGB_YUYV);
      cv::resize(whole_, rgb_, size, 0, 0, cv::INTER_LINEAR);
    }
    if (to_.dtype == DType::kInt8) rgb_.convertTo(tensor_, CV_8S, 1, -128);
    if (to_.dtype == DType::kFloat32) {
      rgb_.convertTo(tensor_, CV_32F, 1.0 / 255);
      cv::split(tensor_, planes_);
    }
  }

  // Element of channel c, for a look at whether both do the same.
  double at(int x, int y, int c) const {
    if (to_.dtype == DType::kFloat32)
      return double{planes_[static_cast<size_t>(c)].at<float>(y, x)} * 255;
    return static_cast<double>(rgb_.at<cv::Vec3b>(y, x)[c]);
  }

 private:
  const PixelFormat format_;
  const Target to_;
  cv::Mat picture_, whole_, resized_, rgb_, tensor_;
  cv::Mat map_, parts_, straight_;  // of a lens
  std::vector<cv::Mat> planes_;
};

// Soft shapes with some noise, as cameras give them.
std::vector<uint8_t> picture_bytes(PixelFormat format, int width, int height) {
  std::vector<uint8_t> bytes(media::packed_bytes(format, width, height).value());
  std::mt19937 random(1);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<uint8_t>(100 + i / 3000 % 80 + random() % 4);
  return bytes;
}

double element(const Target& to, const std::vector<std::byte>& tensor, int x, int y, int c) {
  const auto pixel = static_cast<size_t>(y * to.side + x);
  if (to.dtype == DType::kFloat32) {
    float value = 0;
    const auto plane = static_cast<size_t>(to.side * to.side * c);
    std::memcpy(&value, tensor.data() + (plane + pixel) * 4, 4);
    return double{value} * 255;
  }
  const auto byte = std::to_integer<int>(tensor[pixel * 3 + static_cast<size_t>(c)]);
  return to.dtype == DType::kInt8 ? byte ^ 0x80 : byte;
}

// The mean difference of both in levels of 255.
double difference(const Target& to, const std::vector<std::byte>& tensor, const OpenCv& theirs) {
  double sum = 0;
  for (int y = 0; y < to.side; ++y) {
    for (int x = 0; x < to.side; ++x) {
      for (int c = 0; c < 3; ++c)
        sum += std::abs(element(to, tensor, x, y, c) - theirs.at(x, y, c));
    }
  }
  return sum / (3.0 * to.side * to.side);
}

// Two rows for each row of the tensor, or all there are, and the tensor.
double memcpy_ms(const std::vector<uint8_t>& picture, int height, const Target& to, size_t tensor,
                 double seconds) {
  const size_t rows = static_cast<size_t>(std::min(height, 2 * to.side));
  const size_t read = picture.size() / static_cast<size_t>(height) * rows;
  std::vector<uint8_t> out(std::max(read, tensor));
  const std::vector<uint8_t> from(tensor, 1);
  return round_ms(
      [&] {
        std::memcpy(out.data(), picture.data(), read);
        std::memcpy(out.data(), from.data(), tensor);
      },
      seconds);
}

bool measure(PixelFormat format, int width, int height, const Target& to, int rounds,
             double seconds) {
  auto bytes = picture_bytes(format, width, height);
  const media::Picture picture = media::packed_picture(format, width, height, bytes).value();
  TensorInfo input{"x", to.dtype, {1, to.side, to.side, 3}, {}};
  if (to.nchw) input.shape = {1, 3, to.side, to.side};
  media::Preprocess options;
  options.normalize = to.dtype == DType::kFloat32;
  options.std.fill(255);
  auto ours = media::Preprocessor::create(options, input);
  std::vector<std::byte> tensor(static_cast<size_t>(3 * to.side * to.side) * dtype_size(to.dtype));
  OpenCv theirs(format, width, height, bytes, to);
  theirs.run();
  if (!ours.ok() || !ours->fill(picture, tensor).ok()) return false;
  const double apart = difference(to, tensor, theirs);
  const Comparison c =
      compare([&] { theirs.run(); }, [&] { std::ignore = ours->fill(picture, tensor).ok(); },
              rounds, seconds);
  const double memory = memcpy_ms(bytes, height, to, tensor.size(), seconds);
  std::printf("| %s %dx%d | %s | %.3f | %.3f | %.2f | %.3f | %.2f |\n",
              media::pixel_format_name(format).c_str(), width, height, to.name, c.theirs_ms,
              c.ours_ms, c.ratio, memory, apart);
  return true;
}

// A camera's lens in between: one pass beside undistort and then resize of our own, and beside
// cvtColor, remap with fixed-point maps, resize and convertTo.
bool measure_lens(PixelFormat format, int width, int height, const Target& to, int rounds,
                  double seconds) {
  auto bytes = picture_bytes(format, width, height);
  const media::Picture picture = media::packed_picture(format, width, height, bytes).value();
  TensorInfo input{"x", to.dtype, {1, to.side, to.side, 3}, {}};
  if (to.nchw) input.shape = {1, 3, to.side, to.side};
  media::Preprocess options;
  options.normalize = to.dtype == DType::kFloat32;
  options.std.fill(255);
  const media::LensView view{{media::Lens::Model::kPinhole,
                              0.7 * width,
                              0.7 * width,
                              width / 2.0,
                              height / 2.0,
                              {-0.28, 0.09, 0.001, -0.001, -0.015}},
                             0,
                             0,
                             1};
  auto one = media::Preprocessor::create(options, input, view);
  auto second = media::Preprocessor::create(options, input);
  media::Undistorter first(view);
  std::vector<uint8_t> storage;
  std::vector<std::byte> tensor(static_cast<size_t>(3 * to.side * to.side) * dtype_size(to.dtype));
  const auto two = [&] {
    const auto straight = first.undistort(picture, storage);
    return straight.ok() && second->fill(*straight, tensor).ok();
  };
  if (!one.ok() || !second.ok() || !one->fill(picture, tensor).ok() || !two()) return false;
  OpenCv theirs(format, width, height, bytes, to);
  theirs.look_through(view);
  theirs.run();
  const Comparison ours =
      compare([&] { std::ignore = two(); }, [&] { std::ignore = one->fill(picture, tensor).ok(); },
              rounds, seconds);
  const Comparison c =
      compare([&] { theirs.run(); }, [&] { std::ignore = one->fill(picture, tensor).ok(); }, rounds,
              seconds);
  const double straight_ms =
      round_ms([&] { std::ignore = first.undistort(picture, storage).ok(); }, seconds);
  std::printf("| %s %dx%d | %s | %.3f | %.3f | %.3f | %.3f | %.2f | %.2f |\n",
              media::pixel_format_name(format).c_str(), width, height, to.name, c.theirs_ms,
              ours.theirs_ms, straight_ms, c.ours_ms, c.ratio, ours.ratio);
  return true;
}

int run(int rounds, double seconds) {
  cv::setNumThreads(1);
  std::printf("OpenCV %s, one thread, inferd's rows: %s.\n\n", CV_VERSION,
              media::row_kernels().front()->name);
  std::printf("| picture | tensor | OpenCV, ms | inferd, ms | ratio | memcpy, ms | apart |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const PixelFormat format : {PixelFormat::kNv12, PixelFormat::kYuyv, PixelFormat::kBgr}) {
    for (const auto& [width, height] : {std::pair{640, 480}, {1920, 1080}}) {
      for (const Target& to : kTargets) {
        if (!measure(format, width, height, to, rounds, seconds)) return 1;
      }
    }
  }
  std::printf(
      "\n| bent picture | tensor | OpenCV, ms | two steps, ms | first of them, ms | inferd, "
      "ms | ratio | to two steps |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const PixelFormat format : {PixelFormat::kNv12, PixelFormat::kYuyv, PixelFormat::kBgr}) {
    for (const Target& to : kTargets) {
      if (!measure_lens(format, 1280, 720, to, rounds, seconds)) return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace inferd::bench

// preprocess [ROUNDS [SECONDS]]: of how many rounds, of how many seconds each.
int main(int argc, char** argv) {
  return inferd::bench::run(argc > 1 ? std::atoi(argv[1]) : 7, argc > 2 ? std::atof(argv[2]) : 0.2);
}
