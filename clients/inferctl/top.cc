// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <thread>

#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"
#include "clients/inferctl/top/poller.h"
#include "clients/inferctl/top/screen.h"
#include "clients/inferctl/top/terminfo.h"

namespace inferd::ctl {
namespace {

constexpr double kLeastInterval = 0.1, kMostInterval = 3600;  // seconds
constexpr int64_t kTimeoutMs = 3000;  // of a call: to quit is to wait for it

struct Options {
  double interval = 2;
  bool once = false;
  std::string view, sort, filter;
};

// Titles, unless only one view was asked for.
void print(const SamplePair& samples, Browser& browser, const std::string& only) {
  std::cout << headline(samples) << "\n";
  for (const View& view : views()) {
    if (!only.empty() && only != view.name) continue;
    if (only.empty() && !browser.open(view.name).ok()) continue;
    std::cout << "\n" << to_text(browser.table(samples));
  }
}

nlohmann::json to_json(const SamplePair& samples, Browser& browser, const std::string& only) {
  const ServerInfo& server = samples.now.server;
  nlohmann::json json = {{"name", server.name},
                         {"version", server.version},
                         {"ready", server.ready},
                         {"seconds", samples.seconds()}};
  for (const View& view : views()) {
    if (!only.empty() && only != view.name) continue;
    if (only.empty() && !browser.open(view.name).ok()) continue;
    json[view.name] = to_json(browser.table(samples));
  }
  return json;
}

// Two samples, since one tells no rates.
Status print_once(const Globals& globals, const Options& o, Client& client, Browser& browser) {
  Sampler sampler(client);
  SamplePair samples;
  INFERD_ASSIGN_OR_RETURN(samples.before, sampler.take());
  std::this_thread::sleep_for(std::chrono::duration<double>(o.interval));
  INFERD_ASSIGN_OR_RETURN(samples.now, sampler.take());
  samples.has_before = true;
  if (globals.json) {
    std::cout << to_json(samples, browser, o.view).dump(2) << "\n";
  } else {
    print(samples, browser, o.view);
  }
  return ok_status();
}

Status show(const Options& o, Client& client, Browser& browser) {
  INFERD_RETURN_IF_ERROR(check_terminal());
  Sampler sampler(client);
  // Who is not there at the beginning is said as of every command.
  INFERD_ASSIGN_OR_RETURN(Sample first, sampler.take());
  double interval = o.interval;
  Poller poller(client, std::move(first), interval);
  Screen screen;
  while (!browser.wants_to_quit()) {
    const Poller::Latest latest = poller.latest();
    screen.draw(latest.samples, latest.status, browser, interval);
    if (!screen.wait_for_keys(poller.came(), browser)) break;
    const int steps = browser.take_interval_steps();
    if (steps == 0) continue;
    interval = std::clamp(std::ldexp(interval, -steps), kLeastInterval, kMostInterval);
    poller.set_interval(interval);
  }
  return ok_status();
}

Status top(const Globals& globals, const Options& o) {
  Browser browser;
  if (!o.view.empty()) INFERD_RETURN_IF_ERROR(browser.open(o.view));
  if (!o.sort.empty()) INFERD_RETURN_IF_ERROR(browser.sort_by(o.sort));
  browser.filter(o.filter);
  INFERD_ASSIGN_OR_RETURN(ConnectOptions connection, connect_options(globals));
  connection.timeout_ms = kTimeoutMs;
  INFERD_ASSIGN_OR_RETURN(const auto client, Client::connect(globals.endpoint, connection));
  const bool is_terminal = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  if (o.once || globals.json || !is_terminal) return print_once(globals, o, *client, browser);
  return show(o, *client, browser);
}

}  // namespace

void add_top(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand(
      "top", "models, pipelines, clients and the machine, on the whole terminal; ? tells its keys");
  const auto o = std::make_shared<Options>();
  command->add_option("--interval", o->interval, "seconds from one look to the next")
      ->capture_default_str()
      ->check(CLI::Range(kLeastInterval, kMostInterval));
  command->add_flag("--once", o->once,
                    "print tables and end, after one interval; without a terminal, too");
  std::vector<std::string> names;
  for (const View& view : views()) names.emplace_back(view.name);
  command->add_option("--view", o->view, "only this one, or the first to be shown")
      ->check(CLI::IsMember(names));
  command->add_option("--sort", o->sort, "column of --view, or of models, as --json calls it");
  command->add_option("--filter", o->filter, "only rows with this text");
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return top(globals, *o); }; });
}

}  // namespace inferd::ctl
