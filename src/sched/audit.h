// The invariants of the books, checked in full: for simulation and tests, and for a live server behind a
// flag.
#pragma once

#include <optional>

#include "base/time.h"
#include "policy/policy.h"
#include "sched/job_books.h"
#include "sched/scheduler.h"

namespace laxity {

/// Crashes unless, after an event handled at `now`: each released job has exactly one outcome or is alive;
/// each running job is in exactly one batch, on one executor; no batch mixes categories or exceeds its cap;
/// queues hold exactly the jobs that wait in them; a work-conserving policy leaves no executor idle beside a
/// ready job; the timer is not in the past. O(jobs + executors).
void audit(const JobBooks& books, const Policy& policy, const SchedulerCounters& counters, Instant now,
           std::optional<Instant> timer);

}  // namespace laxity
