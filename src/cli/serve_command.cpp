// laxity serve: the server itself, from configuration to a clean end.
#include <signal.h>

#include <cstdio>
#include <memory>

#include "cli/assembly.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trace_file.h"
#include "live/live_runner.h"
#include "server/runner_port.h"
#include "server/server.h"

namespace laxity {
namespace {

constexpr Duration kGrace = 5s;  // for jobs that still have a chance when the server is asked to stop

Result<ServeConfig> config_of(const ServeFlags& flags) {
  const std::uint32_t cores = this_machine().cores;
  auto config =
      flags.config.empty() ? Result<ServeConfig>(default_config(cores)) : read_config(flags.config, cores);
  if (!config) return config.error();
  if (!flags.models.empty()) config->models = flags.models;
  if (!flags.policy.empty() && flags.policy != config->policy) {
    config->policy = flags.policy;
    config->policy_options.clear();  // they were another policy's
  }
  if (!flags.profile.empty()) config->profile = flags.profile;
  if (flags.http_port) config->http.port = *flags.http_port;
  return config;
}

/// Signals that end the server, held back from all threads so that only `wait` takes them.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    signal(SIGPIPE, SIG_IGN);  // a client that is gone shows as a failed write
  }
  int wait() const {
    int number = 0;
    sigwait(&set_, &number);
    return number;
  }

 private:
  sigset_t set_{};
};

LiveOptions live_options(const ServeConfig& config, const Assembly& assembly) {
  LiveOptions options;
  options.executor_cores = assembly.executor_cores;
  options.pin_threads = config.threads.network_core >= 0;
  options.inline_execution_max = std::chrono::microseconds(config.threads.inline_execution_max_us);
  options.realtime_priority = config.threads.realtime_priority;
  options.spin = std::chrono::microseconds(config.threads.executor_spin_us);
  return options;
}

ServerConfig server_config(const ServeConfig& config, const Assembly& assembly) {
  ServerConfig server;
  server.address = config.http.address;
  server.port = config.http.port;
  server.body_size_max = std::size_t{config.http.body_size_max_mb} << 20;
  server.connections_max = config.http.connections_max;
  server.stream_idle_min = std::chrono::seconds(config.stream_idle_s);
  server.engine = assembly.machine.engine;
  server.is_emulated = assembly.machine.emulated;
  server.busy_poll = config.threads.busy_poll;
  server.realtime_priority = config.threads.realtime_priority;
  if (config.threads.network_core >= 0) server.cores = {config.threads.network_core};
  return server;
}

void say_ready(const ServeConfig& config, const Assembly& assembly, std::uint16_t port) {
  std::string models;
  for (const LoadedModel& model : assembly.repository.models()) {
    models += (models.empty() ? "" : ", ") + model.name;
  }
  std::fprintf(stderr, "laxity: models %s; policy %s; %s%s; times from %s\n", models.c_str(),
               config.policy.c_str(), assembly.machine.engine.c_str(),
               assembly.machine.emulated ? " (emulated)" : "",
               assembly.profile_path.empty() ? "the executors' tables" : assembly.profile_path.c_str());
  if (config.threads.realtime_priority > 0) {
    const Status raised = may_raise_threads(config.threads.realtime_priority);
    if (!raised) {
      std::fprintf(stderr, "laxity: timers may fire late on a busy machine: %s\n",
                   raised.error().message.c_str());
    }
  }
  std::fprintf(stderr, "laxity: ready on http://%s:%u\n", config.http.address.c_str(),
               static_cast<unsigned>(port));
}

}  // namespace

int run_serve(const ServeFlags& flags) {
  auto config = config_of(flags);
  if (!config) return report(config.error());
  auto policy = make_policy(config->policy, config->policy_options);
  if (!policy) return report(policy.error());
  const StopSignals signals;

  auto assembly = [&] {
    ProgressBar bar;
    bool told = false;
    return assemble(*config, true, [&](auto done, auto total, auto label) {
      if (!told) std::fprintf(stderr, "laxity: no profile of this machine yet; measuring once\n");
      told = true;
      bar.update(done, total, label);
    });
  }();
  if (!assembly) return report(assembly.error());

  auto server = Server::make(server_config(*config, *assembly), assembly->repository, config->limits);
  if (!server) return report(server.error());
  auto trace = open_trace(flags.trace, "live", assembly->system, config->policy, config->policy_options,
                          assembly->machine, config->trace_size_max_mb);
  if (!trace) return report(trace.error());
  auto runner = LiveRunner::start(live_options(*config, *assembly), assembly->system, std::move(*policy),
                                  assembly->repository.models(), assembly->executor_engines,
                                  (*server)->job_store(), trace->sink());
  if (!runner) return report(runner.error());
  RunnerPort port(**runner, assembly->system);
  (*server)->serve(port);
  say_ready(*config, *assembly, (*server)->port());

  const int number = signals.wait();
  std::fprintf(stderr, "laxity: %s: finishing what has a chance …\n",
               number == SIGINT ? "interrupted" : "asked to stop");
  (*server)->stop(kGrace);
  runner->reset();
  if (Status closed = trace->close(); !closed) return report(closed.error());
  return to_int(ExitStatus::kDone);
}

}  // namespace laxity
