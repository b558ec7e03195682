// SPDX-License-Identifier: Apache-2.0
//
// Wiring: what exists in the daemon, in the order in which it is made and taken down.
#include "daemon/app.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <sstream>
#include <thread>

#include "daemon/governed.h"
#include "daemon/host/cpu_quota.h"
#include "daemon/host/descriptors.h"
#include "daemon/host/freed_memory.h"
#include "daemon/host/host.h"
#include "daemon/host/kept_sockets.h"
#include "daemon/host/linking.h"
#include "daemon/host/start_progress.h"
#include "daemon/host/systemd.h"
#include "daemon/host/watchdog.h"
#include "daemon/models/deploy/deployments.h"
#include "daemon/models/repository.h"
#include "daemon/models/store/store.h"
#include "daemon/models/variants.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/certificates.h"
#include "daemon/serve/frigate/frigate_server.h"
#include "daemon/serve/grpc/grpc_server.h"
#include "daemon/serve/http/http_service.h"
#include "daemon/serve/local/local_server.h"
#include "daemon/telemetry/log.h"
#include "daemon/telemetry/trace.h"
#include "daemon/telemetry/worker.h"

namespace inferd {
namespace {

// Destroyed in reverse: pipelines and deployments use models, models use the engine.
struct Parts {
  std::unique_ptr<serve::SharedMemory> shared_memory;
  std::shared_ptr<Engine> engine;
  std::unique_ptr<models::Store> store;  // null where there is no folder of models
  std::unique_ptr<models::DeployableRepository> repository;
  std::unique_ptr<models::Deployments> deployments;  // null without a store
  std::unique_ptr<pipeline::Pipelines> pipelines;
  std::unique_ptr<Governed> governed;
  std::unique_ptr<host::Governor> governor;  // null where none is configured
  std::unique_ptr<host::Host> host;
};

// A check says what is wrong as an error; a daemon starts with what it has, and warns.
Status check_less(const config::Config& config, Parts& parts, bool only_look) {
  const Status variants = models::check_variants(*parts.repository);
  const Status steps =
      config.governor ? check_steps(*config.governor, *parts.governed) : ok_status();
  if (only_look) {
    INFERD_RETURN_IF_ERROR(variants);
    return steps;
  }
  for (const Status& status : {variants, steps}) {
    if (!status.ok()) telemetry::log(LogLevel::kWarning, status.message());
  }
  return ok_status();
}

void make_governor(const config::Config& config, const std::string& root, Parts& parts) {
  if (config.governor) {
    parts.governor = std::make_unique<host::Governor>(
        *config.governor, [root] { return host::read_machine(root); }, *parts.governed);
  }
  parts.host = std::make_unique<host::Host>(root, parts.governor.get());
}

// One per core, fewer where a control group would stop them for it.
int threads_for_machine() {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const auto quota = host::cpu_quota();
  const int threads = host::threads_within(quota, cores);
  if (threads < cores) {
    std::ostringstream line;
    line << "the engine has " << threads << " threads on " << cores
         << " cores: its control group gives it " << *quota << " of them";
    telemetry::log(LogLevel::kInfo, line.str());
  }
  return threads;
}

// `only_look`: nothing on the disk is changed.
Result<Parts> make_parts(const config::Config& config, const MakeEngine& make_engine,
                         bool only_look, const pipeline::Pipelines::ReadConfigs& read_pipelines) {
  host::StartProgress progress;
  Parts parts;
  parts.shared_memory = std::make_unique<serve::SharedMemory>(serve::SharedMemoryOptions{
      config.server.system_shared_memory, config.server.max_shared_memory_bytes});
  EngineOptions options;
  options.threads = config.engine.threads > 0 ? config.engine.threads : threads_for_machine();
  options.use_core_classes = config.engine.use_core_classes;
  options.prefer_kernels = config.engine.prefer_kernels;
  options.stripe_bytes = config.engine.stripe_bytes;
  options.allow_float16 = config.engine.allow_float16;
  options.log = [](LogLevel level, std::string_view line) { telemetry::log(level, line); };
  INFERD_ASSIGN_OR_RETURN(parts.engine, make_engine(options));
  if (!config.models.root.empty()) {
    INFERD_ASSIGN_OR_RETURN(parts.store, models::Store::open(config.models, only_look));
  }
  const auto tell = [&](size_t number, size_t of, const std::string& model) {
    progress.begin("loading " + std::to_string(number) + " of " + std::to_string(of) + ": " +
                   model);
  };
  INFERD_ASSIGN_OR_RETURN(
      parts.repository,
      models::DeployableRepository::open(config.models, parts.engine, parts.store.get(), tell));
  progress.begin("building pipelines");
  INFERD_ASSIGN_OR_RETURN(
      parts.pipelines,
      pipeline::Pipelines::create(config.pipelines, *parts.repository, read_pipelines));
  if (parts.store != nullptr && !only_look) {
    parts.deployments = std::make_unique<models::Deployments>(config.models.deployments,
                                                              *parts.repository, *parts.store);
  }
  parts.governed =
      std::make_unique<Governed>(*parts.repository, *parts.pipelines, parts.engine->threads());
  INFERD_RETURN_IF_ERROR(check_less(config, parts, only_look));
  return parts;
}

// SIGTERM, SIGINT and SIGHUP wait for sigwait instead of interrupting a thread; writes to closed
// sockets are errors, not signals. Threads made later inherit this.
sigset_t block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void reload(pipeline::Pipelines& pipelines, telemetry::Worker& worker) {
  const telemetry::Work work(worker);
  host::notify_reloading();
  const Status status = pipelines.reload();
  if (status.ok()) {
    telemetry::log(LogLevel::kInfo, "pipelines are as the configuration has them now");
  } else {
    telemetry::log(LogLevel::kError, "the pipelines stay as they are: " + status.message());
  }
  host::notify_ready();
}

// Sleeps until one of the signals comes that end the daemon, and returns it.
int wait_for(const sigset_t& signals, pipeline::Pipelines& pipelines) {
  constexpr timespec kPause{.tv_sec = 20, .tv_nsec = 0};
  host::FreedMemory freed;
  telemetry::Worker worker("reading the pipelines again (SIGHUP)");
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &kPause);
    if (signal == SIGHUP) {
      reload(pipelines, worker);
    } else if (signal > 0) {
      return signal;
    }
    freed.give_back();
  }
}

