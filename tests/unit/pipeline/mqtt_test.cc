// SPDX-License-Identifier: Apache-2.0
//
// The sink mqtt and a real broker, which comes and goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mosquitto.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "daemon/pipeline/sink.h"
#include "tests/unit/pipeline/broker.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Keeps what it is sent; a durable subscriber to everything (but not to topics of the broker).
class Subscriber {
 public:
  struct Message {
    std::string topic, payload;
    bool retained = false;
  };

  explicit Subscriber(int port, const std::string& ca = "") {
    mosquitto_lib_init();
    mosquitto_ = mosquitto_new("subscriber", false, this);
    mosquitto_message_callback_set(mosquitto_,
                                   [](mosquitto*, void* self, const mosquitto_message* m) {
                                     auto* s = static_cast<Subscriber*>(self);
                                     const std::lock_guard lock(s->mutex_);
                                     const std::string payload(static_cast<const char*>(m->payload),
                                                               static_cast<size_t>(m->payloadlen));
                                     s->messages_.push_back({m->topic, payload, m->retain});
                                   });
    mosquitto_connect_callback_set(
        mosquitto_, [](mosquitto* m, void*, int) { mosquitto_subscribe(m, nullptr, "#", 1); });
    mosquitto_subscribe_callback_set(mosquitto_, [](mosquitto*, void* self, int, int, const int*) {
      static_cast<Subscriber*>(self)->subscribed_ = true;
    });
    if (!ca.empty()) mosquitto_tls_set(mosquitto_, ca.c_str(), nullptr, nullptr, nullptr, nullptr);
    if (!ca.empty()) mosquitto_username_pw_set(mosquitto_, "board", "secret");
    EXPECT_EQ(mosquitto_connect(mosquitto_, "127.0.0.1", port, 30), 0);
    mosquitto_loop_start(mosquitto_);
    EXPECT_TRUE(becomes_true([&] { return subscribed_.load(); }));
  }
  ~Subscriber() {
    mosquitto_disconnect(mosquitto_);
    mosquitto_loop_stop(mosquitto_, false);
    mosquitto_destroy(mosquitto_);
  }

  std::vector<Message> on(const std::string& topic) const {
    const std::lock_guard lock(mutex_);
    std::vector<Message> found;
    for (const Message& m : messages_) {
      if (m.topic == topic) found.push_back(m);
    }
    return found;
  }
  std::string last(const std::string& topic) const {
    const auto all = on(topic);
    return all.empty() ? "nothing" : all.back().payload;
  }
  // Of results, in the order in which they came, without repetitions.
  std::vector<uint64_t> sequences(const std::string& topic) const {
    std::vector<uint64_t> all;
    std::set<uint64_t> seen;
    for (const Message& m : on(topic)) {
      const uint64_t sequence = json::parse(m.payload)["sequence"];
      if (seen.insert(sequence).second) all.push_back(sequence);
    }
    return all;
  }

 private:
  mosquitto* mosquitto_ = nullptr;
  std::atomic<bool> subscribed_{false};
  mutable std::mutex mutex_;
  std::vector<Message> messages_;  // by mutex_
};

class MqttTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_program("mosquitto"))
      GTEST_SKIP() << "THERE IS NO mosquitto: NOTHING OF MQTT IS TESTED";
    broker_.configure("allow_anonymous true\n");
  }

  std::unique_ptr<Sink> make(std::map<std::string, std::string> keys) {
    keys["broker"] = "127.0.0.1";
    keys["port"] = std::to_string(port_);
    if (!keys.contains("topic")) keys["topic"] = "t/{pipeline}/{node}";
    keys["availability"] = "t/{pipeline}/here";
    auto sink = make_sink(node("mqtt", keys));
    EXPECT_TRUE(sink.ok()) << sink.status().to_string();
    return std::move(*sink);
  }
  // Errors are what this is about: they are in status().
  void write(Sink& sink, uint64_t sequence, const std::vector<std::string>& labels = {"cat"}) {
    const Status status = sink.write(*frame_, result_with(sequence, labels));
    if (!status.ok()) last_error_ = status.message();
  }
  static bool is(const Sink& sink, const std::string& state) {
    return becomes_true([&] { return sink.status().state == state; });
  }
  static bool sent(const Sink& sink) {
    return becomes_true([&] { return sink.status().queued == 0; });
  }

  const TemporaryFolder folder_;
  Broker broker_{folder_};
  const int port_ = broker_.port();
  const std::unique_ptr<Frame> frame_ = grey_frame(8, 8);
  std::string last_error_;
};

