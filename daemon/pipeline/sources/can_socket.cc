// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/can_socket.h"

#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

namespace inferd::pipeline {
namespace {

Status failed(const std::string& what) { return unavailable(what + ": " + std::strerror(errno)); }

// It may be there and down, in which case nothing would ever come.
Status check_up(int fd, const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd, SIOCGIFFLAGS, &request) != 0) return failed("it has no flags");
  if ((request.ifr_flags & IFF_UP) != 0) return ok_status();
  return unavailable("it is down; 'ip link set " + interface + " up type can bitrate 500000'");
}

// The kernel gives only what is wanted; remote frames have no data.
Status set_filters(int fd, std::span<const CanSignal> signals) {
  std::vector<can_filter> filters;
  for (const CanSignal& s : signals) {
    const uint32_t mask = (s.id & CAN_EFF_FLAG) != 0 ? CAN_EFF_MASK : CAN_SFF_MASK;
    const auto same = [&](const can_filter& f) { return f.can_id == s.id; };
    if (std::none_of(filters.begin(), filters.end(), same))
      filters.push_back({s.id, mask | CAN_EFF_FLAG | CAN_RTR_FLAG});
  }
  const auto size = static_cast<socklen_t>(filters.size() * sizeof(can_filter));
  if (::setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FILTER, filters.data(), size) != 0)
    return failed("it takes no filters");
  const can_err_mask_t errors = CAN_ERR_BUSOFF | CAN_ERR_CRTL;
  if (::setsockopt(fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors, sizeof errors) != 0)
    return failed("it tells no errors");
  return ok_status();
}

Status set_up(int fd, const std::string& interface, std::span<const CanSignal> signals) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) return not_found("there is no such interface; 'ip link' lists them");
  INFERD_RETURN_IF_ERROR(check_up(fd, interface));
  INFERD_RETURN_IF_ERROR(set_filters(fd, signals));
  // A kernel without FD, or without times, still gives the frames that it has.
  const int on = 1;
  ::setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  sockaddr_can address{};
  address.can_family = AF_CAN;
  address.can_ifindex = static_cast<int>(index);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed("it is no CAN interface");
  return ok_status();
}

// The kernel's time of the message, else now.
int64_t capture_of(msghdr& message) {
  const int64_t now = schedule::now_ns();
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(c), sizeof time);
    return std::min(monotonic_of(int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec), now);
  }
  return now;
}

}  // namespace

Result<Descriptor> open_can(const std::string& interface, std::span<const CanSignal> signals) {
  Descriptor fd(::socket(AF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW));
  if (!fd.valid() && errno == EAFNOSUPPORT)
    return unimplemented("this kernel has no CAN (CONFIG_CAN, CONFIG_CAN_RAW)");
  if (!fd.valid()) return failed("cannot make a CAN socket");
  INFERD_RETURN_IF_ERROR(set_up(fd.get(), interface, signals));
  return fd;
}

Result<bool> read_can(int fd, CanFrame& frame) {
  canfd_frame raw{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec)) * 2];
  iovec part{&raw, sizeof raw};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0 && errno == ENETDOWN) return unavailable("the interface went down");
  if (got < 0 && errno == ENODEV) return unavailable("the interface is gone; was it unplugged?");
  if (got < 0) return failed("cannot read");
  const bool is_fd = got == CANFD_MTU;
  if ((!is_fd && got != CAN_MTU) || raw.len > (is_fd ? CANFD_MAX_DLEN : CAN_MAX_DLEN))
    return unavailable("what was read is no CAN frame");
  frame.id = raw.can_id;
  frame.size = raw.len;
  std::copy_n(raw.data, raw.len, frame.data);
  frame.capture_ns = capture_of(message);
  return true;
}

}  // namespace inferd::pipeline
