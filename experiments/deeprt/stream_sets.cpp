#include "experiments/deeprt/stream_sets.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "experiments/deeprt/request_trace.h"
#include "sim/simulator.h"

namespace laxity::study {
namespace {

constexpr Duration kAskApart = 1us;    // between two requests, so that none waits behind another
constexpr Duration kFirstFrame = 1ms;  // all have asked by then

Scenario to_scenario(const SystemModel& system, const std::vector<CandidateStream>& streams,
                     std::size_t count, Duration horizon) {
  Scenario scenario;
  scenario.name = "first refusal";
  scenario.duration = kFirstFrame + horizon;
  for (std::size_t i = 0; i < count; ++i) {
    const CandidateStream& stream = streams[i];
    TaskSpec task;
    task.name = "s" + std::to_string(i);
    task.model = system.catalog.models[stream.category].name;
    task.period = stream.period;
    task.jitter = stream.jitter;
    task.start = static_cast<std::int64_t>(i) * kAskApart;
    task.phase = kFirstFrame + stream.phase - task.start;
    task.deadline = DeadlineRange{stream.deadline, stream.deadline};
    task.kind = JobKind::kSoft;
    task.asks_stream = true;
    scenario.tasks.push_back(std::move(task));
  }
  return scenario;
}

}  // namespace

CandidateStream draw_stream(Rng& rng, const Workload& workload, const BatchTimes& times) {
  CandidateStream stream;
  do {
    stream.category =
        static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(times.category_count()) - 1));
    if (workload.periods == Periods::kGamma) {
      stream.period = draw_gamma_time(rng, workload.mean_period);
    } else {
      constexpr std::array<Duration, 3> kCameras = {66'667us, 40'000us, 33'333us};  // 15, 25, 30 a second
      stream.period = kCameras[static_cast<std::size_t>(rng.uniform(0, 2))];
    }
    const auto share = [&](double of) {
      return Duration(static_cast<std::int64_t>(static_cast<double>(stream.period.count()) * of));
    };
    stream.deadline = share(workload.deadline_over_period);
    stream.jitter = share(workload.jitter_share);
    stream.phase = Duration(rng.uniform(0, stream.period.count() - 1));
  } while (std::min(stream.deadline - stream.jitter, stream.deadline / 2) <
           times(static_cast<CategoryIndex>(stream.category), 1));
  return stream;
}

PlannedStream planned(const CandidateStream& stream, std::uint32_t id) {
  PlannedStream made;
  made.id = id;
  made.category = static_cast<CategoryIndex>(stream.category);
  made.phase.first = Instant::from_start(stream.phase);
  made.phase.period = stream.period;
  made.jitter = stream.jitter;
  made.deadline = stream.deadline;
  return made;
}

std::vector<PlanFrame> frames_of(const std::vector<CandidateStream>& streams, std::size_t count,
                                 Duration horizon) {
  std::vector<PlanFrame> frames;
  for (std::size_t i = 0; i < count; ++i) {
    Instant cut = Instant::latest();
    append_frames(planned(streams[i], static_cast<std::uint32_t>(i)), Instant::from_start(horizon),
                  std::size_t{1} << 20, frames, &cut);
  }
  return frames;
}

std::size_t admitted_by_policy(const SystemModel& system, const std::vector<CandidateStream>& streams,
                               std::string_view policy, const PolicyOptions& options, Duration horizon,
                               std::uint64_t seed, std::size_t guess, std::uint64_t* misses) {
  for (std::size_t count = std::min(guess + 1, streams.size());;
       count = std::min(count + std::max<std::size_t>(2, count / 8), streams.size())) {
    const Scenario scenario = to_scenario(system, streams, count, horizon);
    SimulationOptions simulation;
    simulation.execution.mode = ExecutionMode::kUniform;
    const auto output = simulate(scenario, system, policy, options, seed, simulation);
    LAXITY_CHECK(output.has_value());
    // One that has no frame before the horizon does not ask.
    std::size_t admitted = 0;
    while (admitted < count && output->result.verdicts[admitted].answer != TaskAnswer::kRefused) ++admitted;
    if (admitted == count && count < streams.size()) continue;
    if (misses != nullptr) {
      for (const JobRecord& job : output->result.jobs) {
        const bool is_promised = output->result.verdicts[job.task].answer == TaskAnswer::kAdmitted;
        *misses += is_promised && job.outcome != Outcome::kOnTime ? 1 : 0;
      }
    }
    return admitted;
  }
}

}  // namespace laxity::study
