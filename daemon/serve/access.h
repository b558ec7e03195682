// SPDX-License-Identifier: Apache-2.0
//
// Who may do what. A listener's rules give roles to its peers; every call needs one role.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "inferd/engine/status.h"

namespace inferd::serve {

enum class Role : uint8_t {
  kInfer = 1,    // run models, and ask what it takes to: readiness, metadata
  kObserve = 2,  // see: lists, statistics, configuration, results of pipelines
  kAdmin = 4,    // change: load, unload, settings; and everything above
};

// What a call needs of whoever makes it.
enum class Needs : uint8_t {
  kNothing,  // everybody may
  kAnyRole,  // who runs models needs to know them, and who observes may
  kInfer,
  kObserve,
  kAdmin,
};

class Roles {
 public:
  constexpr Roles() = default;
  static constexpr Roles all() { return Roles(7); }
  void add(Role role) { bits_ |= static_cast<uint8_t>(role); }
  void add(Roles others) { bits_ |= others.bits_; }
  bool has(Role role) const {
    return (bits_ & (static_cast<uint8_t>(role) | static_cast<uint8_t>(Role::kAdmin))) != 0;
  }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the operator for a comparison with 0
  auto operator<=>(const Roles&) const = default;
  std::string to_string() const;  // "infer, observe"; "none"

 private:
  constexpr explicit Roles(uint8_t bits) : bits_(bits) {}
  uint8_t bits_ = 0;
};

// What is known of who calls.
struct Peer {
  struct Process {
    pid_t pid = 0;
    uid_t uid = 0;
    std::vector<gid_t> groups;  // all of them
  };
  std::optional<Process> process;  // of a Unix socket
  std::string subject;             // common name of a verified certificate
  std::string address;             // of TCP, without the port; empty: not known
  std::string_view token;          // that it showed; borrowed
};

// The process at the other end of a connected Unix socket, as the kernel knows it (SO_PEERCRED,
// SO_PEERGROUPS): what it was when it connected. UNAVAILABLE when the socket is none.
Result<Peer::Process> process_behind(int socket);

// The rules of one listener. Immutable, thread-safe.
class Access {
 public:
  // Everybody has all roles.
  Access() = default;

  // Looks up users and groups, reads files of tokens. Errors stand at the rule's mark: a user or
  // group that does not exist; a file that cannot be read, that others may read, or with a token
  // that is too short to be one.
  static Result<Access> create(std::span<const config::AccessRule> rules);

  Roles roles_of(const Peer& peer) const;

  // Whether all peers have all roles.
  bool is_open() const { return rules_.empty(); }

  // Whether some peers are known by tokens: who is nobody may be asked for one.
  bool takes_tokens() const;

 private:
  struct Rule {
    Roles roles;
    std::vector<uid_t> users;
    std::vector<gid_t> groups;
    std::vector<std::string> subjects, tokens;
    bool everyone = false;
  };
  static bool meets(const Peer& peer, const Rule& rule);

  std::vector<Rule> rules_;
};

// The token in the value of the header `authorization`, "Bearer TOKEN" (RFC 6750, 2.1); empty when
// it is none.
std::string_view bearer_token(std::string_view authorization);

// PERMISSION_DENIED unless `roles` have `needed`; says what was asked for, and what it needs.
Status check_role(Roles roles, Role needed, std::string_view what);
Status check_needs(Roles roles, Needs needs, std::string_view what);

}  // namespace inferd::serve
