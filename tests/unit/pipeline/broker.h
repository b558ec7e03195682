// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {

// A real MQTT broker, mosquitto, on a port of its own, that comes and goes. It keeps what it has
// for subscribers in the folder.
class Broker {
 public:
  explicit Broker(const TemporaryFolder& folder) : folder_(folder) {}

  int port() const { return port_; }

  void configure(const std::string& more) {
    std::ofstream(folder_.file("broker.conf"))
        << "listener " << port_ << " 127.0.0.1\nuser root\nmax_queued_messages 0\n"
        << "persistence true\npersistence_location " << folder_.path() << "/\n"
        << more;
  }
  static bool has_tls() { return has_program("openssl") && has_program("mosquitto_passwd"); }
  // With a certificate, which signs itself and whose file is returned, for the user "board" with
  // the password "secret".
  std::string configure_tls() {
    const std::string ca = folder_.file("ca.pem"), key = folder_.file("key.pem");
    Program program;
    program.start({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                   "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                   key, "-out", ca});
    EXPECT_EQ(program.wait(), 0);
    program.start({"mosquitto_passwd", "-b", "-c", folder_.file("users"), "board", "secret"});
    EXPECT_EQ(program.wait(), 0);
    configure("certfile " + ca + "\nkeyfile " + key + "\npassword_file " + folder_.file("users") +
              "\nallow_anonymous false\n");
    return ca;
  }
  // Until it listens.
  void start() {
    program_.start({"mosquitto", "-c", folder_.file("broker.conf")});
    int fd = -1;
    ASSERT_TRUE(becomes_true([&] { return (fd = connect_to(port_)) >= 0; }));
    ::close(fd);
  }
  int stop(int signal) { return program_.stop(signal); }

 private:
  const TemporaryFolder& folder_;
  const int port_ = free_port();
  Program program_;
};

}  // namespace inferd
