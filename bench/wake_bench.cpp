// What it costs to get another thread going: the number that decides where threads are placed and why the
// scheduler is a strand. Prints, for two threads on other cores, on one core, and with the waiting one
// spinning: the time from the ring until the other side runs, and what the ring itself costs the one who
// rings. Then what a whole hand-over through the live driver takes, with an engine that does nothing.
//
//   wake_bench [--rounds 5000]
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench/measure.h"
#include "live/live_runner.h"
#include "live/mailbox.h"
#include "live/placement.h"
#include "policy/registry.h"
#include "trace/jsonl_sink.h"

namespace laxity::bench {
namespace {

void print_row(const char* what, std::vector<double>& ns) {
  const double p50 = percentile(ns, 50), p99 = percentile(ns, 99), max = percentile(ns, 100);
  std::printf("%-58s p50 %9.2f us   p99 %9.2f us   max %9.2f us\n", what, p50 / 1e3, p99 / 1e3, max / 1e3);
}

enum class Waiting { kSleeping, kSpinning };

// One ring at a time; the pause in between lets the other side fall asleep again.
void measure_bell(const char* what, int ringer_core, int waiter_core, Waiting waiting, int rounds) {
  SteadyClock clock;
  Doorbell bell;
  std::atomic<std::int64_t> woken_ns{0};
  std::atomic<int> ready{0};
  std::thread waiter([&] {
    pin_this_thread(waiter_core);
    for (int round = 1;; ++round) {
      ready.store(round);
      Doorbell::Bits bits = 0;
      while (bits == 0) bits = waiting == Waiting::kSpinning ? bell.spin(clock, 1ms) : bell.wait();
      woken_ns.store(now_ns());
      if (bits == 2) return;
    }
  });
  pin_this_thread(ringer_core);
  std::vector<double> wake, ring;
  for (int round = 1; round <= rounds; ++round) {
    while (ready.load() != round) std::this_thread::yield();
    // Long enough to be asleep; on one core the yield above has already let it.
    for (const std::int64_t until = now_ns() + 30'000; now_ns() < until;) spin_pause();
    woken_ns.store(0);
    const std::int64_t start = now_ns();
    (void)bell.ring(1);
    const std::int64_t rung = now_ns();
    std::int64_t woken = 0;
    while ((woken = woken_ns.load()) == 0) {
      if (ringer_core == waiter_core) std::this_thread::yield();
    }
    wake.push_back(static_cast<double>(woken - start));
    ring.push_back(static_cast<double>(rung - start));
  }
  while (ready.load() != rounds + 1) std::this_thread::yield();
  (void)bell.ring(2);
  waiter.join();
  print_row(what, wake);
  print_row("    of which the ring itself", ring);
}

/// Gives back what it was given.
class NullRunner final : public StageRunner {
 public:
  NullRunner() : memory_(sizeof(float) * 64) {
    TensorSpec tensor;
    tensor.name = "x";
    tensor.shape = {1};
    spec_.inputs = {tensor};
    spec_.outputs = {tensor};
  }
  const StageSpec& spec() const noexcept override { return spec_; }
  JobBytes input(std::size_t, std::size_t job) override {
    return std::span(memory_).subspan(job * sizeof(float), sizeof(float));
  }
  void bind_single_input(std::size_t, ConstJobBytes) override {}
  void unbind_single_inputs() override {}
  Status run(std::size_t) override { return Unit{}; }
  ConstJobBytes output(std::size_t, std::size_t job) const override {
    return std::span(memory_).subspan(job * sizeof(float), sizeof(float));
  }
  void terminate() noexcept override {}

 private:
  StageSpec spec_;
  std::vector<std::byte> memory_;
};

class NullEngine final : public Engine {
 public:
  std::string_view version() const noexcept override { return "null"; }
  bool is_emulated() const noexcept override { return true; }
  Result<StageSpec> inspect(const std::string&) override { return NullRunner().spec(); }
  Result<std::unique_ptr<StageRunner>> load(const std::string&, const RunnerOptions&) override {
    return std::unique_ptr<StageRunner>(std::make_unique<NullRunner>());
  }
};

/// One job at a time.
class OneJobStore final : public JobStore {
 public:
  OneJobStore() { inputs_[0] = std::as_bytes(std::span(&value_, 1)); }
  std::span<const ConstJobBytes> inputs(JobId) override { return inputs_; }
  JobBytes output(JobId, std::size_t) override { return std::as_writable_bytes(std::span(&value_, 1)); }
  void note_error(JobId, std::string_view) override {}
  void settle(const SettleJob&) override {
    settled_ns.store(now_ns());
    (void)bell.ring(1);
  }
  void forget(JobId) override {}
  void answer_task(const AnswerTask&) override {}
  Doorbell bell;
  std::atomic<std::int64_t> settled_ns{0};

 private:
  float value_ = 0;
  std::array<ConstJobBytes, 1> inputs_{};
};

struct Way {
  const char* what;
  bool may_run_inline, busy_poll, spins_for_answer, traced;
};

void measure_runner(const Way& way, int rounds) {
  Model model;
  model.name = "null";
  model.variants = {{"full", {}}};
  SystemModel system;
  LoadedModel loaded;
  loaded.id = system.catalog.add_model(model, {1}, 1);
  NullEngine engine;
  const StageSpec spec = engine.inspect("").value();
  loaded.inputs = spec.inputs;
  loaded.outputs = spec.outputs;
  loaded.variants = {{"full", {{"null", spec, {0}, {0}}}, 0}};
  system.table.set(CategoryId{0}, 1, {10us, 10us, 10us, 10us, 1});
  system.executors = {{"cpu0", ExecutorKind::kCpu, true, true}};
  TraceHeader header;
  header.driver = "live";
  header.system = system;
  JsonlSinkOptions sink_options;
  sink_options.path = "/dev/null";
  auto sink = JsonlSink::open(sink_options, header).value();
  OneJobStore store;
  LiveOptions options;
  options.busy_poll = way.busy_poll;
  Engine* engines[] = {&engine};
  const std::vector<LoadedModel> models = {loaded};
  auto runner = LiveRunner::start(options, system, make_policy("edf", {}).value(), models, engines, store,
                                  way.traced ? sink.get() : nullptr)
                    .value();
  (void)settle_this_thread("bench", runner->placement().network);
  std::vector<double> total;
  for (int round = 0; round < rounds; ++round) {
    for (const std::int64_t until = now_ns() + 100'000; now_ns() < until;) spin_pause();
    Job job;
    job.id = make_job_id(static_cast<std::uint64_t>(round) + 1, 0);
    job.kind = JobKind::kFirm;
    const std::int64_t start = now_ns();
    job.release = runner->now();
    job.absolute_deadline = job.release + 100ms;
    (void)runner->post(JobReleased{job}, way.may_run_inline);
    while (way.spins_for_answer ? store.bell.take() == 0 : store.bell.wait() == 0) {
    }
    total.push_back(static_cast<double>(now_ns() - start));
  }
  const LiveState state = runner->state();
  runner->stop(1s);
  print_row(way.what, total);
  std::printf("    %llu executor wakes, %llu inline, %llu timer wakes in %d jobs\n",
              static_cast<unsigned long long>(state.executor_wakes),
              static_cast<unsigned long long>(state.inline_batches),
              static_cast<unsigned long long>(state.timer_wakes), rounds);
}

void measure_record(int rounds) {
  TraceHeader header;
  header.driver = "live";
  header.system.executors = {{"cpu0", ExecutorKind::kCpu, true, true}};
  JsonlSinkOptions options;
  options.path = "/dev/null";
  options.ring_size = std::size_t{64} << 20;
  auto sink = JsonlSink::open(options, header).value();
  CommandBuffer commands(header.system.limits);
  StartBatch start;
  for (std::uint64_t n = 1; n <= 8; ++n) start.jobs.push_back(static_cast<JobId>(n));
  commands.push(start);
  commands.push(SettleJob{});
  commands.push(SetTimer{});
  std::vector<double> ns;
  for (int round = 0; round < rounds; ++round) {
    const std::int64_t begin = now_ns();
    sink->record(Instant::from_start(Duration(round)), JobReleased{}, commands);
    ns.push_back(static_cast<double>(now_ns() - begin));
  }
  print_row("trace: record a release that starts a batch of 8", ns);
}

int run(int argc, char** argv) {
  const Flags flags(argc, argv, {{"--rounds", "=5000 rounds of each measurement"}});
  print_machine(argc, argv);
  const int rounds = static_cast<int>(flags.number("--rounds"));
  const std::vector<int> cores = usable_cores();
  const int near = cores.front(), far = cores.back();
  // Each on a thread of its own: the cores that one measurement keeps to must not be inherited by the next.
  const auto apart = [](auto&& measurement) { std::thread(measurement).join(); };
  if (near != far) {
    apart([&] { measure_bell("wake: asleep on another core", near, far, Waiting::kSleeping, rounds); });
    apart([&] { measure_bell("wake: spinning on another core", near, far, Waiting::kSpinning, rounds); });
  } else {
    std::printf("one core only: nothing to say about waking another\n");
  }
  apart([&] { measure_bell("wake: asleep on the same core", near, near, Waiting::kSleeping, rounds); });
  apart([&] { measure_record(rounds); });
  for (const Way& way :
       {Way{"job through the driver: run by the poster", true, false, true, false},
        Way{"job through the driver: run by the poster, traced", true, false, true, true},
        Way{"job through the driver: executor asleep, poster spins", false, false, true, false},
        Way{"job through the driver: both asleep", false, false, false, false},
        Way{"job through the driver: busy polling", false, true, true, false}}) {
    apart([&] { measure_runner(way, rounds); });
  }
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
