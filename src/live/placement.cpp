#include "live/placement.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

namespace laxity {
namespace {

constexpr int kBackgroundNiceness = 10;

bool overlap(const std::vector<int>& a, const std::vector<int>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&](int core) { return std::find(b.begin(), b.end(), core) != b.end(); });
}

std::string list_of(std::span<const int> cores) {
  std::string text;
  for (const int core : cores) text += (text.empty() ? "" : ", ") + std::to_string(core);
  return text;
}

}  // namespace

bool Placement::executor_is_alone(std::size_t index) const {
  const std::vector<int>& own = executors.at(index);
  if (own.empty()) return false;
  for (std::size_t i = 0; i < executors.size(); ++i) {
    if (i != index && overlap(own, executors[i])) return false;
  }
  return !overlap(own, network) && !overlap(own, timer) && !overlap(own, planner) && !overlap(own, flusher);
}

bool Placement::timer_is_alone() const {
  if (overlap(timer, network) || overlap(timer, planner) || overlap(timer, flusher)) return false;
  return std::none_of(executors.begin(), executors.end(),
                      [&](const std::vector<int>& cores) { return overlap(cores, timer); });
}

std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

Result<Placement> place_threads(std::span<const int> cores,
                                std::span<const std::vector<int>> executor_cores) {
  LAXITY_CHECK(!cores.empty());
  Placement placement;
  std::vector<int> spare(cores.begin(), cores.end());
  for (std::size_t i = 0; i < executor_cores.size(); ++i) {
    for (const int core : executor_cores[i]) {
      if (std::find(cores.begin(), cores.end(), core) == cores.end()) {
        return invalid_argument("executor " + std::to_string(i) + ": expected cores out of " +
                                list_of(cores) + ", found " + std::to_string(core));
      }
      std::erase(spare, core);
    }
  }
  // The messengers' core: the first that no executor has asked for; the first of all when they asked for
  // every one.
  const int front = spare.empty() ? cores.front() : spare.front();
  std::erase(spare, front);
  std::size_t next = 0;
  for (const std::vector<int>& wanted : executor_cores) {
    if (!wanted.empty()) {
      placement.executors.push_back(wanted);
    } else if (spare.empty()) {
      placement.executors.push_back({front});
    } else {
      placement.executors.push_back({spare[next++ % spare.size()]});
    }
  }
  placement.network = {front};
  placement.timer = {front};
  placement.planner = {front};
  placement.flusher = {front};
  // Cores beyond one each for messengers and executors: planning and writing the trace move out of the way
  // first.
  if (next < spare.size()) {
    placement.planner = {spare.back()};
    placement.flusher = {spare.back()};
    if (next + 1 < spare.size()) placement.timer = {spare[spare.size() - 2]};
  }
  return placement;
}

Status settle_this_thread(std::string_view name, std::span<const int> cores) {
  constexpr std::size_t kNameLengthMax = 15;
  (void)::pthread_setname_np(::pthread_self(), std::string(name.substr(0, kNameLengthMax)).c_str());
  (void)::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  if (cores.empty()) return Unit{};
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<std::size_t>(core), &set);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
  if (error == 0) return Unit{};
  return failed_precondition("thread " + std::string(name) + " on cores " + list_of(cores) + ": " +
                             std::strerror(error));
}

Status raise_this_thread(int priority) {
  sched_param parameters{};
  parameters.sched_priority = priority;
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0) return Unit{};
  return failed_precondition("real-time priority " + std::to_string(priority) + ": " + std::strerror(errno) +
                             "; expected the capability CAP_SYS_NICE or a resource limit RLIMIT_RTPRIO of at "
                             "least that");
}

void unraise_this_thread() {
  const sched_param parameters{};
  (void)::sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &parameters);
}

Status may_raise_threads(int priority) {
  Status status = Unit{};
  std::thread([&] { status = raise_this_thread(priority); }).join();
  return status;
}

void lower_this_thread() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kBackgroundNiceness);
}

}  // namespace laxity
