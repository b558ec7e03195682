#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the C++ client under a scratch prefix, not the configured one, and builds a program against it that knows
# nothing but pkg-config's answer.
#
#   client_package.sh BUILD_FOLDER
set -eu
build=${1:?usage: client_package.sh BUILD_FOLDER}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cmake --install "$build" --prefix "$scratch/prefix" --component dev >/dev/null

cat >"$scratch/program.cc" <<'PROGRAM'
#include <inferd/client/client.h>

#include <iostream>

// Nobody answers, and the client says so.
int main() {
  const auto client = inferd::Client::connect("unix:/nonexistent/inferd.sock", 1000);
  const inferd::Status status = client->server().status();
  std::cout << status.to_string() << "\n";
  return status.code() == inferd::StatusCode::kUnavailable ? 0 : 1;
}
PROGRAM
pc=$(find "$scratch/prefix" -name inferd-client.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # lists of options
c++ "$scratch/program.cc" $(pkg-config --cflags --libs inferd-client) -o "$scratch/program"
"$scratch/program"
