#include "sim/arrivals.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sim/distributions.h"

namespace laxity {
namespace {

// Independent streams of one task's generator, so that a task that draws its deadlines sends at the same
// times.
constexpr std::uint64_t kArrivalStream = 0;
constexpr std::uint64_t kDeadlineStream = 1;
constexpr std::uint64_t kInputStream = 2;

// A client that is refused at once comes back no sooner than this: without it, one without think time would
// ask without end at a single instant of virtual time.
constexpr Duration kTurnaroundMin = 1us;

Duration from_seconds(double s) { return Duration(std::llround(std::min(s * 1e9, 1e18))); }

std::optional<Duration> draw_deadline(const TaskSpec& task, Rng& rng) {
  if (!task.deadline) return std::nullopt;
  if (task.deadline->minimum == task.deadline->maximum) return task.deadline->minimum;
  return Duration(rng.uniform(task.deadline->minimum.count(), task.deadline->maximum.count()));
}

constexpr std::int64_t kPpm = 1'000'000;

std::uint32_t draw_input(Rng& rng) { return static_cast<std::uint32_t>(rng.next() >> 32); }

/// Release times of one open-loop task, in order of frames.
class Releases {
 public:
  Releases(const TaskSpec& task, Duration duration, Rng rng)
      : task_(task), rng_(rng), start_(Instant::from_start(task.start)), end_(Instant::from_start(duration)) {
    if (task_.arrival == Arrival::kPeriodic) start_ = start_ + task_.phase;
    next_ = start_;
  }

  /// None: no more inside the duration.
  std::optional<Instant> next() {
    switch (task_.arrival) {
      case Arrival::kPeriodic: {
        const Duration nominal = frame_ * task_.period;
        const Instant earliest =
            start_ + nominal + nominal / kPpm * task_.clock_ppm + nominal % kPpm * task_.clock_ppm / kPpm;
        ++frame_;
        if (earliest >= end_) return std::nullopt;
        return earliest + Duration(rng_.uniform(0, task_.jitter.count()));
      }
      case Arrival::kSporadic:
        return advance(task_.period + from_seconds(std::max(0.0, mean_gap() - seconds(task_.period)) *
                                                   draw_exponential(rng_)),
                       /*first_at_once=*/true);
      case Arrival::kPoisson:
        return advance(from_seconds(mean_gap() * draw_exponential(rng_)), /*first_at_once=*/false);
      case Arrival::kGamma: {
        const double square = task_.cv * task_.cv;  // shape 1 / cv^2, scale mean cv^2
        return advance(from_seconds(mean_gap() * square * draw_gamma(rng_, 1 / square)),
                       /*first_at_once=*/false);
      }
      case Arrival::kTrace: {
        if (static_cast<std::size_t>(frame_) >= task_.times.size()) return std::nullopt;
        const Instant at = start_ + task_.times[static_cast<std::size_t>(frame_++)];
        return at < end_ ? std::optional(at) : std::nullopt;
      }
      case Arrival::kClosedLoop:
        return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  static double seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }
  double mean_gap() const { return 1 / task_.rate_per_s; }

  std::optional<Instant> advance(Duration gap, bool first_at_once) {
    if (!(first_at_once && frame_ == 0)) next_ = next_ + std::min(gap, end_ - start_);
    ++frame_;
    return next_ < end_ ? std::optional(next_) : std::nullopt;
  }

  const TaskSpec& task_;
  Rng rng_;
  Instant start_, end_, next_;
  std::int64_t frame_ = 0;
};

}  // namespace

std::vector<PlannedJob> task_jobs(const TaskSpec& spec, std::uint32_t task, Duration duration,
                                  std::uint64_t seed) {
  std::vector<PlannedJob> jobs;
  const Rng rng = Rng(seed).split(task);
  Releases releases(spec, duration, rng.split(kArrivalStream));
  Rng deadlines = rng.split(kDeadlineStream);
  Rng inputs = rng.split(kInputStream);
  for (std::uint32_t frame = 0; !spec.frames || frame < *spec.frames; ++frame) {
    const auto intended = releases.next();
    if (!intended || jobs.size() >= kScenarioJobsMax) break;
    jobs.push_back(
        {*intended, task, frame, 0, spec.kind, draw_deadline(spec, deadlines), draw_input(inputs)});
  }
  return jobs;
}

std::vector<PlannedJob> open_loop_jobs(const Scenario& scenario, std::uint64_t seed) {
  std::vector<PlannedJob> jobs;
  for (std::uint32_t i = 0; i < scenario.tasks.size() && jobs.size() < kScenarioJobsMax; ++i) {
    const std::vector<PlannedJob> more = task_jobs(scenario.tasks[i], i, scenario.duration, seed);
    jobs.insert(jobs.end(), more.begin(), more.end());
  }
  std::sort(jobs.begin(), jobs.end(), [](const PlannedJob& a, const PlannedJob& b) {
    return std::tie(a.intended, a.task, a.frame) < std::tie(b.intended, b.task, b.frame);
  });
  return jobs;
}

ClosedLoop::ClosedLoop(const Scenario& scenario, std::uint64_t seed) : scenario_(scenario) {
  for (std::uint32_t i = 0; i < scenario.tasks.size(); ++i) {
    const TaskSpec& task = scenario.tasks[i];
    frames_left_.push_back(task.frames.value_or(kScenarioJobsMax));
    if (task.arrival != Arrival::kClosedLoop) continue;
    const Rng rng = Rng(seed).split(i);
    for (std::uint32_t client = 0; client < task.clients; ++client) {
      clients_.push_back({i, 0, rng.split(kInputStream + 1 + client)});
    }
  }
}

std::vector<PlannedJob> ClosedLoop::first_jobs() {
  std::vector<PlannedJob> jobs;
  for (std::uint32_t client = 0; client < clients_.size(); ++client) {
    const std::uint32_t task = clients_[client].task;
    const Duration start = scenario_.tasks[task].start;
    if (start >= scenario_.duration || frames_left_[task] == 0) continue;
    jobs.push_back(draw(client, Instant::from_start(start)));
  }
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const PlannedJob& a, const PlannedJob& b) { return a.intended < b.intended; });
  return jobs;
}

std::optional<PlannedJob> ClosedLoop::next_job(std::uint32_t client, Instant now) {
  const std::uint32_t task = clients_.at(client).task;
  const Instant intended = now + std::max(scenario_.tasks[task].think, kTurnaroundMin);
  if (intended >= Instant::from_start(scenario_.duration) || frames_left_[task] == 0) return std::nullopt;
  return draw(client, intended);
}

PlannedJob ClosedLoop::draw(std::uint32_t index, Instant intended) {
  Client& client = clients_[index];
  const TaskSpec& task = scenario_.tasks[client.task];
  --frames_left_[client.task];
  const auto deadline = draw_deadline(task, client.rng);
  return {intended, client.task, client.frame++, index, task.kind, deadline, draw_input(client.rng)};
}

}  // namespace laxity
