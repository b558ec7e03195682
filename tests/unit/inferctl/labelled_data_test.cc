// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/labelled_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "clients/inferctl/score.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LabelledDataTest : public ::testing::Test {
 protected:
  void write(const std::string& name, std::string_view content) const {
    fs::create_directories(fs::path(folder_.file(name)).parent_path());
    std::ofstream(folder_.file(name), std::ios::binary) << content;
  }
  Result<LabelledData> open(Truth kind, size_t limit = 0) const {
    return LabelledData::open(kind, {folder_.path(), "", {}, limit});
  }
  std::string name(const LabelledSample& sample) const {
    return fs::path(sample.path).lexically_relative(folder_.path()).string();
  }

  const TemporaryFolder folder_;
};

TEST_F(LabelledDataTest, ListedFilesThatAreNotThereAreCounted) {
  write("y_labels.csv", "a.bin,2,1\nb.bin,2,0\n" + std::string(5000, 'x') + ",2,0\n");
  write("b.bin", "x");
  const auto data = open(Truth::kClasses);
  ASSERT_TRUE(data.ok()) << data.status().to_string();
  EXPECT_EQ(data->missing(), 2U);  // one of them could not even exist
  ASSERT_EQ(data->samples().size(), 1U);
  EXPECT_EQ(name(data->samples()[0]), "b.bin");
  EXPECT_EQ(data->samples()[0].class_id, 0U);
}

TEST_F(LabelledDataTest, AFolderForEachClassByOrderOrByName) {
  write("cat/1.png", "");
  EXPECT_THAT(open(Truth::kClasses).status().message(), HasSubstr("a folder for each class"));
  write("dog/2.png", "");
  const auto by_order = open(Truth::kClasses);
  ASSERT_TRUE(by_order.ok());
  EXPECT_EQ(by_order->samples()[1].class_id, 1U);
  const DataOptions named{folder_.path(), "", {"background", "dog", "cat"}, 0};
  const auto by_name = LabelledData::open(Truth::kClasses, named);
  ASSERT_TRUE(by_name.ok());
  EXPECT_EQ(by_name->samples()[0].class_id, 2U);
  const DataOptions other{folder_.path(), "", {"bird"}, 0};
  EXPECT_THAT(LabelledData::open(Truth::kClasses, other).status().message(),
              HasSubstr("none of the classes' names"));
}

TEST_F(LabelledDataTest, BoxesBesideOrApartFromPictures) {
  write("images/a.jpg", "");
  write("images/b.jpg", "");
  EXPECT_THAT(open(Truth::kBoxes).status().message(), HasSubstr("--truth FOLDER"));
  write("labels/b.txt", "1 0.5 0.5 1 1\n2 0.5 0.5 1 1\n");
  const auto data = open(Truth::kBoxes);
  ASSERT_TRUE(data.ok()) << data.status().to_string();
  EXPECT_TRUE(data->samples()[0].boxes.empty());
  EXPECT_EQ(data->samples()[1].boxes.size(), 2U);
  write("labels/a.txt", "1 0.5\n");
  EXPECT_THAT(open(Truth::kBoxes).status().message(), HasSubstr("a.txt:1:"));
}

TEST_F(LabelledDataTest, ALimitTakesSamplesEvenly) {
  for (const char* file : {"a.npy", "b.npy", "c.npy", "d.npy"}) write(file, "");
  const auto data = open(Truth::kNone, 2);
  ASSERT_TRUE(data.ok());
  ASSERT_EQ(data->samples().size(), 2U);
  EXPECT_EQ(name(data->samples()[0]), "a.npy");
  EXPECT_EQ(name(data->samples()[1]), "c.npy");
}

TEST_F(LabelledDataTest, NothingToEvaluateIsAnError) {
  EXPECT_THAT(open(Truth::kClasses).status().message(), HasSubstr("--truth"));
  EXPECT_THAT(open(Truth::kNone).status().message(), HasSubstr("holds no pictures"));
  write("labels.csv", "a.bin,0\n");
  EXPECT_THAT(open(Truth::kClasses).status().message(), HasSubstr("none of the 1 files"));
  EXPECT_FALSE(LabelledData::open(Truth::kNone, {folder_.file("no"), "", {}, 0}).ok());
}