TEST_F(MqttTest, SendsResultsAndSaysWhetherItIsThere) {
  broker_.start();
  const Subscriber subscriber(port_);
  for (const std::string qos : {"0", "1", "2"}) {
    const auto sink = make({{"qos", qos}, {"topic", "t/" + qos + "/{pipeline}/{node}"}});
    for (uint64_t i = 1; i <= 100; ++i) write(*sink, i);
    const std::string topic = "t/" + qos + "/yard/people";
    ASSERT_TRUE(becomes_true([&] { return subscriber.on(topic).size() == 100; }))
        << "qos " << qos << ": " << sink->status().last_error;
    const std::vector<uint64_t> sequences = subscriber.sequences(topic);
    EXPECT_EQ(sequences.size(), 100U);
    EXPECT_TRUE(std::is_sorted(sequences.begin(), sequences.end()));
    EXPECT_EQ(json::parse(subscriber.last(topic))["detections"][0]["label"], "cat");
    EXPECT_EQ(subscriber.last("t/yard/here"), "online");
    EXPECT_EQ(sink->status().state, "connected");
    EXPECT_EQ(sink->status().dropped, 0U);
  }
  EXPECT_TRUE(becomes_true([&] { return subscriber.last("t/yard/here") == "offline"; }));
}

TEST_F(MqttTest, SendsOnlyDetectionsOrOnlyChanges) {
  broker_.start();
  const Subscriber subscriber(port_);
  const auto detections =
      make({{"content", "detections"}, {"topic", "detections"}, {"client_id", "a"}});
  const auto changes = make({{"content", "changes"}, {"topic", "changes"}, {"client_id", "b"}});
  const std::vector<std::vector<std::string>> scene = {
      {}, {}, {"cat"}, {"cat"}, {"cat", "dog"}, {"cat", "dog"}, {}, {}};
  for (size_t i = 0; i < scene.size(); ++i) {
    write(*detections, i + 1, scene[i]);
    write(*changes, i + 1, scene[i]);
  }
  EXPECT_TRUE(becomes_true([&] { return subscriber.on("detections").size() == scene.size(); }));
  EXPECT_EQ(json::parse(subscriber.on("detections")[4].payload)[1]["label"], "dog");
  EXPECT_TRUE(sent(*changes));
  EXPECT_TRUE(becomes_true([&] { return subscriber.on("changes").size() == 4; }));
  EXPECT_THAT(subscriber.sequences("changes"), ::testing::ElementsAre(1, 3, 5, 7));
}

