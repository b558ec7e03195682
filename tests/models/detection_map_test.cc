// SPDX-License-Identifier: Apache-2.0
//
// Mean average precision of the uint8 COCO detector on labelled photos: the engine's and the
// official runtime's on the very same input tensors must agree within 0.005. What the official
// runtime gives is recorded on first use.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "media/preprocess.h"
#include "tests/models/compare.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "coco_ssd_mobilenet_v1_1.0_quant";
constexpr float kIou = 0.5F;

struct Rect {
  float x_min, y_min, x_max, y_max;
  float area() const { return std::max(x_max - x_min, 0.F) * std::max(y_max - y_min, 0.F); }
};

float overlap(const Rect& a, const Rect& b) {
  const Rect both{std::max(a.x_min, b.x_min), std::max(a.y_min, b.y_min),
                  std::min(a.x_max, b.x_max), std::min(a.y_max, b.y_max)};
  const float shared = both.area();
  return shared / std::max(a.area() + b.area() - shared, 1e-9F);
}

struct Found {
  size_t photo;
  int class_id;  // of COCO's 80
  float score;
  Rect box;
};
struct Truth {
  int class_id;
  Rect box;
};

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<Truth> read_truth(const fs::path& path) {
  std::vector<Truth> truth;
  std::ifstream file(path);
  int id = 0;
  float cx = 0;
  float cy = 0;
  float w = 0;
  float h = 0;
  while (file >> id >> cx >> cy >> w >> h) {
    truth.push_back({id, {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2}});
  }
  return truth;
}

// Precision at 101 recalls, averaged (as COCO does), for one class.
double average_precision(std::vector<Found> found, const std::vector<std::vector<Truth>>& truth,
                         int class_id) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.score > b.score; });
  size_t total = 0;
  std::vector<std::vector<bool>> taken;
  for (const auto& photo : truth) {
    taken.emplace_back(photo.size(), false);
    total += static_cast<size_t>(std::count_if(
        photo.begin(), photo.end(), [&](const Truth& t) { return t.class_id == class_id; }));
  }
  std::vector<double> precision;
  std::vector<double> recall;
  double right = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& photo = truth[found[i].photo];
    size_t best = photo.size();
    float best_overlap = kIou;
    for (size_t t = 0; t < photo.size(); ++t) {
      const float o = overlap(found[i].box, photo[t].box);
      if (photo[t].class_id == class_id && !taken[found[i].photo][t] && o >= best_overlap) {
        best = t;
        best_overlap = o;
      }
    }
    if (best < photo.size()) {
      taken[found[i].photo][best] = true;
      ++right;
    }
    precision.push_back(right / static_cast<double>(i + 1));
    recall.push_back(right / static_cast<double>(total));
  }
  double sum = 0;
  for (int r = 0; r <= 100; ++r) {
    double best = 0;
    for (size_t i = 0; i < recall.size(); ++i) {
      if (recall[i] >= r / 100.0) best = std::max(best, precision[i]);
    }
    sum += best;
  }
  return sum / 101;
}

// Over the classes that occur.
double mean_average_precision(const std::vector<Found>& found,
                              const std::vector<std::vector<Truth>>& truth) {
  std::map<int, std::vector<Found>> by_class;
  for (const auto& photo : truth) {
    for (const Truth& t : photo) by_class[t.class_id];
  }
  for (const Found& f : found) {
    if (const auto it = by_class.find(f.class_id); it != by_class.end()) it->second.push_back(f);
  }
  double sum = 0;
  for (const auto& [class_id, list] : by_class) sum += average_precision(list, truth, class_id);
  return sum / static_cast<double>(by_class.size());
}

// The model's class numbers to COCO's 80, by name.
std::vector<int> class_map(const fs::path& labels) {
  const auto ours = lines_of(labels / "coco_ssd_mobilenet_labels.txt");
  const auto coco = lines_of(labels / "coco80.names");
  std::vector<int> map;
  for (const std::string& name : ours) {
    const auto at = std::find(coco.begin(), coco.end(), name);
    map.push_back(at == coco.end() ? -1 : static_cast<int>(at - coco.begin()));
  }
  return map;
}