// One for each protocol that is configured.
using Servers = std::vector<std::unique_ptr<serve::Server>>;

Result<Servers> start_servers(const config::ServerConfig& config, Parts& parts,
                              const std::string& version) {
  Servers servers;
  INFERD_ASSIGN_OR_RETURN(
      servers.emplace_back(),
      serve::start_grpc(config, *parts.repository, *parts.pipelines, *parts.shared_memory, version,
                        parts.deployments.get(), parts.host.get()));
  if (!config.http.empty()) {
    INFERD_ASSIGN_OR_RETURN(
        servers.emplace_back(),
        serve::start_http(config, *parts.repository, *parts.pipelines, *parts.shared_memory,
                          version, parts.deployments.get(), parts.host.get()));
  }
  for (const config::LocalListener& listener : config.local) {
    INFERD_ASSIGN_OR_RETURN(servers.emplace_back(), serve::start_local(listener, *parts.repository,
                                                                       *parts.pipelines, version));
  }
  for (const config::FrigateListener& listener : config.frigate) {
    INFERD_ASSIGN_OR_RETURN(servers.emplace_back(),
                            serve::start_frigate(listener, *parts.pipelines));
  }
  return servers;
}

// What stopping takes beside draining: pipelines that do not end are waited for.
constexpr int64_t kStopMs = 25'000;

// At the end of the start. What systemd handed over and no listener wanted must not go on
// listening.
void drop_unused_sockets() {
  for (const std::string& address : host::KeptSockets::of_process().drop_rest()) {
    telemetry::log(LogLevel::kWarning,
                   "inferd.socket listens on '" + address +
                       "', which no listener of the configuration takes over: who connects waits "
                       "in vain. Add it under 'server' (grpc, or local), or take it out of "
                       "inferd.socket ('systemctl edit inferd.socket')");
  }
}

std::string serving_status(const Parts& parts) {
  const size_t pipelines = parts.pipelines->list().size();
  return "serving " + std::to_string(parts.repository->list().size()) + " models" +
         (pipelines == 0 ? "" : " and " + std::to_string(pipelines) + " pipelines");
}

