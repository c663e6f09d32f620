// When jobs are released, and by when they are wanted: the same times for the simulator and for the load
// client.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "core/job.h"
#include "sim/scenario.h"

namespace laxity {

/// One job that a scenario will send.
struct PlannedJob {
  Instant intended;          ///< When it is meant to be sent.
  std::uint32_t task = 0;    ///< Index into Scenario::tasks.
  std::uint32_t frame = 0;   ///< Number within the task (closed loop: within the client), from 0.
  std::uint32_t client = 0;  ///< Closed loop: index over all clients of the scenario; else 0.
  JobKind kind = JobKind::kFirm;
  std::optional<Duration> relative_deadline;  ///< From `intended`.
  std::uint32_t input = 0;  ///< Raw draw: the sample to send is `input` modulo the sample count.

  bool operator==(const PlannedJob&) const = default;
};

/// The jobs of one open-loop task, number `task` of its scenario, in order of frames.
std::vector<PlannedJob> task_jobs(const TaskSpec& spec, std::uint32_t task, Duration duration,
                                  std::uint64_t seed);

/// All jobs of all open-loop tasks, by (intended, task, frame). Equal for equal scenario and seed, on every
/// machine; one task's times do not depend on the other tasks.
std::vector<PlannedJob> open_loop_jobs(const Scenario& scenario, std::uint64_t seed);

/// The closed-loop tasks of a scenario: each client sends its next job `think` after it heard of the last
/// one. What a client draws depends on its own history only. Owned by one thread.
class ClosedLoop {
 public:
  /// `scenario` must outlive this.
  ClosedLoop(const Scenario& scenario, std::uint64_t seed);

  std::size_t client_count() const noexcept { return clients_.size(); }
  /// The first job of every client, by (intended, client).
  std::vector<PlannedJob> first_jobs();
  /// The next job of `client`, whose last one ended (answered or not) at `now`. None: the scenario is over
  /// for it.
  std::optional<PlannedJob> next_job(std::uint32_t client, Instant now);

 private:
  struct Client {
    std::uint32_t task = 0;
    std::uint32_t frame = 0;
    Rng rng{0};
  };
  PlannedJob draw(std::uint32_t client, Instant intended);

  const Scenario& scenario_;
  std::vector<Client> clients_;
  std::vector<std::uint64_t> frames_left_;  // index: task
};

}  // namespace laxity