// Outputs: boxes (y, x, y, x), classes, scores, count. Class 0 is the first after the background
// line.
void collect(const std::vector<media::Array>& outputs, size_t photo,
             const std::vector<int>& classes, std::vector<Found>& found) {
  const auto floats = [&](size_t i) { return outputs[i].view().as<float>(); };
  const auto count = static_cast<size_t>(floats(3)[0]);
  for (size_t i = 0; i < count; ++i) {
    const auto line = static_cast<size_t>(floats(1)[i]) + 1;
    const auto box = floats(0).subspan(i * 4, 4);
    found.push_back({photo,
                     line < classes.size() ? classes[line] : -1,
                     floats(2)[i],
                     {box[1], box[0], box[3], box[2]}});
  }
}

TEST(DetectionMap, CocoSsdIsAsPreciseAsInTheOfficialRuntime) {
  const fs::path models(INFERD_TEST_MODELS);
  const fs::path cache(INFERD_TEST_CACHE);
  const fs::path model = models / "tflite" / (std::string(kModel) + ".tflite");
  const fs::path package = cache / "node_modules/@tensorflow/tfjs-tflite";
  if (!fs::exists(model) || !fs::exists(package)) {
    GTEST_SKIP() << "SKIPPED: needs " << model << " and " << package;
  }
  const fs::path recorded = cache / "detection-map";
  fs::create_directories(recorded);
  std::vector<fs::path> photos;
  for (const auto& entry : fs::directory_iterator(models / "data/coco/images"))
    photos.push_back(entry.path());
  std::sort(photos.begin(), photos.end());
  ASSERT_FALSE(photos.empty());

  const TensorInfo input{"image", DType::kUInt8, {1, 300, 300, 3}, {}};
  std::vector<media::Array> tensors;
  std::string command = "node '" INFERD_SOURCE_DIR "/tests/models/record_tflite_reference.mjs' '" +
                        package.string() + "' '" + model.string() + "' --";
  for (const fs::path& photo : photos) {
    const auto image = media::read_image(photo.string());
    ASSERT_TRUE(image.ok()) << image.status().to_string();
    media::Array tensor{input.dtype, input.shape, std::vector<std::byte>(300 * 300 * 3)};
    ASSERT_TRUE(media::fill_tensor(*image, {}, input, tensor.data).ok());
    const std::string stem = (recorded / photo.stem()).string();
    ASSERT_TRUE(media::write_npy(stem + ".npy", tensor.view()).ok());
    command += " '" + stem + "' '" + stem + ".npy'";
    tensors.push_back(std::move(tensor));
  }
  ASSERT_EQ(std::system((command + " 2>/dev/null").c_str()), 0);

  const auto engine = Engine::create({});
  ASSERT_TRUE(engine.ok());
  const auto loaded = (*engine)->load(model.string());
  ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
  const auto context = (*loaded)->create_context();
  ASSERT_TRUE(context.ok());
  const std::vector<int> classes = class_map(models / "labels");
  std::vector<std::vector<Truth>> truth;
  std::vector<Found> ours;
  std::vector<Found> theirs;
  for (size_t p = 0; p < photos.size(); ++p) {
    truth.push_back(
        read_truth(models / "data/coco/labels" / photos[p].stem().replace_extension(".txt")));
    const TensorView view = tensors[p].view();
    const auto outputs = (*context)->run({&view, 1});
    ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
    std::vector<media::Array> copies;
    std::vector<media::Array> reference;
    for (size_t i = 0; i < outputs->size(); ++i) {
      const TensorView& o = (*outputs)[i];
      copies.push_back({o.dtype, o.shape, {o.data.begin(), o.data.end()}});
      auto array = media::read_npy(
          (recorded / photos[p].stem() / ("output_" + std::to_string(i) + ".npy")).string());
      ASSERT_TRUE(array.ok()) << array.status().to_string();
      reference.push_back(std::move(*array));
    }
    collect(copies, p, classes, ours);
    collect(reference, p, classes, theirs);
  }
  const double own = mean_average_precision(ours, truth);
  const double official = mean_average_precision(theirs, truth);
  std::cout << "  mAP@.5 over " << photos.size() << " photos: " << own << ", official runtime "
            << official << "\n";
  EXPECT_GT(official, 0.2) << "the measure itself is broken";
  EXPECT_NEAR(own, official, 0.005);
}

}  // namespace
}  // namespace inferd
