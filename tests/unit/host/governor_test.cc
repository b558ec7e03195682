// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/governor/governor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace inferd::host {
namespace {

using config::GovernorConfig;
using config::GovernorStep;
using config::GovernorThreshold;
using Level = Signal::Level;
using Move = Decision::Move;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

ThermalZone zone(const std::string& type, double celsius, std::optional<double> passive = {},
                 std::optional<double> critical = {}) {
  return {"thermal_zone0", type, celsius, passive, {}, critical};
}

Machine machine_at(double celsius) {
  Machine machine;
  machine.zones = {zone("cpu-thermal", celsius, 80)};
  return machine;
}

std::vector<Level> levels(const Machine& machine, const GovernorConfig& config) {
  std::vector<Level> levels;
  for (const Signal& signal : judge(machine, config)) levels.push_back(signal.level);
  return levels;
}

// ---- What readings mean ----

TEST(Signals, ATemperatureIsSeenAgainstTheZonesOwnTripPoint) {
  const GovernorConfig config;
  const std::vector<std::pair<double, Level>> cases = {
      {20, Level::kLow},       {68, Level::kLow},  {68.1, Level::kBetween},
      {74.9, Level::kBetween}, {75, Level::kHigh}, {95, Level::kHigh}};
  for (const auto& [celsius, level] : cases)
    EXPECT_THAT(levels(machine_at(celsius), config), ElementsAre(level)) << celsius;
  EXPECT_EQ(judge(machine_at(82), config)[0].says,
            "zone cpu-thermal is at 82.0 C (75.0 C or more calls for less)");
}

TEST(Signals, AZoneWithoutATripPointIsSeenAgainstWhatSwitchesOffOrNotAtAll) {
  const GovernorConfig config;
  Machine machine;
  machine.zones = {zone("cpu-thermal", 79.9, {}, 110)};
  EXPECT_THAT(levels(machine, config), ElementsAre(Level::kBetween));
  machine.zones = {zone("cpu-thermal", 80, {}, 110)};
  EXPECT_THAT(levels(machine, config), ElementsAre(Level::kHigh));
  machine.zones = {zone("wifi", 80)};
  EXPECT_THAT(levels(machine, config), IsEmpty());
}

TEST(Signals, DegreesOfTheConfigurationHoldForAllZonesOrForThoseItNames) {
  GovernorConfig config;
  config.temperature = GovernorThreshold{60, 50};
  Machine machine;
  machine.zones = {zone("gpu", 65, 90), zone("cpu", 40)};
  EXPECT_THAT(levels(machine, config), ElementsAre(Level::kHigh, Level::kLow));
  config.zones = {"cpu"};
  EXPECT_THAT(levels(machine, config), ElementsAre(Level::kLow));
}

TEST(Signals, WhatIsNotConfiguredOrNotKnownIsNoSignal) {
  GovernorConfig config;
  Machine machine;
  machine.pressure = {99, 99, 99};
  machine.power = {1, true, false};
  machine.memory = {0, "the machine", 0, 100};
  EXPECT_THAT(levels(machine, config), IsEmpty());
  config.cpu_pressure = config.memory_pressure = config.memory = GovernorThreshold{50, 30};
  config.battery = GovernorThreshold{20, 30};
  EXPECT_THAT(levels(machine, config),
              ElementsAre(Level::kHigh, Level::kHigh, Level::kHigh, Level::kHigh));
  EXPECT_THAT(levels(Machine(), config), IsEmpty());
}

TEST(Signals, TheBatteryCountsWhileItIsDischarged) {
  GovernorConfig config;
  config.battery = GovernorThreshold{20, 30};
  Machine machine;
  const auto at = [&](double charge, bool discharging) {
    machine.power = {charge, discharging, {}};
    return judge(machine, config)[0].level;
  };
  EXPECT_EQ(at(20, true), Level::kHigh);
  EXPECT_EQ(at(21, true), Level::kBetween);
  EXPECT_EQ(at(30, true), Level::kLow);
  EXPECT_EQ(at(5, false), Level::kLow) << "it is charged";
}

TEST(Signals, TheFirmwaresThrottlingCallsForLess) {
  GovernorConfig config;
  Machine machine;
  machine.throttling = Throttling{};
  EXPECT_THAT(levels(machine, config), ElementsAre(Level::kLow));
  machine.throttling->soft_limit = true;
  EXPECT_THAT(levels(machine, config), ElementsAre(Level::kHigh));
  EXPECT_EQ(judge(machine, config)[0].says, "the firmware says soft temperature limit");
  config.throttled = false;
  EXPECT_THAT(levels(machine, config), IsEmpty());
}

// ---- When steps are taken ----

GovernorConfig three_steps() {
  GovernorConfig config;
  config.every_s = 1;
  config.hold_s = 10;
  config.release_s = 30;
  config.steps.resize(3);
  config.steps[0].pipeline = "street";
  config.steps[0].max_fps = 5;
  config.steps[1].threads = 2;
  config.steps[2].shed = 3;
  return config;
}

// A decider that is told of one second after the other.
class Life {
 public:
  explicit Life(const GovernorConfig& config = three_steps()) : config_(config), decider_(config) {}

