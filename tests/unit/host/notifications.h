// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "tests/unit/temporary_folder.h"

namespace inferd::host {

// Stands in the place of systemd and hears what this process tells it, as long as it lives.
class Notifications {
 public:
  Notifications() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string path = folder_.file("notify");
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Notifications() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(socket_);
  }

  // The next message; waits for it.
  std::string next() const { return receive(0); }
  // All that have come.
  std::string all() const {
    std::string text;
    for (std::string one = receive(MSG_DONTWAIT); !one.empty(); one = receive(MSG_DONTWAIT))
      text += one + "\n";
    return text;
  }

 private:
  std::string receive(int flags) const {
    std::array<char, 4096> buffer{};
    const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), flags);
    return size <= 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
  }

  const TemporaryFolder folder_;
  const int socket_;
};

}  // namespace inferd::host