TEST_F(MqttTest, HomeAssistantFindsItsEntities) {
  broker_.start();
  config::NodeConfig n = node(
      "mqtt",
      {{"broker", "127.0.0.1"}, {"port", std::to_string(port_)}, {"discovery", "homeassistant"}});
  n.entries["classes"] = {{"person"}, true, {"p.yaml", 4, 7}};
  auto sink = make_sink(n);
  ASSERT_TRUE(sink.ok()) << sink.status().to_string();
  FrameResult r = result_with(1, {"traffic light", "traffic light"});
  r.counts = {{"gate", 0, "person", 3, 1, 0}};
  ASSERT_TRUE((*sink)->write(*frame_, r).ok());
  ASSERT_TRUE(sent(**sink) && is(**sink, "connected"));
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::string device = "inferd_" + std::string(host.data()) + "_yard";
  for (char& c : device) c = std::isalnum(static_cast<unsigned char>(c)) || c == '-' ? c : '_';
  const Subscriber late(port_);  // what is kept is there for it
  const auto config_of = [&](const std::string& kind, const std::string& id) {
    const std::string topic = "homeassistant/" + kind + "/" + device + "/" + id + "/config";
    EXPECT_TRUE(becomes_true([&] { return !late.on(topic).empty(); })) << topic;
    EXPECT_TRUE(late.on(topic)[0].retained);
    return json::parse(late.last(topic));
  };
  const json light = config_of("binary_sensor", "occupancy_traffic_light");
  EXPECT_EQ(light["device_class"], "occupancy");
  EXPECT_EQ(light["name"], "traffic light");
  EXPECT_EQ(light["unique_id"], device + "_occupancy_traffic_light");
  EXPECT_EQ(light["device"]["identifiers"][0], device);
  EXPECT_EQ(late.last(light["state_topic"]), "ON");
  EXPECT_EQ(late.last(light["availability_topic"]), "online");
  const auto state = [&](const std::string& kind, const std::string& id) {
    const std::string topic = config_of(kind, id)["state_topic"];
    EXPECT_TRUE(becomes_true([&] { return !late.on(topic).empty(); }));
    return late.last(topic);
  };
  EXPECT_EQ(state("sensor", "number_traffic_light"), "2");
  EXPECT_EQ(state("binary_sensor", "occupancy_person"), "OFF");
  EXPECT_EQ(state("sensor", "number_person"), "0");
  EXPECT_EQ(state("sensor", "count_gate_person_in"), "3");
  EXPECT_EQ(state("sensor", "count_gate_person_out"), "1");
  // Another camera sees one, and then the first none any more.
  FrameResult other = result_with(1, {"traffic light"});
  other.source = "rear";
  ASSERT_TRUE((*sink)->write(*frame_, other).ok());
  const std::string number = config_of("sensor", "number_traffic_light")["state_topic"];
  EXPECT_TRUE(becomes_true([&] { return late.last(number) == "3"; }));
  ASSERT_TRUE((*sink)->write(*frame_, result_with(2, {})).ok());
  EXPECT_TRUE(becomes_true([&] { return late.last(number) == "1"; }));
  EXPECT_EQ(late.last(light["state_topic"]), "ON");
  other.detections.clear();
  ASSERT_TRUE((*sink)->write(*frame_, other).ok());
  EXPECT_TRUE(becomes_true([&] { return late.last(light["state_topic"]) == "OFF"; }));
}

// The broker keeps what it has acknowledged for its subscriber, who is not there meanwhile; so
// nothing may be missing at the end.
TEST_F(MqttTest, NothingIsLostWhileTheBrokerGoesAndComesTwentyTimes) {
  broker_.start();
  { const Subscriber subscriber(port_); }
  const size_t files = open_files();
  auto sink = make({{"buffer", folder_.file("buffer")}});
  uint64_t sequence = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) write(*sink, ++sequence);
    EXPECT_TRUE(WIFEXITED(broker_.stop(SIGTERM)));
    for (int i = 0; i < 5; ++i) write(*sink, ++sequence);
    broker_.start();
    ASSERT_TRUE(sent(*sink)) << sink->status().last_error;
  }
  EXPECT_EQ(sink->status().dropped, 0U);
  EXPECT_THAT(sink->status().last_error, HasSubstr("broker 127.0.0.1:"));
  EXPECT_FALSE(last_error_.empty()) << "the pipeline's log says so, too";
  sink.reset();
  EXPECT_EQ(open_files(), files);
  const Subscriber subscriber(port_);
  std::vector<uint64_t> wanted;
  for (uint64_t i = 1; i <= sequence; ++i) wanted.push_back(i);
  EXPECT_TRUE(becomes_true([&] { return subscriber.sequences("t/yard/people") == wanted; }));
}

