// Which thread runs on which core, decided in one place.
//
// Executors get cores of their own; everything that only passes messages shares what is left, because waking
// a thread on the same core costs about 1 us and on another 15 to 40 us. On two cores: network, timer,
// planner and trace on the first, the executor on the second.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace laxity {

struct Placement {
  std::vector<int> network;
  std::vector<int> timer;
  std::vector<int> planner;
  std::vector<int> flusher;
  std::vector<std::vector<int>> executors;

  /// No other thread of ours may run on the cores of executor `index`: it may spin there for ever.
  bool executor_is_alone(std::size_t index) const;
  /// As above, for the timer thread.
  bool timer_is_alone() const;
};

/// Cores that this process may use, ascending; never empty.
std::vector<int> usable_cores();

/// `executor_cores[i]`: what the configuration asks for executor i; empty: chosen here.
/// Errors: kInvalidArgument: a core that is not in `cores`.
Result<Placement> place_threads(std::span<const int> cores, std::span<const std::vector<int>> executor_cores);

/// Names the calling thread (15 characters are kept), keeps it on `cores` (empty: anywhere) and asks for
/// timers without slack. Errors: kFailedPrecondition: the system refused the cores; the thread then runs
/// anywhere.
Status settle_this_thread(std::string_view name, std::span<const int> cores);

/// Asks that the calling thread runs at once whenever it wants to, before all ordinary threads of its core
/// (SCHED_FIFO; threads that it starts do not inherit this). For threads that never work for long: who keeps
/// the core keeps everybody else out. `priority` in [1, 99]. Errors: kFailedPrecondition: not permitted
/// (CAP_SYS_NICE or the resource limit RLIMIT_RTPRIO is needed); the thread goes on as it was.
Status raise_this_thread(int priority);
/// Back to an ordinary thread.
void unraise_this_thread();
/// Whether raise_this_thread would succeed: tried on a thread of its own.
Status may_raise_threads(int priority);

/// Asks for less processor time than others on the same core: for work that may wait, such as writing the
/// trace.
void lower_this_thread();

}  // namespace laxity
