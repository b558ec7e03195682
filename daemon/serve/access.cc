// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/access.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "daemon/config/accounts.h"

namespace inferd::serve {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 3> kNames = {
    {{Role::kInfer, "infer"}, {Role::kObserve, "observe"}, {Role::kAdmin, "admin"}}};

// One in each line; empty lines and those that begin with '#' are none.
Result<std::vector<std::string>> read_tokens(const std::string& path) {
  constexpr size_t kLeast = 16;
  constexpr size_t kMost = 1000;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return not_found("cannot read '" + path + "'");
  if ((info.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return failed_precondition("'" + path +
                               "' holds secrets that others can read or change; chmod "
                               "o-rwx,g-w it");
  }
  std::ifstream file(path);
  std::vector<std::string> tokens;
  for (std::string line; tokens.size() < kMost && std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    if (line.size() < kLeast) {
      return invalid_argument("a token in '" + path + "' has less than " + std::to_string(kLeast) +
                              " characters: it could be guessed");
    }
    tokens.push_back(line);
  }
  if (tokens.empty()) return invalid_argument("'" + path + "' has no token");
  return tokens;
}

// In a time that tells nothing of where they differ.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

Status denied(Roles roles, const std::string& needed, std::string_view what) {
  return permission_denied(std::string(what) + " needs the role " + needed +
                           ", and the caller has: " + roles.to_string());
}

template <typename T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

std::string Roles::to_string() const {
  std::string text;
  for (const auto& [role, name] : kNames) {
    if ((bits_ & static_cast<uint8_t>(role)) != 0) {
      text += (text.empty() ? "" : ", ") + std::string(name);
    }
  }
  return text.empty() ? "none" : text;
}

Result<Peer::Process> process_behind(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return unavailable("the peer's identity is not known");
  }
  Peer::Process process{credentials.pid, credentials.uid, {}};
  process.groups.resize(64);
  for (int attempt = 0; attempt < 2; ++attempt) {  // the second time it knows how many there are
    auto bytes = static_cast<socklen_t>(process.groups.size() * sizeof(gid_t));
    const int result =
        ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, process.groups.data(), &bytes);
    process.groups.resize(bytes / sizeof(gid_t));
    if (result == 0) break;
    if (errno != ERANGE || attempt == 1) process.groups.clear();
    if (errno != ERANGE) break;
  }
  process.groups.push_back(credentials.gid);
  return process;
}

Result<Access> Access::create(std::span<const config::AccessRule> rules) {
  Access access;
  for (const config::AccessRule& config : rules) {
    const std::string where = config.mark.to_string();
    Rule rule;
    for (const auto& [role, name] : kNames) {
      if (contains(config.roles, std::string(name))) rule.roles.add(role);
    }
    for (const std::string& name : config.users) {
      const auto id = config::user_called(name);
      if (!id.ok()) return id.status().with_context(where);
      rule.users.push_back(*id);
    }
    for (const std::string& name : config.groups) {
      const auto id = config::group_called(name);
      if (!id.ok()) return id.status().with_context(where);
      rule.groups.push_back(*id);
    }
    if (!config.tokens.empty()) {
      auto tokens = read_tokens(config.tokens);
      if (!tokens.ok()) return tokens.status().with_context(where);
      rule.tokens = *std::move(tokens);
    }
    rule.subjects = config.subjects;
    rule.everyone = config.everyone;
    access.rules_.push_back(std::move(rule));
  }
  return access;
}

bool Access::meets(const Peer& peer, const Rule& rule) {
  if (rule.everyone) return true;
  if (peer.process) {
    if (contains(rule.users, peer.process->uid)) return true;
    for (const gid_t group : peer.process->groups) {
      if (contains(rule.groups, group)) return true;
    }
  }
  if (!peer.subject.empty() && contains(rule.subjects, peer.subject)) return true;
  bool known = false;  // all are looked at, so that the time does not tell which one it is
  for (const std::string& token : rule.tokens) known |= same_secret(token, peer.token);
  return known;
}

Roles Access::roles_of(const Peer& peer) const {
  if (is_open()) return Roles::all();
  Roles roles;
  for (const Rule& rule : rules_) {
    if (meets(peer, rule)) roles.add(rule.roles);
  }
  return roles;
}

bool Access::takes_tokens() const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [](const Rule& rule) { return !rule.tokens.empty(); });
}

std::string_view bearer_token(std::string_view authorization) {
  // The word's case does not matter (RFC 9110, 11.1).
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() < kBearer.size()) return {};
  for (size_t i = 0; i < kBearer.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c) != kBearer[i]) return {};
  }
  return authorization.substr(kBearer.size());
}

Status check_role(Roles roles, Role needed, std::string_view what) {
  if (roles.has(needed)) return ok_status();
  const auto name = std::find_if(kNames.begin(), kNames.end(),
                                 [&](const auto& item) { return item.first == needed; });
  return denied(roles, "'" + std::string(name->second) + "'", what);
}

Status check_needs(Roles roles, Needs needs, std::string_view what) {
  switch (needs) {
    case Needs::kNothing:
      return ok_status();
    case Needs::kAnyRole:
      return roles == Roles() ? denied(roles, "'infer' or 'observe'", what) : ok_status();
    case Needs::kInfer:
      return check_role(roles, Role::kInfer, what);
    case Needs::kObserve:
      return check_role(roles, Role::kObserve, what);
    case Needs::kAdmin:
      break;
  }
  return check_role(roles, Role::kAdmin, what);
}

}  // namespace inferd::serve
