// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/doctor/open_ports.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "clients/inferctl/doctor/files.h"

namespace inferd::ctl {
namespace {

constexpr size_t kDigitsOfV4 = 8;

// As proc(5) has them.
template <size_t n>
std::string to_hex(const std::array<uint32_t, n>& words) {
  std::string hex;
  for (const uint32_t word : words) {
    std::array<char, 9> digits;
    std::snprintf(digits.data(), digits.size(), "%08X", word);
    hex += digits.data();
  }
  return hex;
}

// The addresses that a host stands for; none: it is a name.
std::vector<std::string> addresses_of(const std::string& host) {
  if (host == "localhost") {
    auto both = addresses_of("127.0.0.1");
    both.push_back(addresses_of("[::1]").front());
    return both;
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return {to_hex(std::array{v4.s_addr})};
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return {};
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) != 1) return {};
  std::array<uint32_t, 4> words{};
  std::memcpy(words.data(), &v6, sizeof v6);
  return {to_hex(words)};
}

bool is_zero(const std::string& address) {
  return address.find_first_not_of('0') == std::string::npos;
}

}  // namespace

std::vector<OpenPort> open_ports(const std::string& root) {
  std::vector<OpenPort> ports;
  // proc(5): local address, state (0A: listening), user and inode are fields 2, 4, 8 and 10.
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream stream(root + file);
    std::string line;
    std::getline(stream, line);
    while (std::getline(stream, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, timer, retransmits, timeout;
      OpenPort open;
      if (!(fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >>
            open.user >> timeout >> open.inode) ||
          state != "0A")
        continue;
      const size_t colon = local.find(':');
      if (colon == std::string::npos) continue;
      open.address = local.substr(0, colon);
      const char* const end = local.data() + local.size();
      const auto [parsed, error] = std::from_chars(local.data() + colon + 1, end, open.port, 16);
      if (error == std::errc() && parsed == end) ports.push_back(std::move(open));
    }
  }
  return ports;
}

bool is_any(const OpenPort& open) { return is_zero(open.address); }

bool is_loopback(const OpenPort& open) {
  if (open.address.size() == kDigitsOfV4) return open.address.ends_with("7F");
  return open.address == "00000000000000000000000001000000";
}

bool takes(const OpenPort& open, const std::string& host) {
  const auto wanted = addresses_of(host);
  if (wanted.empty()) return true;
  const bool open_v4 = open.address.size() == kDigitsOfV4;
  for (const std::string& address : wanted) {
    const bool v4 = address.size() == kDigitsOfV4;
    // Whoever listens at all addresses of IPv6 does so at those of IPv4 as well.
    if (is_any(open) && (v4 || !open_v4)) return true;
    if (is_zero(address) && (open_v4 || !v4)) return true;
    if (address == open.address) return true;
  }
  return false;
}

std::vector<Holder> holders(const std::string& root, const OpenPort& open) {
  const std::string wanted = "socket:[" + std::to_string(open.inode) + "]";
  std::vector<Holder> found;
  for (const std::string& process : entries(root + "/proc", "")) {
    const std::string number = process.substr(process.rfind('/') + 1);
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    for (const std::string& file : entries(process + "/fd", "")) {
      std::error_code error;
      if (std::filesystem::read_symlink(file, error) != wanted || error) continue;
      found.push_back({std::stoll(number), first_line(process + "/comm").value_or("")});
      break;
    }
  }
  return found;
}

}  // namespace inferd::ctl
