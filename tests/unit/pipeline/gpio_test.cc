// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a line, on a board that does what a script says; and what the real one says where
// there is none.
#include "daemon/pipeline/sinks/gpio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

struct Board {
  std::atomic<bool> broken{false}, taken{false}, on{false};
  std::atomic<int> opened{0}, switched_on{0};
};

class ScriptedLine final : public OutputLine {
 public:
  explicit ScriptedLine(Board& board) : board_(board) {}
  ~ScriptedLine() override { board_.taken = board_.on = false; }
  Status open() override {
    if (board_.broken) return unavailable("cannot open chip 'gpiochip7'");
    board_.taken = true;
    board_.on = false;
    ++board_.opened;
    return ok_status();
  }
  Status set(bool on) override {
    if (board_.broken) return unavailable("cannot set line '4'");
    if (on && !board_.on) ++board_.switched_on;
    board_.on = on;
    return ok_status();
  }

 private:
  Board& board_;
};

class Gpio : public ::testing::Test {
 protected:
  std::unique_ptr<Sink> make(int64_t hold_ms) {
    return make_switch_sink({{"cat"}, 0.5F}, hold_ms * 1'000'000,
                            std::make_unique<ScriptedLine>(board_));
  }
  Status see(Sink& sink, const std::vector<std::string>& labels, float score = 0.9F) {
    FrameResult result = result_with(1, labels);
    for (Detection& d : result.detections) d.score = score;
    return sink.write(*frame_, result);
  }
  static bool becomes(const Sink& sink, const std::string& state) {
    return becomes_true([&] { return sink.status().state == state; });
  }

  Board board_;
  const std::unique_ptr<Frame> frame_ = grey_frame(8, 8);
};

constexpr int64_t kLong = 3'600'000;

TEST_F(Gpio, IsOnFromWhenSomethingIsSeen) {
  const auto sink = make(kLong);
  EXPECT_TRUE(becomes(*sink, "off"));
  EXPECT_TRUE(board_.taken) << "from the start on, so that its level is known";
  EXPECT_TRUE(see(*sink, {"dog"}).ok());
  EXPECT_TRUE(see(*sink, {"cat"}, 0.4F).ok());
  EXPECT_TRUE(see(*sink, {}).ok());
  EXPECT_EQ(sink->status().state, "off");
  EXPECT_TRUE(see(*sink, {"dog", "cat"}).ok());
  EXPECT_TRUE(becomes(*sink, "on"));
  EXPECT_TRUE(board_.on);
  EXPECT_EQ(board_.opened, 1);
}

TEST_F(Gpio, GoesOffByItselfAlsoWhenNoFrameComes) {
  const auto sink = make(1);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(becomes(*sink, "off"));
    EXPECT_TRUE(see(*sink, {"cat"}).ok());
    if (board_.switched_on < i) {
      EXPECT_TRUE(becomes_true([&] {
        if (board_.switched_on < i) (void)see(*sink, {"cat"});  // it was over before it was noticed
        return board_.switched_on >= i;
      }));
    }
  }
  EXPECT_TRUE(becomes(*sink, "off"));
  EXPECT_FALSE(board_.on);
}

TEST_F(Gpio, IsOffAndReleasedAtTheEnd) {
  {
    const auto sink = make(kLong);
    EXPECT_TRUE(see(*sink, {"cat"}).ok());
    EXPECT_TRUE(becomes(*sink, "on"));
  }
  EXPECT_FALSE(board_.on);
  EXPECT_FALSE(board_.taken);
}

TEST_F(Gpio, ABoardThatIsNotThereIsTriedAgain) {
  board_.broken = true;
  const auto sink = make(kLong);
  EXPECT_TRUE(becomes_true([&] { return !sink->status().last_error.empty(); }));
  EXPECT_EQ(sink->status().state, "waiting for the line");
  EXPECT_EQ(see(*sink, {"cat"}).message(), "cannot open chip 'gpiochip7'");
  EXPECT_TRUE(see(*sink, {"cat"}).ok()) << "told once";
  board_.broken = false;
  EXPECT_TRUE(becomes(*sink, "on")) << "what was seen meanwhile counts";
}

TEST_F(Gpio, TheRealBoardSaysWhatIsMissing) {
  auto sink = make_sink(node("gpio", {{"chip", "no-such-chip"}, {"line", "4"}}));
  if (!sink.ok()) GTEST_SKIP() << sink.status().message();  // without libgpiod
  EXPECT_TRUE(becomes_true([&] { return !(*sink)->status().last_error.empty(); }));
  EXPECT_EQ((*sink)->status().last_error,
            "cannot open chip 'no-such-chip': No such file or directory");
  EXPECT_THAT(make_sink(node("gpio")).status().message(), HasSubstr("line"));
  EXPECT_THAT(make_sink(node("gpio", {{"line", "4"}, {"hold_ms", "0"}})).status().message(),
              HasSubstr("p.yaml:4:7: "));
}

}  // namespace
}  // namespace inferd::pipeline
