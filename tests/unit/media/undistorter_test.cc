// SPDX-License-Identifier: Apache-2.0
//
// Lenses by their formulas, and pictures that are straightened: a world of known brightness is
// taken by a bent camera (its formula inverted here, in double precision), undistorted, and
// compared with what a camera without distortion would have taken.
#include "media/undistorter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numbers>
#include <random>

namespace inferd::media {
namespace {

using ::testing::HasSubstr;

constexpr int kWidth = 320, kHeight = 240;

Lens pinhole() {
  Lens lens{Lens::Model::kPinhole, 200, 210, 155.5, 121.25, {}};
  lens.k = {-0.28, 0.09, 0.0012, -0.0008, -0.015};
  return lens;
}
Lens rational() {
  Lens lens = pinhole();
  lens.k = {0.4, 0.06, -0.0005, 0.001, 0.002, 0.72, 0.15, 0.01};
  return lens;
}
Lens fisheye() {
  return {Lens::Model::kFisheye, 130, 131, 160.75, 118.5, {-0.02, 0.008, -0.004, 0.0006}};
}
std::vector<Lens> lenses() { return {pinhole(), rational(), fisheye()}; }

// The formulas of OpenCV's documentation, word by word.
PlanePoint as_documented(const Lens& lens, double x, double y) {
  const auto& k = lens.k;
  const double r = std::sqrt(x * x + y * y);
  if (lens.model == Lens::Model::kFisheye) {
    const double theta = std::atan(r);
    const double theta_d = theta * (1 + k[0] * std::pow(theta, 2) + k[1] * std::pow(theta, 4) +
                                    k[2] * std::pow(theta, 6) + k[3] * std::pow(theta, 8));
    const double scale = r > 0 ? theta_d / r : 1;
    return {lens.fx * scale * x + lens.cx, lens.fy * scale * y + lens.cy};
  }
  const double radial =
      (1 + k[0] * std::pow(r, 2) + k[1] * std::pow(r, 4) + k[4] * std::pow(r, 6)) /
      (1 + k[5] * std::pow(r, 2) + k[6] * std::pow(r, 4) + k[7] * std::pow(r, 6));
  const double bent_x = x * radial + 2 * k[2] * x * y + k[3] * (r * r + 2 * x * x);
  const double bent_y = y * radial + k[2] * (r * r + 2 * y * y) + 2 * k[3] * x * y;
  return {lens.fx * bent_x + lens.cx, lens.fy * bent_y + lens.cy};
}

// The point that a lens shows at u, v: Newton's method, with derivatives by differences.
PlanePoint seen_at(const Lens& lens, double u, double v) {
  PlanePoint p{(u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy};
  for (int i = 0; i < 50; ++i) {
    const PlanePoint at = as_documented(lens, p.x, p.y);
    if (std::abs(u - at.x) + std::abs(v - at.y) < 1e-9) break;
    const double h = 1e-6;
    const PlanePoint right = as_documented(lens, p.x + h, p.y);
    const PlanePoint below = as_documented(lens, p.x, p.y + h);
    const double a = (right.x - at.x) / h, b = (below.x - at.x) / h;
    const double c = (right.y - at.y) / h, d = (below.y - at.y) / h;
    const double du = u - at.x, dv = v - at.y, det = a * d - b * c;
    p.x += (d * du - b * dv) / det;
    p.y += (a * dv - c * du) / det;
  }
  return p;
}

TEST(Lens, BendsAsDocumented) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> near(-0.7, 0.7);
  for (const Lens& lens : lenses()) {
    for (int i = 0; i < 1000; ++i) {
      const double x = near(random), y = near(random);
      const PlanePoint got = project(lens, {x, y}), expected = as_documented(lens, x, y);
      EXPECT_NEAR(got.x, expected.x, 1e-9);
      EXPECT_NEAR(got.y, expected.y, 1e-9);
      const PlanePoint back = seen_at(lens, got.x, got.y);
      EXPECT_NEAR(back.x, x, 1e-6) << y;
      EXPECT_NEAR(back.y, y, 1e-6) << x;
    }
    EXPECT_DOUBLE_EQ(project(lens, {0, 0}).x, lens.cx);
  }
}

// By hand: x = 0.5, y = -0.25, r^2 = 0.3125; and atan(sqrt(0.3125)) = 0.50971...
TEST(Lens, KnownPoints) {
  Lens lens{Lens::Model::kPinhole, 100, 200, 50, 60, {0.1, 0.01, 0.001, 0.002, 0.5}};
  // bend = 1 + 0.03125 + 0.0009765625 + 0.0152587890625 = 1.0474853515625
  // x' = 0.52374267578125 - 0.00025 + 0.002 * 0.8125, y' = -0.261871337890625 + 0.0004375 - 0.0005
  const PlanePoint p = project(lens, {0.5, -0.25});
  EXPECT_NEAR(p.x, 100 * 0.52511767578125 + 50, 1e-9);
  EXPECT_NEAR(p.y, 200 * -0.261933837890625 + 60, 1e-9);
  lens = {Lens::Model::kFisheye, 100, 100, 0, 0, {}};
  EXPECT_NEAR(project(lens, {1, 0}).x, 100 * std::numbers::pi / 4, 1e-9) << "45 degrees";
  lens.k = {0.5};
  EXPECT_NEAR(project(lens, {0, 1}).y, 100 * std::numbers::pi / 4 * (1 + 0.5 * 0.6168502750680849),
              1e-9);
}

TEST(Lens, EndsWhereItsFormulaTurnsBack) {
  Lens lens{Lens::Model::kPinhole, 100, 100, 50, 50, {-0.3}};
  // r - 0.3 r^3 grows up to r = sqrt(1 / 0.9).
  EXPECT_NEAR(reach_of(lens, 4), std::sqrt(1 / 0.9), 4.0 / 4096);
  EXPECT_EQ(reach_of(lens, 0.5), 0.5);
  lens.k = {};
  EXPECT_EQ(reach_of(lens, 1000), 1000);
}

TEST(Lens, NumbersOfNoCameraAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const auto message = [](auto change) {
    Lens lens = pinhole();
    change(lens);
    return check_lens(lens).message();
  };
  EXPECT_EQ(message([](Lens&) {}), "");
  EXPECT_EQ(message([](Lens& l) { l.fx = 0; }), "fx is 0, and must be from 1 to 1e6 pixels");
  EXPECT_THAT(message([&](Lens& l) { l.fy = nan; }), HasSubstr("fy is nan, and must be from 1"));
  EXPECT_THAT(message([](Lens& l) { l.fy = -200; }), HasSubstr("fy is -200"));
  EXPECT_THAT(message([&](Lens& l) { l.cx = -inf; }), HasSubstr("cx is -inf"));
  EXPECT_THAT(message([](Lens& l) { l.cy = 1e9; }), HasSubstr("cy is 1e+09"));
  EXPECT_THAT(message([&](Lens& l) { l.k[4] = nan; }), HasSubstr("a number of the distortion is"));
  EXPECT_THAT(message([](Lens& l) { l.k[7] = 1e300; }), HasSubstr("a number of the distortion is"));
}

// -- pictures

using World = std::function<double(double x, double y)>;  // 0..255, smooth

double waves(double x, double y) { return 127.5 + 60 * std::sin(9 * x) + 60 * std::cos(8 * y + x); }

// What the lens makes of the world, as grey.
std::vector<uint8_t> taken(const Lens& lens, const World& world) {
  std::vector<uint8_t> pixels;
  for (int v = 0; v < kHeight; ++v) {
    for (int u = 0; u < kWidth; ++u) {
      const PlanePoint p = seen_at(lens, u, v);
      pixels.push_back(static_cast<uint8_t>(std::lround(world(p.x, p.y))));
    }
  }
  return pixels;
}

Picture grey(std::span<const uint8_t> pixels) {
  return *packed_picture(PixelFormat::kGrey, kWidth, kHeight, pixels);
}

TEST(Undistorter, ShowsWhatACameraWithoutDistortionWouldHaveTaken) {
  for (const Lens& lens : lenses()) {
    for (const double zoom : {1.0, 1.25}) {
      const std::vector<uint8_t> bent = taken(lens, waves);
      Undistorter undistorter({lens, kWidth, kHeight, zoom});
      std::vector<uint8_t> storage;
      const auto made = undistorter.undistort(grey(bent), storage);
      ASSERT_TRUE(made.ok()) << made.status().to_string();
      double worst = 0, sum = 0;
      int seen = 0;
      for (int v = 0; v < kHeight; ++v) {
        for (int u = 0; u < kWidth; ++u) {
          const double x = (u - lens.cx) / (lens.fx * zoom), y = (v - lens.cy) / (lens.fy * zoom);
          const PlanePoint from = as_documented(lens, x, y);
          const int got = made->planes[0][v * kWidth + u];
          const bool inside =
              from.x >= 0 && from.y >= 0 && from.x <= kWidth - 1 && from.y <= kHeight - 1;
          if (from.x < -0.51 || from.y < -0.51 || from.x > kWidth - 0.49 ||
              from.y > kHeight - 0.49) {
            EXPECT_EQ(got, 0) << "nobody saw it: " << u << ", " << v;
          }
          if (!inside) continue;
          ++seen;
          worst = std::max(worst, std::abs(got - waves(x, y)));
          sum += std::abs(got - waves(x, y));
        }
      }
      EXPECT_GT(seen, kWidth * kHeight / 3);
      EXPECT_LT(worst, 2.5) << "levels; half of one is the camera's rounding";
      EXPECT_LT(sum / seen, 0.5);
    }
  }
}

// How far, in pixels, the brightest places of rows are from a straight line through them.
double bow(const uint8_t* pixels) {
  std::vector<std::pair<double, double>> places;
  for (int v = 20; v < kHeight - 20; ++v) {
    const uint8_t* row = pixels + v * kWidth;
    double weight = 0, at = 0;
    for (int u = 0; u < kWidth; ++u) weight += row[u], at += static_cast<double>(row[u]) * u;
    places.emplace_back(v, at / weight);
  }
  double v = 0, u = 0, vv = 0, vu = 0;
  const auto n = static_cast<double>(places.size());
  for (const auto& [a, b] : places) v += a, u += b, vv += a * a, vu += a * b;
  const double slope = (n * vu - v * u) / (n * vv - v * v), begin = (u - slope * v) / n;
  double worst = 0;
  for (const auto& [a, b] : places) worst = std::max(worst, std::abs(b - begin - slope * a));
  return worst;
}

TEST(Undistorter, AStraightLineOfTheWorldBecomesStraight) {
  const World line = [](double x, double y) {
    const double distance = (x - 0.42 - 0.05 * y) / 0.02;
    return 250 * std::exp(-distance * distance);
  };
  for (const Lens& lens : {pinhole(), fisheye()}) {
    const std::vector<uint8_t> bent = taken(lens, line);
    Undistorter undistorter({lens, kWidth, kHeight, 1});
    std::vector<uint8_t> storage;
    const auto made = undistorter.undistort(grey(bent), storage);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    EXPECT_GT(bow(bent.data()), 2) << "pixels";
    EXPECT_LT(bow(made->planes[0]), 0.1);
  }
}

TEST(Undistorter, WithoutDistortionNothingChanges) {
  std::mt19937 random(3);
  const Lens none{Lens::Model::kPinhole, 100, 90, 31.3, 22.8, {}};
  for (int f = 0; f <= static_cast<int>(PixelFormat::kI420); ++f) {
    const auto format = static_cast<PixelFormat>(f);
    SCOPED_TRACE(pixel_format_name(format));
    std::vector<uint8_t> bytes(*packed_bytes(format, 64, 48));
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
    const bool fourth = format == PixelFormat::kRgbx || format == PixelFormat::kBgrx;
    for (size_t i = 3; fourth && i < bytes.size(); i += 4) bytes[i] = 0;  // without meaning
    auto picture = packed_picture(format, 64, 48, bytes);
    ASSERT_TRUE(picture.ok());
    picture->color = ColorSpace::kBt709;
    Undistorter undistorter({none, 0, 0, 1});
    std::vector<uint8_t> storage;
    const auto made = undistorter.undistort(*picture, storage);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    EXPECT_EQ(storage, bytes);
    EXPECT_EQ(made->color, ColorSpace::kBt709);
    // The same of a part, whose rows do not lie next to each other.
    const Picture part = crop(*picture, 8, 4, 32, 20);
    std::vector<uint8_t> of_part(*packed_bytes(format, 32, 20)), copied(of_part.size());
    ASSERT_TRUE(undistorter.undistort(part, of_part).ok());
    ASSERT_TRUE(copy_packed(part, copied).ok());
    EXPECT_EQ(of_part, copied);
  }
}

// Where bytes of one kind lie: of each pixel, or of groups of pixels.
struct Grid {
  size_t begin, row, step;
  int across, down;  // pixels of a group

