// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/listeners.h"

#include <arpa/inet.h>

#include <type_traits>

namespace inferd::config {
namespace {

// `is_encrypted`: it has tls.
template <typename AnyListener>
void check_listener(MapReader& r, const YAML::Node& node, const AnyListener& listener,
                    bool is_encrypted) {
  if (listener.address.empty()) return r.error(node, "a listener needs an address");
  if (listener.address.starts_with("unix:")) {
    // sockaddr_un has 108 bytes.
    if (listener.address.size() - 5 > 107)
      r.error(node, "the socket path is longer than 107 characters");
    return;
  }
  if (listener.address.find(':') == std::string::npos) {
    return r.error(node, "'" + listener.address + "' is neither unix:PATH nor HOST:PORT");
  }
  if (!is_loopback(listener.address) && !listener.insecure && !is_encrypted) {
    constexpr bool kCanEncrypt = std::is_base_of_v<Listener, AnyListener>;
    r.error(node, "'" + listener.address +
                      "' can be reached from other machines without encryption; " +
                      (kCanEncrypt ? "give it tls, or " : "") +
                      "write insecure: true beside it if that is meant");
  }
}

// Permissions of a Unix socket.
void read_mode(MapReader& r, int& mode) {
  std::string text = "0660";
  r.read("mode", text);
  const bool octal =
      !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
  if (!octal) return r.error(r.child("mode"), "'mode' must be octal permissions such as \"0660\"");
  mode = static_cast<int>(std::stol(text, nullptr, 8));
}

// Where a listener's peers come from, which decides by what they can be told apart.
struct Origin {
  bool is_unix = false, is_loopback = false, has_tls = false, has_client_ca = false;
};

void check_rule(MapReader& r, const YAML::Node& node, const AccessRule& rule,
                const Origin& origin) {
  if (rule.roles.empty()) r.error(node, "a rule needs roles");
  for (const std::string& role : rule.roles) {
    if (role != "infer" && role != "observe" && role != "admin") {
      r.error(node, "there is no role '" + role + "'; there are infer, observe, admin");
    }
  }
  const bool local = !rule.users.empty() || !rule.groups.empty();
  if (!local && rule.subjects.empty() && rule.tokens.empty() && !rule.everyone) {
    r.error(node, "a rule names users, groups, subjects, tokens, or says everyone: true");
  }
  if (local && !origin.is_unix) r.error(node, "only peers of a Unix socket have users and groups");
  if (!rule.subjects.empty() && !origin.has_client_ca) {
    r.error(node, "subjects are those of certificates: the listener needs tls with client_ca");
  }
  if (rule.tokens.empty()) return;
  if (origin.is_unix) {
    r.error(node, "peers of a Unix socket are known by user and group, and show no tokens");
  } else if (!origin.is_loopback && !origin.has_tls) {
    r.error(node, "tokens would travel without encryption: the listener needs tls");
  }
}

std::vector<AccessRule> read_rules(MapReader& parent, const Origin& origin) {
  std::vector<AccessRule> rules;
  const YAML::Node list = parent.child("allow");
  if (!list.IsDefined()) return rules;
  if (!list.IsSequence() || list.size() == 0) {
    parent.error(list, "'allow' must be a list of rules, and not empty");
    return rules;
  }
  for (const auto& item : list) {
    MapReader r(item, parent.file(), parent.errors());
    AccessRule rule;
    rule.mark = r.mark_of(item);
    r.read("roles", rule.roles);
    r.read("users", rule.users);
    r.read("groups", rule.groups);
    r.read("subjects", rule.subjects);
    r.read("tokens", rule.tokens);
    r.read("everyone", rule.everyone);
    r.finish();
    rule.tokens = resolve_secret(r, r.child("tokens"), rule.tokens);
    check_rule(r, item, rule, origin);
    rules.push_back(std::move(rule));
  }
  return rules;
}

void read_tls(MapReader& parent, std::optional<TlsConfig>& tls) {
  const YAML::Node node = parent.child("tls");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  tls.emplace();
  for (const auto& [key, file] :
       {std::pair("certificate", &tls->certificate), std::pair("key", &tls->key),
        std::pair("client_ca", &tls->client_ca)}) {
    r.read(key, file->path);
    file->path = resolve_secret(r, r.child(key), file->path);
    file->mark = r.mark_of(r.child(key));
  }
  r.finish();
  if (tls->certificate.path.empty() || tls->key.path.empty()) {
    parent.error(node, "'tls' needs a certificate and a key");
  }
}

// What only listeners of one protocol have.
void read_more(MapReader& r, GrpcListener& listener) {
  r.read("max_connections", listener.max_connections, 1, 100'000);
}
void read_more(MapReader& r, HttpListener& listener) {
  r.read("max_connections", listener.max_connections, 2, 100'000);
  r.read("timeout_s", listener.timeout_s, 1, 3600);
  r.read("hosts", listener.hosts);
}

void note_loopback(GrpcListener&) {}
void note_loopback(HttpListener& listener) { listener.loopback = is_loopback(listener.address); }

// An address alone, or a mapping.
template <typename OfProtocol>
OfProtocol read_listener(MapReader& r, const YAML::Node& item) {
  OfProtocol listener;
  listener.mark = r.mark_of(item);
  if (item.IsScalar()) {
    listener.address = item.Scalar();
  } else {
    MapReader l(item, r.file(), r.errors());
    l.read("address", listener.address);
    read_mode(l, listener.socket_mode);
    l.read("insecure", listener.insecure);
    read_tls(l, listener.tls);
    const bool is_unix = listener.address.starts_with("unix:");
    if (is_unix && listener.tls) l.error(item, "a Unix socket needs no tls");
    listener.allow =
        read_rules(l, {.is_unix = is_unix,
                       .is_loopback = !is_unix && is_loopback(listener.address),
                       .has_tls = listener.tls.has_value(),
                       .has_client_ca = listener.tls && !listener.tls->client_ca.path.empty()});
    read_more(l, listener);
    l.finish();
  }
  note_loopback(listener);
  if (listener.address.starts_with("unix:"))
    listener.address = "unix:" + resolve(r.file(), listener.address.substr(5));
  check_listener(r, item, listener, listener.tls.has_value());
  return listener;
}

// A path alone, or a mapping.
LocalListener read_local(MapReader& r, const YAML::Node& item) {
  LocalListener listener;
  listener.mark = r.mark_of(item);
  if (item.IsScalar()) {
    listener.path = item.Scalar();
  } else {
    MapReader l(item, r.file(), r.errors());
    l.read("path", listener.path);
    read_mode(l, listener.socket_mode);
    l.read("max_connections", listener.max_connections, 1, 10'000);
    l.read("max_user_connections", listener.max_user_connections, 1, 10'000);
    l.read("max_in_flight", listener.max_in_flight, 1, 1024);
    l.read("max_buffers", listener.max_buffers, 1, 4096);
    l.read("max_buffer_bytes", listener.max_buffer_bytes, 1 << 12, int64_t{1} << 40);
    l.read("max_user_bytes", listener.max_user_bytes, 1 << 12, int64_t{1} << 40);
    l.read("spin_us", listener.spin_us, 0, 10'000);
    listener.allow = read_rules(l, {.is_unix = true});
    l.finish();
  }
  if (listener.path.empty()) r.error(item, "a local socket needs a path");
  listener.path = resolve(r.file(), listener.path);
  // sockaddr_un has 108 bytes.
  if (listener.path.size() > 107) r.error(item, "the socket path is longer than 107 characters");
  return listener;
}

// False: the key is not there.
template <typename OfProtocol>
bool read_list(MapReader& r, const std::string& key, std::vector<OfProtocol>& listeners) {
  const YAML::Node list = r.child(key);
  if (!list.IsDefined()) return false;
  if (!list.IsSequence()) {
    r.error(list, "'" + key + "' must be a list of listeners");
    return true;
  }
  for (const auto& item : list) listeners.push_back(read_listener<OfProtocol>(r, item));
  if (listeners.empty()) r.error(list, "'" + key + "' lists no address to listen on");
  return true;
}

}  // namespace

void read_address(MapReader& r, const YAML::Node& item, FrigateListener& listener) {
  r.read("address", listener.address);
  read_mode(r, listener.socket_mode);
  r.read("insecure", listener.insecure);
  if (listener.address.starts_with("unix:"))
    listener.address = "unix:" + resolve(r.file(), listener.address.substr(5));
  check_listener(r, item, listener, false);
}

bool is_loopback(std::string_view address) {
  for (const std::string_view prefix : {"ipv4:", "ipv6:"}) {
    if (address.starts_with(prefix)) address.remove_prefix(prefix.size());
  }
  std::string host(address.substr(0, address.rfind(':')));
  if (host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  if (!host.starts_with('[') || !host.ends_with(']')) return false;
  host = host.substr(1, host.size() - 2);
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void read_listeners(MapReader& r, ServerConfig& server) {
  if (!read_list(r, "grpc", server.grpc)) {
    GrpcListener usual;
    usual.address = "unix:/run/inferd/inferd.sock";
    server.grpc.push_back(std::move(usual));
  }
  read_list(r, "http", server.http);
  const YAML::Node local = r.child("local");
  if (local.IsDefined() && !local.IsSequence()) r.error(local, "'local' must be a list of sockets");
  for (const auto& item : local.IsSequence() ? local : YAML::Node(YAML::NodeType::Sequence))
    server.local.push_back(read_local(r, item));
}

}  // namespace inferd::config
