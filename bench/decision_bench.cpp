// What one scheduling decision costs with 1,000 jobs waiting, and whether it allocates: per policy, one
// table.
//
//   build/release/bin/decision_bench [waiting jobs, default 1000] [policy, default all]
//
// A decision is the handle() call for a batch that has finished: settle its jobs, choose the next batch,
// start it, set the timer. Between two of them as many jobs are released as were settled, so the queue keeps
// its length. Releases are timed apart. Clock overhead (measured in the same run) is printed and not
// subtracted.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/rng.h"
#include "core/job_id_allocator.h"
#include "policy/registry.h"
#include "sched/scheduler.h"
#include "tests/counting_new.h"

namespace laxity {
namespace {

constexpr std::uint32_t kModels = 6;
constexpr std::uint32_t kBatchSize = 8;
constexpr int kDecisions = 200'000;
constexpr std::uint64_t kSeed = 1;

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

SystemModel bench_system(std::size_t waiting) {
  SystemModel system;
  for (std::uint32_t m = 0; m < kModels; ++m) {
    Model model;
    model.name = std::string(1, static_cast<char>('a' + m));
    model.variants.push_back({"full", {}});
    const ModelId id = system.catalog.add_model(std::move(model), {1}, kBatchSize);
    for (std::uint32_t n = 1; n <= kBatchSize; ++n) {
      const Duration time = 100us + m * 50us + n * 40us;
      system.table.set(system.catalog.model(id).variants[0].stages[0], n, {time, time, time, time, 1});
    }
  }
  system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  system.limits.queue_length_max = waiting + 2 * kBatchSize;
  return system;
}

struct Figures {
  std::vector<std::int64_t> decisions, releases;
  std::size_t allocations = 0;
  double batch_size_mean = 0;  // display
};

std::int64_t quantile(std::vector<std::int64_t>& samples, double q) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(q * static_cast<double>(samples.size() - 1))];
}

class Bench {
 public:
  Bench(std::string_view policy, const PolicyOptions& options, std::size_t waiting)
      : waiting_(waiting),
        system_(bench_system(waiting)),
        scheduler_(system_, std::move(make_policy(policy, options)).value()),
        commands_(system_.limits),
        ids_(system_.limits.queue_length_max),
        rng_(kSeed) {}

  Figures run() {
    Figures figures;
    figures.decisions.reserve(kDecisions);
    figures.releases.reserve(kDecisions * 2 * kBatchSize);
    fill(nullptr);
    const std::size_t before = allocation_count;
    std::uint64_t jobs = 0;
    for (int n = 0; n < kDecisions; ++n) {
      now_ = now_ + start_.planned;
      BatchFinished finished{start_.batch, start_.executor, BatchStatus::kSucceeded, start_.planned, {}, 0};
      for (std::size_t i = 0; i < start_.jobs.size(); ++i) finished.confidences.push_back(1);
      jobs += start_.jobs.size();
      figures.decisions.push_back(feed(finished));
      fill(&figures);
    }
    figures.allocations = allocation_count - before;
    figures.batch_size_mean = static_cast<double>(jobs) / kDecisions;
    return figures;
  }

 private:
  // Deadlines far enough away that nothing turns hopeless: the queue stays full and every decision starts a
  // batch.
  void fill(Figures* figures) {
    while (scheduler_.job_count() < waiting_ + kBatchSize) {
      const auto id = ids_.allocate();
      Job job;
      job.id = *id;
      job.model = static_cast<ModelId>(rng_.uniform(0, kModels - 1));
      job.kind = JobKind::kFirm;
      job.release = now_;
      job.absolute_deadline = now_ + 2s + Duration(rng_.uniform(0, 1'000'000'000));
      const std::int64_t taken = feed(JobReleased{job});
      if (figures) figures->releases.push_back(taken);
    }
    // Policies that wait for company or a joint: let time pass until they start.
    while (!is_running_ && timer_) {
      now_ = std::max(now_, *timer_);
      timer_.reset();
      feed(TimerFired{});
    }
  }

  std::int64_t feed(const Event& event) {
    if (std::holds_alternative<BatchFinished>(event)) is_running_ = false;
    commands_.clear();
    const std::int64_t begin = now_ns();
    scheduler_.handle(now_, event, commands_);
    const std::int64_t taken = now_ns() - begin;
    for (const Command& command : commands_) {
      if (const auto* start = std::get_if<StartBatch>(&command)) {
        start_ = *start;
        is_running_ = true;
      } else if (const auto* settle = std::get_if<SettleJob>(&command)) {
        ids_.release(settle->job);
      } else if (const auto* timer = std::get_if<SetTimer>(&command)) {
        timer_ = timer->at;
      }
    }
    return taken;
  }

  std::size_t waiting_;
  SystemModel system_;
  Scheduler scheduler_;
  CommandBuffer commands_;
  JobIdAllocator ids_;
  Rng rng_;
  Instant now_;
  StartBatch start_;
  bool is_running_ = false;
  std::optional<Instant> timer_;
};

int run(int argc, char** argv) {
  const long waiting = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 1000;
  if (waiting < 1 || waiting > 1'000'000) {
    std::fprintf(stderr, "expected 1 to 1000000 waiting jobs, found '%s'\n", argv[1]);
    return 2;
  }
  std::vector<std::int64_t> clock;
  for (int i = 0; i < 100'000; ++i) {
    const std::int64_t begin = now_ns();
    clock.push_back(now_ns() - begin);
  }
  std::printf(
      "%ld jobs waiting, %u models, one executor, %d decisions, seed %llu; reading the clock takes %lld "
      "ns\n\n",
      waiting, kModels, kDecisions, static_cast<unsigned long long>(kSeed),
      static_cast<long long>(quantile(clock, 0.5)));
  std::printf("%-22s %14s %10s %14s %10s %12s %12s\n", "policy", "decision p50", "p99", "release p50", "p99",
              "batch mean", "allocations");
  struct Case {
    std::string_view label, policy;
    PolicyOptions options;
  };
  const Case cases[] = {{"edf, one at a time", "edf", {{"batch_size_max", 1}}},
                        {"edf, batches of 8", "edf", {}},
                        {"deeprt", "deeprt", {}},
                        {"fifo", "fifo", {}},
                        {"batch", "batch", {}},
                        {"batch-delay", "batch-delay", {}}};
  for (const Case& one : cases) {
    if (argc > 2 && one.policy != argv[2]) continue;
    Figures figures = Bench(one.policy, one.options, static_cast<std::size_t>(waiting)).run();
    std::printf("%-22s %11lld ns %7lld ns %11lld ns %7lld ns %12.1f %12zu\n", std::string(one.label).c_str(),
                static_cast<long long>(quantile(figures.decisions, 0.5)),
                static_cast<long long>(quantile(figures.decisions, 0.99)),
                static_cast<long long>(quantile(figures.releases, 0.5)),
                static_cast<long long>(quantile(figures.releases, 0.99)), figures.batch_size_mean,
                figures.allocations);
  }
  std::printf(
      "\nasked: edf, one at a time, at 1000 waiting jobs at most 1000 ns in the median, no allocation\n");
  return 0;
}

}  // namespace
}  // namespace laxity

int main(int argc, char** argv) { return laxity::run(argc, argv); }