  double u(int x) const { return across * x + (across - 1) / 2.0; }  // of its middle
  double v(int y) const { return down * y + (down - 1) / 2.0; }
  size_t at(int x, int y) const {
    return begin + static_cast<size_t>(y) * row + static_cast<size_t>(x) * step;
  }
};
std::vector<Grid> grids_of(PixelFormat format) {
  constexpr size_t w = kWidth, all = size_t{kWidth} * kHeight;
  switch (format) {
    case PixelFormat::kYuyv:
      return {{0, 2 * w, 2, 1, 1}, {1, 2 * w, 4, 2, 1}, {3, 2 * w, 4, 2, 1}};
    case PixelFormat::kUyvy:
      return {{1, 2 * w, 2, 1, 1}, {0, 2 * w, 4, 2, 1}, {2, 2 * w, 4, 2, 1}};
    case PixelFormat::kNv12:
    case PixelFormat::kNv21:
      return {{0, w, 1, 1, 1}, {all, w, 2, 2, 2}, {all + 1, w, 2, 2, 2}};
    case PixelFormat::kI420:
      return {{0, w, 1, 1, 1}, {all, w / 2, 1, 2, 2}, {all + all / 4, w / 2, 1, 2, 2}};
    case PixelFormat::kGrey:
      return {{0, w, 1, 1, 1}};
    case PixelFormat::kRgbx:
    case PixelFormat::kBgrx:
      return {{0, 4 * w, 4, 1, 1}, {1, 4 * w, 4, 1, 1}, {2, 4 * w, 4, 1, 1}};
    default:
      return {{0, 3 * w, 3, 1, 1}, {1, 3 * w, 3, 1, 1}, {2, 3 * w, 3, 1, 1}};
  }
}

TEST(Undistorter, EveryFormatIsStraightenedInItsOwnGrid) {
  const Lens lens = pinhole();
  std::map<std::pair<int, int>, std::vector<uint8_t>> seen;  // by pixels of a group
  for (int f = 0; f <= static_cast<int>(PixelFormat::kI420); ++f) {
    const auto format = static_cast<PixelFormat>(f);
    SCOPED_TRACE(pixel_format_name(format));
    std::vector<uint8_t> bytes(*packed_bytes(format, kWidth, kHeight)), storage;
    for (const Grid& grid : grids_of(format)) {
      std::vector<uint8_t>& values = seen[{grid.across, grid.down}];
      const bool known = !values.empty();
      for (int y = 0, i = 0; y < kHeight / grid.down; ++y) {
        for (int x = 0; x < kWidth / grid.across; ++x, ++i) {
          if (!known) {
            const PlanePoint p = seen_at(lens, grid.u(x), grid.v(y));
            values.push_back(static_cast<uint8_t>(std::lround(waves(p.x, p.y))));
          }
          bytes[grid.at(x, y)] = values[static_cast<size_t>(i)];
        }
      }
    }
    const auto made = Undistorter({lens, 0, 0, 1})
                          .undistort(*packed_picture(format, kWidth, kHeight, bytes), storage);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    for (const Grid& grid : grids_of(format)) {
      double worst = 0;
      for (int y = 30 / grid.down; y < (kHeight - 30) / grid.down; ++y) {
        for (int x = 30 / grid.across; x < (kWidth - 30) / grid.across; ++x) {
          const double expected =
              waves((grid.u(x) - lens.cx) / lens.fx, (grid.v(y) - lens.cy) / lens.fy);
          worst = std::max(worst, std::abs(storage[grid.at(x, y)] - expected));
        }
      }
      EXPECT_LT(worst, grid.across == 1 ? 2.5 : 4) << "levels";
    }
  }
}

TEST(Undistorter, NobodySawTheCorners) {
  // A fisheye's picture with a wide view: zoomed out, much of the rectangle was never seen.
  std::vector<uint8_t> white(*packed_bytes(PixelFormat::kNv12, 64, 48), 255);
  Picture picture = *packed_picture(PixelFormat::kNv12, 64, 48, white);
  Undistorter undistorter({{Lens::Model::kPinhole, 60, 60, 31.5, 23.5, {0.4}}, 0, 0, 0.5});
  std::vector<uint8_t> storage;
  ASSERT_TRUE(undistorter.undistort(picture, storage).ok());
  EXPECT_EQ(storage[0], 16) << "black of a limited range";
  EXPECT_EQ(storage[64 * 48], 128);
  EXPECT_EQ(storage[24 * 64 + 32], 255);
  picture.color = ColorSpace::kBt709Full;
  ASSERT_TRUE(undistorter.undistort(picture, storage).ok());
  EXPECT_EQ(storage[0], 0);
}

TEST(Undistorter, FollowsTheSizeOfPictures) {
  const Lens lens = pinhole();
  Undistorter undistorter({lens, kWidth, kHeight, 1});
  std::vector<uint8_t> half(size_t{kWidth / 2} * (kHeight / 2)), storage;
  // The centre of a pixel of the half picture is between two of the whole one.
  for (int v = 0; v < kHeight / 2; ++v) {
    for (int u = 0; u < kWidth / 2; ++u) {
      const PlanePoint p = seen_at(lens, 2 * u + 0.5, 2 * v + 0.5);
      half[static_cast<size_t>(v * (kWidth / 2) + u)] =
          static_cast<uint8_t>(std::lround(waves(p.x, p.y)));
    }
  }
  const auto made = undistorter.undistort(
      *packed_picture(PixelFormat::kGrey, kWidth / 2, kHeight / 2, half), storage);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  for (int v = 20; v < kHeight / 2 - 20; ++v) {
    for (int u = 20; u < kWidth / 2 - 20; ++u) {
      const double x = (2 * u + 0.5 - lens.cx) / lens.fx, y = (2 * v + 0.5 - lens.cy) / lens.fy;
      ASSERT_NEAR(made->planes[0][v * (kWidth / 2) + u], waves(x, y), 5);
    }
  }
}

TEST(Undistorter, SaysWhatDoesNotFit) {
  const auto message = [](const Undistorter::Options& options, int width, int height) {
    std::vector<uint8_t> bytes(static_cast<size_t>(width) * static_cast<size_t>(height)), storage;
    return Undistorter(options)
        .undistort(*packed_picture(PixelFormat::kGrey, width, height, bytes), storage)
        .status()
        .message();
  };
  EXPECT_EQ(message({pinhole(), 1280, 720, 1}, 640, 480),
            "the calibration is of pictures of 1280x720 pixels, and one of 640x480 has another "
            "aspect ratio");
  EXPECT_EQ(message({pinhole(), 0, 0, 1}, 5000, 4000),
            "a picture of 5000x4000 pixels cannot be undistorted: it has at least 4x4 and at most "
            "16777216 pixels");
  EXPECT_THAT(message({pinhole(), 0, 0, 1}, 3, 40), HasSubstr("at least 4x4"));
  Lens elsewhere = pinhole();
  elsewhere.k = {};
  elsewhere.k[0] = -1e4;
  elsewhere.cx = 1e6;
  EXPECT_THAT(message({elsewhere, 0, 0, 1}, 64, 48), HasSubstr("the camera saw nothing of what"));
}

TEST(Undistorter, AnyNumbersEndWell) {
  std::mt19937 random(9);
  std::vector<uint8_t> bytes(*packed_bytes(PixelFormat::kNv12, 32, 24), 99), storage;
  const Picture picture = *packed_picture(PixelFormat::kNv12, 32, 24, bytes);
  int shown = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto any = [&](double most) {
      const double sign = random() % 2 == 0 ? 1 : -1;
      return sign * most * std::pow(10.0, -static_cast<double>(random() % 12));
    };
    Lens lens{i % 2 == 0 ? Lens::Model::kPinhole : Lens::Model::kFisheye,
              std::max(std::abs(any(1e6)), 1.0),
              std::max(std::abs(any(1e6)), 1.0),
              any(1e6),
              any(1e6),
              {}};
    for (double& k : lens.k) k = any(1e4);
    ASSERT_TRUE(check_lens(lens).ok());
    shown += Undistorter({lens, 0, 0, 1}).undistort(picture, storage).ok() ? 1 : 0;
  }
  EXPECT_GT(shown, 100);
  EXPECT_LT(shown, 2900);
}

}  // namespace
}  // namespace inferd::media
