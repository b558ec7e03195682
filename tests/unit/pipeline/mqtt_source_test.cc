// SPDX-License-Identifier: Apache-2.0
//
// The source mqtt and a real broker, which comes and goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "daemon/pipeline/feed.h"
#include "tests/unit/pipeline/broker.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Counts what a feed gives.
class Counter : public Feed::Consumer {
 public:
  void take(const Ref<SharedFrame>& frame) override {
    value = frame->samples.values.at(0);
    ++frames;
  }
  void end(const Status&) override {}

  std::atomic<int> frames{0};
  std::atomic<float> value{0};
};

class MqttSource : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_program("mosquitto") || !has_program("mosquitto_pub"))
      GTEST_SKIP() << "THERE IS NO mosquitto OR mosquitto_pub: NOTHING OF MQTT IS TESTED";
    broker_.configure("allow_anonymous true\n");
  }

  config::NodeConfig keys(std::map<std::string, std::string> more,
                          const std::vector<std::string>& columns = {"x", "y"}) {
    more["broker"] = "127.0.0.1";
    more["port"] = std::to_string(broker_.port());
    more.try_emplace("topic", "imu");
    config::NodeConfig made = node("mqtt", more);
    if (!columns.empty()) made.entries["columns"] = {columns, true, {"p.yaml", 5, 7}};
    return made;
  }
  // True: the broker has it.
  bool publish(const std::string& topic, const std::vector<std::string>& how) {
    std::vector<std::string> words = {"mosquitto_pub",
                                      "-h",
                                      "127.0.0.1",
                                      "-p",
                                      std::to_string(broker_.port()),
                                      "-q",
                                      "1",
                                      "-t",
                                      topic};
    words.insert(words.end(), how.begin(), how.end());
    words.insert(words.end(), tls_.begin(), tls_.end());
    Program program;
    program.start(words);
    return program.wait() == 0;
  }
  // Opens the source and waits until it gets what is published: a frame of "0,0" or of `first`.
  void connect(Source& source, const std::string& topic = "imu",
               const std::vector<std::string>& first = {"-m", "0,0"}) {
    const Status opened = source.open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    // Kept by the broker, so it comes with the subscription; then it is taken away.
    std::vector<std::string> kept = first;
    kept.emplace_back("-r");
    ASSERT_TRUE(publish(topic, kept));
    ASSERT_TRUE(give(source, stopper_, frame_));
    ASSERT_TRUE(publish(topic, {"-r", "-n"}));
  }
  void expect(Source& source, const std::vector<float>& values, const std::string& topic = "imu") {
    ASSERT_TRUE(give(source, stopper_, frame_));
    EXPECT_EQ(frame_.samples.values, values);
    EXPECT_EQ(static_cast<size_t>(frame_.samples.rows * frame_.samples.columns), values.size());
    EXPECT_EQ(frame_.name, topic);
    EXPECT_LE(frame_.capture_ns, schedule::now_ns());
  }

  const TemporaryFolder folder_;
  Broker broker_{folder_};
  std::vector<std::string> tls_;  // for who publishes
  Stopper stopper_;
  Frame frame_;
};

TEST_F(MqttSource, GivesTheNumbersOfMessages) {
  broker_.start();
  for (const std::string qos : {"0", "1", "2"}) {
    const auto source = source_of(keys({{"qos", qos}}));
    EXPECT_TRUE(source->live());
    EXPECT_EQ(source->patience_ns(), 0) << "nothing happening is usual";
    connect(*source);
    EXPECT_THAT(*frame_.samples.names, ElementsAre("x", "y"));
    publish("imu", {"-m", R"({"x": 1.5, "y": -2, "more": "text"})"});
    publish("imu", {"-m", "broken"});
    publish("imu", {"-m", "3,4\n5,6"});
    expect(*source, {1.5F, -2.F});
    expect(*source, {3, 4, 5, 6});
  }
}

TEST_F(MqttSource, GivesRowsOfSeveralMessagesAndOfParts) {
  broker_.start();
  const auto source = source_of(keys({{"rows", "2"}}, {"0", "2"}));
  connect(*source, "imu", {"-m", "[0,1,0]\n[0,1,0]"});
  publish("imu", {"-m", "[1,0,2]"});
  publish("imu", {"-m", "[3,0,4]\n[5,0,6]\n[7,0,8]\n[9,0,9]"});
  publish("imu", {"-m", "[8,0,8]"});
  expect(*source, {1, 2, 3, 4});
  expect(*source, {5, 6, 7, 8});
  expect(*source, {9, 9, 8, 8});
}

TEST_F(MqttSource, NamesFramesByTheirTopics) {
  broker_.start();
  const auto source = source_of(keys({{"topic", "boat/+/imu/#"}}));
  connect(*source, "boat/bow/imu/a");
  publish("boat/stern/imu", {"-m", "1,2"});
  publish("boat/stern/gps", {"-m", "3,4"});
  publish("boat/bow/imu/b/c", {"-m", "5,6"});
  expect(*source, {1, 2}, "boat/stern/imu");
  expect(*source, {5, 6}, "boat/bow/imu/b/c");
}

TEST_F(MqttSource, GivesTheNewestWhereTooMuchComes) {
  broker_.start();
  const auto source = source_of(keys({{"queue", "3"}, {"max_payload", "16"}}));
  connect(*source);
  for (int i = 1; i <= 20; ++i) publish("imu", {"-m", std::to_string(i) + ",0"});
  publish("imu", {"-m", "1000000000,2000000000"});
  publish("imu", {"-m", "21,0"});
  expect(*source, {19, 0});
  expect(*source, {20, 0});
  expect(*source, {21, 0});
}