  // What happened in so many seconds, one letter for each move: u, d.
  std::string live(const Machine& machine, int seconds) {
    std::string moves;
    for (int i = 0; i < seconds; ++i) moves += step(machine);
    return moves;
  }
  std::string step(const Machine& machine) {
    last_ = decider_.next(judge(machine, config_), now_ += kSecond);
    return last_.move == Move::kUp ? "u" : last_.move == Move::kDown ? "d" : "";
  }
  size_t level() const { return decider_.level(); }
  const Decision& last() const { return last_; }
  Decider& decider() { return decider_; }

 private:
  const GovernorConfig config_;
  Decider decider_;
  Decision last_;
  int64_t now_ = 0;
};

TEST(Decider, ASignalThatLastsTakesOneStepInEachHold) {
  Life life;
  EXPECT_EQ(life.live(machine_at(80), 10), "") << "it has lasted 9 s";
  EXPECT_EQ(life.live(machine_at(80), 1), "u");
  EXPECT_EQ(life.last().step, 0U);
  EXPECT_THAT(life.last().reason, HasSubstr("zone cpu-thermal is at 80.0 C"));
  EXPECT_EQ(life.live(machine_at(80), 9), "");
  EXPECT_EQ(life.live(machine_at(80), 1), "u");
  EXPECT_EQ(life.live(machine_at(80), 10), "u");
  EXPECT_EQ(life.live(machine_at(80), 100), "") << "there are no more steps";
  EXPECT_EQ(life.level(), 3U);
}

TEST(Decider, StepsAreTakenBackInTheOtherOrderAndMoreSlowly) {
  Life life;
  EXPECT_EQ(life.live(machine_at(80), 31), "uuu");
  EXPECT_EQ(life.live(machine_at(60), 30), "");
  EXPECT_EQ(life.live(machine_at(60), 1), "d");
  EXPECT_EQ(life.last().step, 2U);
  EXPECT_THAT(life.last().reason, HasSubstr("zone cpu-thermal is at 60.0 C (68.0 C or less"));
  EXPECT_EQ(life.live(machine_at(60), 60), "dd");
  EXPECT_EQ(life.last().step, 0U);
  EXPECT_EQ(life.live(machine_at(60), 1000), "");
}

TEST(Decider, InBetweenNothingChanges) {
  Life life;
  EXPECT_EQ(life.live(machine_at(80), 11), "u");
  EXPECT_EQ(life.live(machine_at(72), 10'000), "");
  EXPECT_EQ(life.level(), 1U);
}

TEST(Decider, NoiseAtAThresholdDoesNotMakeItFlap) {
  Life life;
  std::string moves;
  for (int i = 0; i < 1000; ++i) moves += life.step(machine_at(i % 2 == 0 ? 75.2 : 74.8));
  EXPECT_EQ(moves, "") << "it never lasts";
  EXPECT_EQ(life.live(machine_at(76), 11), "u");
  for (int i = 0; i < 1000; ++i) moves += life.step(machine_at(i % 2 == 0 ? 68.2 : 67.8));
  EXPECT_EQ(moves, "");
  for (int i = 0; i < 1000; ++i) moves += life.step(machine_at(i % 20 == 0 ? 76 : 60));
  EXPECT_EQ(moves, "") << "peaks keep it from being taken back";
  EXPECT_EQ(life.level(), 1U);
}

TEST(Decider, OneOfSeveralSignalsIsEnoughToGoUpAndAllMustBeLowToGoDown) {
  Life life;
  Machine machine = machine_at(60);
  machine.throttling = Throttling{.throttled = true};
  EXPECT_EQ(life.live(machine, 11), "u");
  EXPECT_EQ(life.last().reason, "the firmware says throttled") << "and not what is low";
  machine.throttling->throttled = false;
  machine.zones[0].celsius = 70;
  EXPECT_EQ(life.live(machine, 100), "") << "one is in between";
  machine.zones[0].celsius = 60;
  EXPECT_EQ(life.live(machine, 31), "d");
}

TEST(Decider, ASensorThatVanishesDoesNotHoldItUp) {
  Life life;
  EXPECT_EQ(life.live(machine_at(90), 21), "uu");
  EXPECT_EQ(life.live(Machine(), 61), "dd");
  EXPECT_EQ(life.last().reason, "no sensor says anything any more");
  EXPECT_EQ(life.live(machine_at(90), 11), "u") << "it is back";
}

TEST(Decider, AStepInVainIsFollowedByTheNextAtOnce) {
  Life life;
  EXPECT_EQ(life.live(machine_at(80), 11), "u");
  life.decider().was_vain();
  EXPECT_EQ(life.live(machine_at(80), 1), "u");
  EXPECT_EQ(life.live(machine_at(80), 9), "");
  EXPECT_EQ(life.live(machine_at(80), 1), "u");
}

TEST(Settings, OfStepsAboutOneThingTheLastOneCounts) {
  std::vector<GovernorStep> steps(4);
  steps[0].pipeline = steps[2].pipeline = "street";
  steps[0].max_fps = 10;
  steps[1].model = "detector";
  steps[1].variant = "small";
  steps[2].max_fps = 5;
  steps[3].threads = 1;
  const std::span<const GovernorStep> all = steps;
  EXPECT_EQ(settings_of(all).max_fps.at("street"), 5);
  EXPECT_EQ(settings_of(all).threads, 1);
  EXPECT_EQ(settings_of(all.first(2)).max_fps.at("street"), 10) << "as before";
  EXPECT_EQ(settings_of(all.first(2)).variants.at("detector"), "small");
  EXPECT_EQ(settings_of(all.first(2)).threads, 0);
  EXPECT_THAT(settings_of({}).max_fps, IsEmpty());
}

// ---- The thread ----

// Notes what it is told.
class Told final : public Governed {
 public:
  Status check(const GovernorStep& step) override {
    return step.pipeline == "gone" ? not_found("there is no pipeline 'gone'") : ok_status();
  }
  Status apply(const Settings& settings, const std::string& why) override {
    const std::lock_guard lock(mutex_);
    settings_.push_back(settings);
    why_ = why;
    changed_.notify_all();
    return ok_status();
  }
  // Waits until it was told so often; gives the last.
  Settings wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return settings_.size() >= count; });
    return settings_[count - 1];
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return settings_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Settings> settings_;  // by mutex_
  std::string why_;
};

class GovernorTest : public ::testing::Test {
 protected:
  GovernorTest() {
    config_ = three_steps();
    config_.every_s = 0.001;
    config_.hold_s = config_.release_s = 0;
  }
  void make() {
    governor_ = std::make_unique<Governor>(
        config_, [this] { return machine_at(celsius_.load()); }, told_);
    governor_->start();
  }
  void wait_for_level(size_t level) const {
    while (governor_->state().level != level) std::this_thread::yield();
  }
  GovernorConfig config_;
  std::atomic<double> celsius_{90};
  Told told_;
  std::unique_ptr<Governor> governor_;
};

TEST_F(GovernorTest, HasTheDaemonDoLessAndThenAllAgain) {
  make();
  EXPECT_EQ(told_.wait_for(1).max_fps.at("street"), 5);
  EXPECT_EQ(told_.wait_for(3).shed, 3);
  wait_for_level(3);
  const GovernorState hot = governor_->state();
  EXPECT_EQ(hot.steps[2].what, "requests of priority 3 and larger numbers refused");
  EXPECT_TRUE(hot.steps[0].taken && hot.steps[1].taken && hot.steps[2].taken);
  EXPECT_THAT(hot.reason, HasSubstr("90.0 C"));
  celsius_ = 40;
  EXPECT_EQ(told_.wait_for(4).shed, 0);
  EXPECT_EQ(told_.wait_for(4).threads, 2);
  EXPECT_EQ(told_.wait_for(6).threads, 0);
  EXPECT_THAT(told_.wait_for(6).max_fps, IsEmpty());
  wait_for_level(0);
  const GovernorState cool = governor_->state();
  EXPECT_EQ(cool.steps[0].ups, 1U);
  EXPECT_EQ(cool.steps[0].downs, 1U);
  telemetry::MetricsPage page;
  add_metrics(cool, page);
  EXPECT_THAT(page.text(), HasSubstr("inferd_governor_level 0"));
  EXPECT_THAT(page.text(),
              HasSubstr("inferd_governor_decisions_total{step=\"2\",what=\"2 threads\","
                        "direction=\"down\"} 1"));
}

TEST_F(GovernorTest, AStepOfWhatIsGoneIsSaidAndHoldsNothingUp) {
  config_.steps[0].pipeline = "gone";
  make();
  wait_for_level(3);
  const GovernorState state = governor_->state();
  EXPECT_EQ(state.steps[0].vain, "there is no pipeline 'gone'");
  EXPECT_EQ(state.steps[1].vain, "");
  EXPECT_EQ(told_.wait_for(3).max_fps.at("gone"), 5) << "it may come back";
}

TEST_F(GovernorTest, ItsEndTakesNothingBack) {
  make();
  wait_for_level(3);
  governor_->stop();
  celsius_ = 20;
  EXPECT_EQ(governor_->state().level, 3U);
  EXPECT_EQ(told_.count(), 3U);
}

}  // namespace
}  // namespace inferd::host
