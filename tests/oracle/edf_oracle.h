// Non-preemptive EDF that drops hopeless firm jobs, instant by instant, by searching lists: the slow twin of
// `edf`.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace laxity::oracle {

enum class Fate { kOnTime, kLate, kDropped };

struct EdfJob {
  std::int64_t release = 0;
  std::int64_t execution = 1;
  std::optional<std::int64_t> deadline;  ///< None: best effort.
  bool is_firm = true;
  std::int64_t priority = 0;
  // Found by the oracle:
  Fate fate = Fate::kDropped;
  std::int64_t end = -1;  ///< When it was settled.
  std::int64_t start = -1;
};

/// Jobs in order of id. One executor that is never late; jobs released together arrive one after the other.
inline void run_edf(std::vector<EdfJob>& jobs) {
  std::vector<std::size_t> waiting;
  std::optional<std::size_t> running;
  std::size_t settled = 0;
  const auto hopeless = [&](std::size_t i, std::int64_t now) {
    return jobs[i].deadline && now + jobs[i].execution > *jobs[i].deadline;
  };
  const auto rank = [&](std::size_t i, std::int64_t now) {
    if (!jobs[i].deadline) return 2;
    return hopeless(i, now) ? 1 : 0;
  };
  const auto before = [&](std::size_t a, std::size_t b, std::int64_t now) {
    if (rank(a, now) != rank(b, now)) return rank(a, now) < rank(b, now);
    const std::int64_t urgency_a = jobs[a].deadline.value_or(jobs[a].priority);
    const std::int64_t urgency_b = jobs[b].deadline.value_or(jobs[b].priority);
    if (urgency_a != urgency_b) return urgency_a < urgency_b;
    if (jobs[a].release != jobs[b].release) return jobs[a].release < jobs[b].release;
    return a < b;
  };
  const auto choose = [&](std::int64_t now) {
    for (std::size_t n = 0; n < waiting.size();) {
      const std::size_t i = waiting[n];
      if (jobs[i].is_firm && hopeless(i, now)) {
        jobs[i].end = now;
        ++settled;
        waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(n));
      } else {
        ++n;
      }
    }
    if (running || waiting.empty()) return;
    std::size_t best = 0;
    for (std::size_t n = 1; n < waiting.size(); ++n) {
      if (before(waiting[n], waiting[best], now)) best = n;
    }
    running = waiting[best];
    jobs[*running].start = now;
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(best));
  };
  for (std::int64_t now = 0; settled < jobs.size(); ++now) {
    if (running && jobs[*running].start + jobs[*running].execution == now) {
      EdfJob& job = jobs[*running];
      job.end = now;
      job.fate = !job.deadline || now <= *job.deadline ? Fate::kOnTime : Fate::kLate;
      running.reset();
      ++settled;
    }
    choose(now);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (jobs[i].release != now) continue;
      waiting.push_back(i);
      choose(now);
    }
  }
}

}  // namespace laxity::oracle
