// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/calibration.h"

#include <cmath>

#include "daemon/config/yaml.h"

namespace inferd::config {
namespace {

constexpr size_t kMostNumbers = 32;
constexpr int kMostPixels = 65536;

// `key: {rows, cols, data: [...]}`, or the list alone.
std::vector<double> read_numbers(MapReader& r, const std::string& key) {
  YAML::Node list = r.child(key);
  if (!list.IsDefined()) {
    r.error(r.node(), "a calibration has a '" + key + "'");
    return {};
  }
  if (list.IsMap()) list = MapReader(list, r.file(), r.errors()).child("data");
  std::vector<double> numbers;
  if (!list.IsDefined() || !list.IsSequence() || list.size() > kMostNumbers) {
    r.error(r.child(key), "'" + key + "' must have a list of numbers as its 'data', at most " +
                              std::to_string(kMostNumbers));
    return {};
  }
  for (const auto& item : list) {
    double number = 0;
    if (!item.IsScalar() || !YAML::convert<double>::decode(item, number) ||
        !std::isfinite(number)) {
      r.error(item, "'" + key + "' must consist of finite numbers");
      return {};
    }
    numbers.push_back(number);
  }
  return numbers;
}

// ROS says it by name, OpenCV's sample by a number, which is missing where it is 0.
std::string read_model(MapReader& r) {
  std::string ros, opencv;
  r.read("distortion_model", ros);
  r.read("fisheye_model", opencv);
  if (ros == "plumb_bob" || ros == "rational_polynomial") return "pinhole";
  if (ros == "equidistant" || ros == "fisheye") return "fisheye";
  if (!ros.empty()) {
    r.error(r.child("distortion_model"),
            "the distortion model '" + ros +
                "' is not known; known: plumb_bob, rational_polynomial, equidistant, fisheye");
  }
  if (opencv.empty()) return "";
  return opencv == "0" || opencv == "false" ? "pinhole" : "fisheye";
}

}  // namespace

Result<Calibration> load_calibration(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const YAML::Node root, parse_file(path));
  Errors errors;
  MapReader r(root, path, errors);
  Calibration calibration;
  r.read("image_width", calibration.width, 1, kMostPixels);
  r.read("image_height", calibration.height, 1, kMostPixels);
  calibration.model = read_model(r);
  calibration.camera_matrix = read_numbers(r, "camera_matrix");
  calibration.distortion = read_numbers(r, "distortion_coefficients");
  // The rest (names, times, rectification, projection) is of other uses.
  INFERD_RETURN_IF_ERROR(errors.status());
  return calibration;
}

}  // namespace inferd::config
