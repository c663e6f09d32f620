#include "sched/audit.h"

#include "base/check.h"

namespace laxity {
namespace {

struct Census {
  std::size_t ready = 0;
  std::size_t in_batches = 0;
  std::size_t in_segments = 0;
  std::size_t queued_for_segment = 0;
  std::size_t zombies = 0;
  std::size_t alive = 0;
  std::size_t due = 0;
};

// Which executor has the job in its batch or segment; checks that it is one at most.
std::size_t executors_that_hold(const JobBooks& books, JobIndex job) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < books.executor_count(); ++i) {
    const ExecutorEntry& executor = books.executors()[i];
    if (executor.segment && slot(*executor.segment) == job) ++count;
    if (!executor.batch) continue;
    for (const JobIndex member : books.running(static_cast<ExecutorId>(i)).jobs) {
      if (member != job) continue;
      ++count;
      LAXITY_CHECK(books.entry(job).batch == executor.batch);
    }
  }
  return count;
}

Census count_jobs(const JobBooks& books) {
  Census census;
  for (JobIndex i = 0; i < books.capacity(); ++i) {
    const JobEntry& entry = books.job(i);
    if (entry.state == JobState::kFree) {
      LAXITY_CHECK(!books.deadlines.contains(i) && !books.segments.contains(i));
      continue;
    }
    ++census.alive;
    LAXITY_CHECK(slot(entry.job.id) == i);
    // A ready job that were in a batch too would make the batches' sizes add up to more than the jobs found
    // in them.
    const std::size_t held = entry.state == JobState::kReady ? 0 : executors_that_hold(books, i);
    const bool is_queued = books.segments.contains(i);
    if (books.deadlines.contains(i)) ++census.due;
    switch (entry.state) {
      case JobState::kNeedsSegment:
        LAXITY_CHECK(entry.encoded && !entry.batch && held + (is_queued ? 1 : 0) == 1);
        ++(is_queued ? census.queued_for_segment : census.in_segments);
        break;
      case JobState::kReady:
        LAXITY_CHECK(held == 0 && !is_queued && !entry.batch && entry.stages_done < books.stage_count(entry));
        ++census.ready;
        break;
      case JobState::kRunning:
        LAXITY_CHECK(held == 1 && !is_queued && entry.batch);
        ++census.in_batches;
        break;
      case JobState::kZombie:
        LAXITY_CHECK(held == 1 && !is_queued && !books.deadlines.contains(i));
        ++census.zombies;
        ++(entry.batch ? census.in_batches : census.in_segments);
        break;
      case JobState::kFree:
        break;
    }
  }
  return census;
}

void check_executors(const JobBooks& books, const Census& census, bool is_work_conserving, Instant now) {
  std::size_t in_batches = 0;
  std::size_t in_segments = 0;
  for (std::size_t i = 0; i < books.executor_count(); ++i) {
    const auto id = static_cast<ExecutorId>(i);
    const ExecutorEntry& executor = books.executors()[i];
    const RunningBatch& batch = books.running(id);
    LAXITY_CHECK(!(executor.batch && executor.segment));
    LAXITY_CHECK(!(executor.is_lost && (executor.batch || executor.segment)));
    LAXITY_CHECK(!executor.batch || books.runs_batches(id));
    if (executor.segment) ++in_segments;
    if (executor.batch) {
      LAXITY_CHECK(!batch.jobs.empty() && batch.jobs.size() <= books.system().batch_size_max(batch.category));
      LAXITY_CHECK(executor.start <= now);
      std::size_t waited_for = 0;
      for (const JobIndex job : batch.jobs) {
        LAXITY_CHECK(books.next_category(books.entry(job)) == batch.category);
        if (books.entry(job).state == JobState::kRunning) ++waited_for;
      }
      LAXITY_CHECK(waited_for == batch.waited_for_count);
      in_batches += batch.jobs.size();
    }
    const bool idles = executor.is_idle() && books.runs_batches(id);
    LAXITY_CHECK(!(is_work_conserving && idles && census.ready > 0));
  }
  LAXITY_CHECK(in_batches == census.in_batches && in_segments == census.in_segments);
}

}  // namespace

void audit(const JobBooks& books, const Policy& policy, const SchedulerCounters& counters, Instant now,
           std::optional<Instant> timer) {
  const Census census = count_jobs(books);
  LAXITY_CHECK(census.alive == books.alive_count && census.zombies == books.zombie_count);
  LAXITY_CHECK(census.ready == books.ready_count);
  LAXITY_CHECK(census.queued_for_segment == books.segments.size() && census.due == books.deadlines.size());
  std::uint64_t settled = 0;
  for (const std::uint64_t count : counters.settled) settled += count;
  LAXITY_CHECK(counters.released == settled + census.alive - census.zombies);
  check_executors(books, census, policy.traits().is_work_conserving, now);
  LAXITY_CHECK(books.deadlines.empty() || books.deadlines.top_key().at > now);
  LAXITY_CHECK(books.deadlines.empty() || (timer && *timer <= books.deadlines.top_key().at));
  LAXITY_CHECK(!timer || *timer >= now);
}

}  // namespace laxity