TEST_F(LabelledDataTest, RawFilesArePicturesOrBytes) {
  write("a.bin", std::string("\1\2\3\4\5\6", 6));
  const LabelledSample sample{folder_.file("a.bin"), 0, 0, 0, {}};
  const TensorInfo picture{"x", DType::kInt8, {1, 1, 2, 3}, {}};
  const auto pixels = read_sample(sample, picture, "");
  ASSERT_TRUE(pixels.ok()) << pixels.status().to_string();
  EXPECT_EQ((*pixels)[0].tensor.view().as<int8_t>()[5], 6 - 128);
  const TensorInfo features{"x", DType::kInt8, {kDynamicDim, 3, 2}, {}};
  const auto bytes = read_sample(sample, features, "");
  ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
  EXPECT_EQ((*bytes)[0].tensor.view().as<int8_t>()[5], 6);
  const TensorInfo floats{"x", DType::kFloat32, {1, 3, 2}, {}};
  EXPECT_THAT(read_sample(sample, floats, "").status().message(), HasSubstr("has 6 bytes"));
}

TEST_F(LabelledDataTest, WindowsMustHoldNumbersAndFit) {
  write("a.bin", std::string(24, '\0'));
  const TensorInfo input{"x", DType::kFloat32, {1, 4}, {}};
  const auto windows = [&](size_t window, size_t stride) {
    return read_sample({folder_.file("a.bin"), 0, window, stride, {}}, input, "");
  };
  const auto runs = windows(16, 4);
  ASSERT_TRUE(runs.ok()) << runs.status().to_string();
  EXPECT_EQ(runs->size(), 3U);
  EXPECT_FALSE(windows(32, 4).ok());
  EXPECT_FALSE(windows(16, 3).ok());
  EXPECT_FALSE(windows(8, 4).ok());  // not what the input takes
}

TEST(Score, AnomalyIsTheMeanErrorOverWindows) {
  const TensorInfo info{"x", DType::kFloat32, {1, 2}, {}};
  const auto task = find_task("anomaly");
  ASSERT_TRUE(task.ok());
  const auto score = make_score(*task, info, {&info, 1}, {});
  ASSERT_TRUE(score.ok());
  const LabelledSample normal{"n", 0, 8, 8, {}};
  const LabelledSample anomalous{"a", 1, 8, 8, {}};
  const std::vector<float> seen = {1, 2};
  const SampleInput input{{}, seen, {}};
  const auto add = [&](const LabelledSample& sample, std::vector<float> output) {
    const TensorView view{DType::kFloat32, {1, 2}, std::as_bytes(std::span(output))};
    return (*score)->add(sample, input, {&view, 1});
  };
  // One window is further off than any of the anomaly's, but not all together.
  ASSERT_TRUE(add(normal, {4, 2}).ok());
  ASSERT_TRUE(add(normal, {1, 2}).ok());
  ASSERT_TRUE(add(anomalous, {3.5F, 2}).ok());
  ASSERT_TRUE(add(anomalous, {3.5F, 2}).ok());
  EXPECT_DOUBLE_EQ((*score)->figures()[0].value, 1);
}

TEST(Score, ALabelBeyondTheModelsClassesIsAnError) {
  const TensorInfo info{"x", DType::kFloat32, {1, 2}, {}};
  const auto score = make_score(*find_task("classify"), info, {&info, 1}, {});
  ASSERT_TRUE(score.ok());
  const std::vector<float> output = {0, 1};
  const TensorView view{DType::kFloat32, {1, 2}, std::as_bytes(std::span(output))};
  EXPECT_THAT((*score)->add({"a", 2, 0, 0, {}}, {}, {&view, 1}).message(),
              HasSubstr("class 2, the model has 2"));
}

TEST(FindTask, ListsWhatThereIs) {
  EXPECT_THAT(find_task("detekt").status().message(), HasSubstr("detect, detections, ssd"));
}

}  // namespace
}  // namespace inferd::ctl
