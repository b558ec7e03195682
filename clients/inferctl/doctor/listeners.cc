// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/doctor/listeners.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "clients/inferctl/doctor/files.h"
#include "clients/inferctl/doctor/open_ports.h"

namespace inferd::ctl {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr int64_t kUsualFirstPort = 1024;  // that needs no privilege; ip(7)

struct Place {
  std::string host;
  uint16_t port = 0;  // 0: any
};

// Of "HOST:PORT", with gRPC's prefixes for numeric addresses.
std::optional<Place> place_of(std::string_view address) {
  for (const std::string_view prefix : {"ipv4:", "ipv6:"}) {
    if (address.starts_with(prefix)) address.remove_prefix(prefix.size());
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Place place{std::string(address.substr(0, colon))};
  const std::string_view digits = address.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), place.port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return place;
}

std::string text_of(const Listener& listener) { return listener.protocol + " " + listener.address; }

// The daemon's own, or held for it by systemd.
bool is_the_daemons(const Patient& patient, const OpenPort& open,
                    const std::vector<Holder>& programs) {
  if (!programs.empty()) {
    return std::any_of(programs.begin(), programs.end(), [](const Holder& holder) {
      return holder.name.starts_with("inferd") || holder.name == "systemd";
    });
  }
  const auto user = find_user(patient.root, patient.user);
  return user && open.user == user->id;
}

// Whether a line of a drop-in of the unit has that in it.
bool unit_says(const Patient& patient, const std::string& unit, const std::string& key,
               const std::string& what) {
  for (const std::string& file : entries(patient.root + "/etc/systemd/system/" + unit + ".d", "")) {
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with(key + "=") && line.find(what) != std::string::npos) return true;
    }
  }
  return false;
}

// True: the daemon listens there.
bool examine_taken(const Patient& patient, const Listener& listener, const Place& place,
                   Findings& findings) {
  for (const OpenPort& open : open_ports(patient.root)) {
    if (open.port != place.port || !takes(open, place.host)) continue;
    const auto programs = holders(patient.root, open);
    if (is_the_daemons(patient, open, programs)) return true;
    const std::string port = "port " + std::to_string(place.port) + " of " + text_of(listener);
    if (programs.empty()) {
      findings.push_back({Level::kWarning,
                          port + " is taken by a program of user " + std::to_string(open.user),
                          "sudo inferctl doctor says which it is"});
    } else {
      findings.push_back({Level::kError,
                          port + " is taken by " + programs.front().name + " (process " +
                              std::to_string(programs.front().process) + ")",
                          "end that program, or choose another port at " + listener.at});
    }
    return false;
  }
  return false;
}

void examine_privilege(const Patient& patient, const Listener& listener, const Place& place,
                       Findings& findings) {
  const int64_t first = number_in(patient.root + "/proc/sys/net/ipv4/ip_unprivileged_port_start")
                            .value_or(kUsualFirstPort);
  const auto user = find_user(patient.root, patient.user);
  if (place.port >= first || !user || user->id == 0) return;
  const bool takes_over = listener.protocol == "grpc";  // sockets that systemd opened
  const std::string port = std::to_string(place.port);
  if (unit_says(patient, "inferd.service", "AmbientCapabilities", "CAP_NET_BIND_SERVICE") ||
      (takes_over && unit_says(patient, "inferd.socket", "ListenStream", port)))
    return;
  findings.push_back(
      {Level::kError,
       patient.user + " may not open port " + port + " of " + text_of(listener) +
           ", which is below " + std::to_string(first),
       "a port from " + std::to_string(first) + " on at " + listener.at +
           (takes_over
                ? ", or ListenStream=" + listener.address + " in sudo systemctl edit inferd.socket"
                : ", or in sudo systemctl edit inferd: CapabilityBoundingSet= and "
                  "AmbientCapabilities=CAP_NET_BIND_SERVICE")});
}

// Who may come in.
void examine_access(const Listener& listener, Findings& findings) {
  if (listener.protocol == "frigate") {  // there is neither TLS nor a rule to give it
    if (listener.loopback) return;
    findings.push_back({Level::kWarning,
                        text_of(listener) +
                            " is open to other machines, unencrypted: whoever reaches it may ask "
                            "its pipeline and fill the memory",
                        "an address of 127.0.0.1 or unix: at " + listener.at +
                            ", or a firewall, see docs/access.md"});
    return;
  }
  if (!listener.loopback && !listener.tls) {
    findings.push_back({Level::kWarning,
                        text_of(listener) +
                            " is open to other machines without encryption: who is on the way "
                            "can read and change all that passes",
                        "give it tls at " + listener.at + ", see docs/access.md"});
  }
  if (!listener.rules) {
    findings.push_back(
        {Level::kWarning,
         (listener.loopback ? "every program on this machine" : "whoever reaches this machine") +
             (" may do everything by " + text_of(listener)) + ", also bring models",
         "give it allow: at " + listener.at + ", see docs/access.md"});
  }
}

void examine_folder(const Patient& patient, const Listener& listener, Findings& findings) {
  const std::filesystem::path folder =
      std::filesystem::path(listener.address.substr(kUnix.size())).parent_path();
  const std::filesystem::path here = patient.root + folder.string();
  const std::string owner = patient.user + ":" + patient.user;
  std::error_code error;
  if (!std::filesystem::is_directory(here, error)) {
    findings.push_back({Level::kError,
                        "there is no folder " + folder.string() + " for " + text_of(listener),
                        folder == "/run/inferd" ? "sudo systemd-tmpfiles --create"
                                                : "sudo install -d -o " + patient.user + " -g " +
                                                      patient.user + " " + folder.string()});
    return;
  }
  const auto user = find_user(patient.root, patient.user);
  if (!user || may_write_in(*user, here)) return;
  findings.push_back(
      {Level::kError,
       patient.user + " may not make a socket in " + folder.string() + ", for " + text_of(listener),
       "sudo chown " + owner + " " + folder.string()});
}

}  // namespace

Result<std::vector<Listener>> read_listeners(const std::string& json) {
  std::vector<Listener> listeners;
  try {
    for (const auto& entry : nlohmann::json::parse(json)) {
      listeners.push_back({entry.at("protocol"), entry.at("address"), entry.at("loopback"),
                           entry.at("tls"), entry.at("rules"), entry.at("at")});
    }
  } catch (const nlohmann::json::exception& error) {
    return invalid_argument(std::string("no list of listeners: ") + error.what());
  }
  return listeners;
}

void examine_listeners(const Patient& patient, const std::vector<Listener>& listeners,
                       Findings& findings) {
  for (const Listener& listener : listeners) {
    if (listener.address.starts_with(kUnix)) {
      examine_folder(patient, listener, findings);
      continue;
    }
    const auto place = place_of(listener.address);
    if (place && place->port != 0 && !examine_taken(patient, listener, *place, findings))
      examine_privilege(patient, listener, *place, findings);
    examine_access(listener, findings);
  }
}

}  // namespace inferd::ctl