TEST_F(MqttSource, GivesPictures) {
  broker_.start();
  media::Image image{6, 4, std::vector<uint8_t>(6 * 4 * 3, 200)};
  ASSERT_TRUE(media::write_image(folder_.file("a.png"), image).ok());
  const auto source = source_of(keys({{"topic", "camera"}, {"content", "picture"}}, {}));
  connect(*source, "camera", {"-f", folder_.file("a.png")});
  publish("camera", {"-m", "no picture"});
  image = {9, 5, std::vector<uint8_t>(9 * 5 * 3, 100)};
  ASSERT_TRUE(media::write_image(folder_.file("b.jpg"), image).ok());
  publish("camera", {"-f", folder_.file("b.jpg")});
  ASSERT_TRUE(give(*source, stopper_, frame_));
  EXPECT_EQ(frame_.picture.width, 9);
  EXPECT_EQ(frame_.picture.height, 5);
  EXPECT_NEAR(frame_.picture.planes[0][0], 100, 2);
  EXPECT_EQ(frame_.name, "camera");
  EXPECT_EQ(frame_.samples.rows, 0);
}

TEST_F(MqttSource, ComesBackWheneverItsBrokerDoes) {
  broker_.start();
  ptrdiff_t files = 0;
  Feed feed("mqtt", source_of(keys({})), {1'000'000, 10'000'000});
  Counter counter;
  feed.add(&counter);
  for (int round = 1; round <= 20; ++round) {
    const std::string text = std::to_string(round) + ",0";
    ASSERT_TRUE(becomes_true([&] {
      publish("imu", {"-m", text});
      return counter.value == static_cast<float>(round);
    })) << feed.status().reason;
    if (round == 1) files = open_files();
    EXPECT_EQ(open_files(), files);
    broker_.stop(round % 2 == 0 ? SIGKILL : SIGTERM);
    ASSERT_TRUE(becomes_true([&] { return feed.status().state == FeedState::kWaiting; }));
    EXPECT_THAT(feed.status().reason, HasSubstr("broker 127.0.0.1:"));
    broker_.start();
  }
  EXPECT_GE(feed.status().failures, 20U);
  feed.remove(&counter);
}

// What comes in one piece over TLS is not seen at the socket any more once a part of it is read.
TEST_F(MqttSource, ReadsAllThatTlsHas) {
  if (!Broker::has_tls()) GTEST_SKIP() << "THERE IS NO openssl: TLS IS NOT TESTED";
  const std::string ca = broker_.configure_tls();
  broker_.start();
  std::ofstream(folder_.file("right")) << "secret\n";
  const auto source = source_of(keys({{"ca", ca},
                                      {"username", "board"},
                                      {"password_file", folder_.file("right")},
                                      {"queue", "4096"}}));
  tls_ = {"--cafile", ca, "-u", "board", "-P", "secret"};
  connect(*source);
  constexpr int kMessages = 500;
  ASSERT_TRUE(publish("imu", {"-m", "1,2", "--repeat", std::to_string(kMessages)}));
  for (int i = 0; i < kMessages; ++i) expect(*source, {1, 2});
}

TEST_F(MqttSource, AWaitIsStopped) {
  broker_.start();
  const auto source = source_of(keys({}));
  connect(*source);
  std::thread other([&] { stopper_.stop(); });
  const auto next = source->next(stopper_, frame_);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

TEST_F(MqttSource, SaysWhatTheBrokerRefuses) {
  const auto source = source_of(keys({}));
  const auto failure = [&] {
    const Status opened = source->open();
    return opened.ok() ? failure_of(*source, stopper_) : opened.message();
  };
  EXPECT_THAT(failure(), HasSubstr("refused"));
  broker_.configure("allow_anonymous false\n");
  broker_.start();
  EXPECT_THAT(failure(), HasSubstr("not authorised"));
  std::ofstream(folder_.file("password")) << "";
  const auto nameless =
      source_of(keys({{"username", "board"}, {"password_file", folder_.file("password")}}));
  EXPECT_THAT(nameless->open().message(), HasSubstr("cannot read the password"));
}

TEST(MqttSourceKeys, ThatMakeNoSenseAreRefused) {
  const auto why = [](std::map<std::string, std::string> keys,
                      const std::vector<std::string>& columns = {"x"}) {
    config::NodeConfig made = node("mqtt", keys);
    if (!columns.empty()) made.entries["columns"] = {columns, true, {"p.yaml", 5, 7}};
    return refusal(made);
  };
  EXPECT_THAT(why({}), HasSubstr("'topic'"));
  EXPECT_THAT(why({{"topic", "a/#/b"}}), HasSubstr("p.yaml:4:7: 'a/#/b' is no topic"));
  EXPECT_THAT(why({{"topic", "a/+"}, {"rows", "2"}}), HasSubstr("p.yaml:4:7: 'rows' over 1"));
  EXPECT_THAT(why({{"topic", "a"}}, {}), HasSubstr("p.yaml:3:5: 'mqtt' needs other 'columns'"));
  EXPECT_THAT(why({{"topic", "a"}, {"content", "picture"}}),
              HasSubstr("p.yaml:5:7: 'columns' is of numbers"));
  EXPECT_THAT(why({{"topic", "a"}, {"password_file", "/dev/null"}}),
              HasSubstr("needs a 'username'"));
  EXPECT_THAT(why({{"topic", "a"}, {"qos", "3"}}), HasSubstr("from 0 to 2"));
}

}  // namespace
}  // namespace inferd::pipeline