TEST_F(MqttTest, ComesBackAfterABrokerThatWasKilled) {
  broker_.start();
  const auto sink = make({});
  for (uint64_t round = 1; round <= 20; ++round) {
    write(*sink, round);
    ASSERT_TRUE(sent(*sink));
    broker_.stop(SIGKILL);
    ASSERT_TRUE(is(*sink, "waiting to connect again"));
    broker_.start();
    ASSERT_TRUE(is(*sink, "connected")) << sink->status().last_error;
  }
}

TEST_F(MqttTest, WhatWaitsSurvivesARestart) {
  for (uint64_t i = 1; i <= 3; ++i) {
    const auto sink = make({{"buffer", folder_.file("buffer")}});
    write(*sink, i);
    EXPECT_EQ(sink->status().queued, i);
  }
  broker_.start();
  const Subscriber subscriber(port_);
  const auto sink = make({{"buffer", folder_.file("buffer")}});
  write(*sink, 4);
  EXPECT_TRUE(becomes_true([&] { return subscriber.on("t/yard/people").size() == 4; }));
  EXPECT_THAT(subscriber.sequences("t/yard/people"), ::testing::ElementsAre(1, 2, 3, 4));
}

TEST_F(MqttTest, WithoutABrokerItsMemoryIsBounded) {
  const auto sink = make({{"buffer_bytes", "16384"}});
  for (uint64_t i = 1; i <= 5000; ++i) write(*sink, i);
  const SinkStatus status = sink->status();
  EXPECT_EQ(status.queued + status.dropped, 5000U);
  EXPECT_LT(status.queued, 16384U / 100);
  EXPECT_TRUE(is(*sink, "waiting to connect again"));
  EXPECT_THAT(sink->status().last_error, HasSubstr("Connection refused"));
}

TEST_F(MqttTest, SpeaksTlsAndGivesItsPassword) {
  if (!Broker::has_tls())
    GTEST_SKIP() << "THERE IS NO openssl OR mosquitto_passwd: TLS IS NOT TESTED";
  const std::string ca = broker_.configure_tls();
  broker_.start();
  std::ofstream(folder_.file("wrong")) << "guess\n";
  std::ofstream(folder_.file("right")) << "secret\n";
  const auto refused =
      make({{"ca", ca}, {"username", "board"}, {"password_file", folder_.file("wrong")}});
  write(*refused, 1);
  EXPECT_TRUE(becomes_true([&] {
    return refused->status().last_error.find("not authorised") != std::string::npos;
  })) << refused->status().last_error;
  const Subscriber subscriber(port_, ca);
  const auto sink = make({{"ca", ca},
                          {"username", "board"},
                          {"password_file", folder_.file("right")},
                          {"client_id", "other"}});
  write(*sink, 2);
  EXPECT_TRUE(becomes_true([&] { return subscriber.on("t/yard/people").size() == 1; }));
  const auto unknown = make({{"tls", "true"}, {"client_id", "third"}});
  write(*unknown, 3);
  EXPECT_TRUE(becomes_true([&] { return !unknown->status().last_error.empty(); }));
  EXPECT_EQ(subscriber.on("t/yard/people").size(), 1U) << "its certificate is nobody's known";
}

TEST(MqttKeys, ThatMakeNoSenseAreRefused) {
  const auto error = [](std::map<std::string, std::string> keys) {
    return make_sink(node("mqtt", keys)).status().message();
  };
  EXPECT_THAT(error({{"topic", "a/+/b"}}), HasSubstr("p.yaml:4:7: 'topic' must be a topic"));
  EXPECT_THAT(error({{"availability", "{node}"}}), HasSubstr("no {node}"));
  EXPECT_THAT(error({{"password_file", "/dev/null"}}), HasSubstr("needs a 'username'"));
  EXPECT_THAT(error({{"cert", "/dev/null"}}), HasSubstr("need each other"));
  EXPECT_THAT(error({{"ca", "none.pem"}}), HasSubstr("'ca': cannot read 'none.pem'"));
  EXPECT_THAT(error({{"qos", "3"}}), HasSubstr("'qos' must be a whole number from 0 to 2"));
}

}  // namespace
}  // namespace inferd::pipeline