// Answers are finished up to `drain_timeout_ms`; then what still waits in queues is refused, and
// only the batches that run are waited for.
void drain(const config::ServerConfig& config, Parts& parts, const Servers& servers) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(config.drain_timeout_ms);
  const std::jthread timer([&](const std::stop_token& drained) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_until(lock, drained, until, [] { return false; });
    if (drained.stop_requested()) return;
    telemetry::log(LogLevel::kWarning, "the drain timeout has passed, refusing what still waits");
    parts.repository->abandon();
  });
  // What it has had done less stays so: the daemon ends.
  if (parts.governor != nullptr) parts.governor->stop();
  for (const auto& server : servers) server->announce_shutdown();
  if (parts.deployments != nullptr) parts.deployments->stop();
  parts.pipelines->stop();
  // Before the servers, which would wait for streams that clients hold open; from here on they
  // answer that models take no more.
  parts.repository->close();
  // All is answered; the last answers shall reach their clients.
  constexpr int64_t kLastAnswersMs = 2'000;
  for (const auto& server : servers) server->shut_down(kLastAnswersMs);
}

}  // namespace

Status check(const config::Config& config) {
  config::LogConfig log = config.log;
  log.level = "warning";  // what files say in vain is to be seen, whatever the daemon logs
  telemetry::set_up_log(log);
  INFERD_RETURN_IF_ERROR(telemetry::tracer().open(config.trace));
  INFERD_RETURN_IF_ERROR(serve::check_listeners(config.server));
  return make_parts(config, Engine::create, true, {}).status();
}

Status run(const config::Config& config, const std::string& config_path, const std::string& version,
           const MakeEngine& make_engine, const std::string& machine_root) {
  host::forget_linking();
  host::share_heaps();
  telemetry::set_up_log(config.log);
  for (const std::string& wrong : host::KeptSockets::of_process().adopt())
    telemetry::log(LogLevel::kWarning, wrong);
  const sigset_t signals = block_signals();
  if (const Status raised = host::raise_descriptor_limit(); !raised.ok())
    telemetry::log(LogLevel::kWarning, raised.message());
  INFERD_RETURN_IF_ERROR(telemetry::tracer().open(config.trace));
  const auto read_pipelines = [config_path](const std::map<std::string, std::string>& instead)
      -> Result<std::vector<config::PipelineConfig>> {
    INFERD_ASSIGN_OR_RETURN(config::Config now, config::load(config_path, instead));
    return std::move(now.pipelines);
  };
  INFERD_ASSIGN_OR_RETURN(Parts parts, make_parts(config, make_engine, false, read_pipelines));
  make_governor(config, machine_root, parts);
  // Before the servers, so that whoever finds one answering finds the pipelines running.
  parts.pipelines->start();
  INFERD_ASSIGN_OR_RETURN(const Servers servers, start_servers(config.server, parts, version));
  for (const models::ModelStatus& model : parts.repository->list()) {
    telemetry::log(
        LogLevel::kInfo,
        "model " + model.name + " version " + std::to_string(model.version) + " is ready",
        {.model = model.name});
  }
  for (const config::GrpcListener& listener : config.server.grpc) {
    telemetry::log(LogLevel::kInfo, "serving on " + listener.address);
  }
  for (const config::LocalListener& listener : config.server.local) {
    telemetry::log(LogLevel::kInfo, "serving on local:" + listener.path);
  }
  drop_unused_sockets();
  if (parts.governor != nullptr) parts.governor->start();
  host::notify_status(serving_status(parts));
  host::notify_ready();
  const host::Watchdog watchdog(static_cast<int64_t>(config.server.stall_s * 1000));

  const int signal = wait_for(signals, *parts.pipelines);
  telemetry::log(LogLevel::kInfo, std::string(sigabbrev_np(signal)) + " received, draining");
  host::notify_stopping(config.server.drain_timeout_ms + kStopMs);
  drain(config.server, parts, servers);
  telemetry::tracer().close();
  telemetry::log(LogLevel::kInfo, "stopped");
  return ok_status();
}

}  // namespace inferd
