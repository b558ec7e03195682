// SPDX-License-Identifier: Apache-2.0
//
// Ports that programs listen on, as the kernel tells them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace inferd::ctl {

struct OpenPort {
  std::string address;  // as proc(5) has it: words of 8 hexadecimal digits, 1 of IPv4, 4 of IPv6
  uint16_t port = 0;
  uint32_t user = 0;   // of whom opened it
  uint64_t inode = 0;  // of the socket
};

// From <root>/proc/net/tcp and tcp6.
std::vector<OpenPort> open_ports(const std::string& root);

// All addresses of this machine.
bool is_any(const OpenPort& open);
bool is_loopback(const OpenPort& open);

// Whether nobody else can listen at `host` (a number, a name or "localhost") on that port. A name
// may be any address.
bool takes(const OpenPort& open, const std::string& host);

// A process that has the socket.
struct Holder {
  int64_t process = 0;
  std::string name;  // of its program, 15 characters at most
};
// Of those that whoever asks may look into: root sees all.
std::vector<Holder> holders(const std::string& root, const OpenPort& open);

}  // namespace inferd::ctl
