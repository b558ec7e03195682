// SPDX-License-Identifier: Apache-2.0
//
// inferctl's commands: one file each, one row each in main.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "inferd/engine/status.h"

namespace inferd::ctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 3;

struct Globals {
  std::string endpoint = "unix:/run/inferd/inferd.sock";
  std::string ca, certificate, key, token_file;  // connect.h
  bool json = false;
  std::string version;  // of inferctl
};

// Of an option of commands that take a model file.
inline constexpr const char* kSignatureHelp =
    "which of the file's signatures to take; by default serving_default, or else the first";

// A command adds its options and gives what runs when it was chosen.
using Run = std::function<Status()>;
using AddCommand = void (*)(CLI::App& app, const Globals& globals, Run& chosen);

void add_inspect(CLI::App& app, const Globals& globals, Run& chosen);
void add_run(CLI::App& app, const Globals& globals, Run& chosen);
void add_compile(CLI::App& app, const Globals& globals, Run& chosen);
void add_bench(CLI::App& app, const Globals& globals, Run& chosen);
void add_quantize(CLI::App& app, const Globals& globals, Run& chosen);
void add_evaluate(CLI::App& app, const Globals& globals, Run& chosen);
void add_status(CLI::App& app, const Globals& globals, Run& chosen);
void add_health(CLI::App& app, const Globals& globals, Run& chosen);
void add_doctor(CLI::App& app, const Globals& globals, Run& chosen);
void add_infer(CLI::App& app, const Globals& globals, Run& chosen);
void add_key(CLI::App& app, const Globals& globals, Run& chosen);
void add_load(CLI::App& app, const Globals& globals, Run& chosen);
void add_model(CLI::App& app, const Globals& globals, Run& chosen);
void add_top(CLI::App& app, const Globals& globals, Run& chosen);
void add_setup(CLI::App& app, const Globals& globals, Run& chosen);
void add_pipeline(CLI::App& app, const Globals& globals, Run& chosen);

// Subcommands of `model`.
void add_model_sign(CLI::App& model_command, const Globals& globals, Run& chosen);
void add_model_verify(CLI::App& model_command, const Globals& globals, Run& chosen);

}  // namespace inferd::ctl
