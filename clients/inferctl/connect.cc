// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/connect.h"

#include <sstream>
#include <string>

#include "clients/inferctl/measure/truth.h"

namespace inferd::ctl {
namespace {

// The only token of a file; as for the daemon, empty lines and those that begin with '#' are none.
Result<std::string> read_token(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(path));
  std::string token;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    if (!token.empty()) return invalid_argument("'" + path + "' has more than one token");
    token = line;
  }
  if (token.empty()) return invalid_argument("'" + path + "' has no token");
  return token;
}

}  // namespace

void add_connection_options(CLI::App& app, Globals& globals) {
  app.add_option("--endpoint", globals.endpoint,
                 "the daemon: unix:PATH, HOST:PORT, grpcs://HOST:PORT (TLS) or local:PATH")
      ->capture_default_str();
  const auto file = [&](const char* name, std::string& path, const char* what) {
    app.add_option(name, path, what)->check(CLI::ExistingFile);
  };
  file("--ca", globals.ca, "PEM file: who signs the daemon's certificate; the system's by default");
  file("--cert", globals.certificate, "PEM file: the certificate to show, with --key");
  file("--key", globals.key, "PEM file: the key of --cert");
  file("--token-file", globals.token_file, "file with the token to show");
}

Result<ConnectOptions> connect_options(const Globals& globals) {
  ConnectOptions options;
  options.ca = globals.ca;
  options.certificate = globals.certificate;
  options.key = globals.key;
  if (!globals.token_file.empty()) {
    INFERD_ASSIGN_OR_RETURN(options.token, read_token(globals.token_file));
  }
  return options;
}

Result<std::unique_ptr<Client>> connect(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const ConnectOptions options, connect_options(globals));
  return Client::connect(globals.endpoint, options);
}

}  // namespace inferd::ctl
