// Random events, commands and headers, for round trips through the trace.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "trace/codec.h"

namespace laxity::testing {

/// Draws values from all over their range, the ends more often.
class TraceSamples {
 public:
  explicit TraceSamples(std::uint64_t seed) : rng_(seed) {}

  TraceEntry entry() {
    TraceEntry entry;
    entry.at = instant();
    entry.event = event();
    const std::int64_t count = rng_.uniform(0, 4);
    for (std::int64_t i = 0; i < count; ++i) entry.commands.push_back(command());
    return entry;
  }

  Event event() {
    switch (rng_.uniform(0, 11)) {
      case 0:
        return TaskSubmitted{task()};
      case 1:
        return TaskRemoved{id<TaskId>()};
      case 2:
        return JobReleased{job()};
      case 3:
        return JobCancelled{id<JobId>()};
      case 4:
        return SegmentFinished{id<JobId>(), id<ExecutorId>(), coin()};
      case 5:
        return batch_finished();
      case 6:
        return ExecutorLost{id<ExecutorId>()};
      case 7:
        return ExecutorBack{id<ExecutorId>()};
      case 8:
        return PlanReady{id<PlanId>(), rng_.next()};
      case 9:
        return TablesChanged{};
      case 10:
        return ShutdownStarted{};
      default:
        return TimerFired{};
    }
  }

  Command command() {
    switch (rng_.uniform(0, 7)) {
      case 0:
        return AnswerTask{id<TaskId>(),     coin(),
                          reason(),         maybe(duration()),
                          guarantee(),      maybe(instant()),
                          coin(),           maybe(id<TaskId>()),
                          maybe(instant()), maybe(duration()),
                          maybe(duration())};
      case 1:
        return StartSegment{id<JobId>(), id<ExecutorId>()};
      case 2: {
        StartBatch start{id<BatchId>(), id<ExecutorId>(), id<CategoryId>(), {}, duration()};
        for (std::int64_t i = rng_.uniform(0, kBatchSizeMax); i > 0; --i) start.jobs.push_back(id<JobId>());
        return start;
      }
      case 3:
        return TerminateBatch{id<BatchId>(), id<ExecutorId>()};
      case 4:
        return SettleJob{id<JobId>(),
                         static_cast<Outcome>(rng_.uniform(0, kOutcomeCount - 1)),
                         reason(),
                         number<std::uint32_t>(),
                         confidence(),
                         duration(),
                         duration(),
                         number<std::uint32_t>(),
                         maybe(duration()),
                         coin(),
                         maybe(number<std::uint32_t>()),
                         maybe(number<std::uint32_t>())};
      case 5:
        return ForgetJob{id<JobId>()};
      case 6:
        return SetTimer{instant()};
      default:
        return ComputePlan{id<PlanId>(), rng_.next()};
    }
  }

 private:
  bool coin() { return rng_.chance(1, 2); }
  template <typename T>
  T number() {
    return rng_.chance(1, 8) ? std::numeric_limits<T>::max()
                             : static_cast<T>(rng_.next() >> rng_.uniform(0, 63));
  }
  template <typename Id>
  Id id() {
    return static_cast<Id>(number<std::underlying_type_t<Id>>());
  }
  template <typename T>
  std::optional<T> maybe(T value) {
    return coin() ? std::optional<T>(value) : std::nullopt;
  }
  Duration duration() {
    const auto size = static_cast<std::int64_t>(rng_.next() >> rng_.uniform(1, 63));
    return Duration(coin() ? size : -size);
  }
  Instant instant() { return Instant::from_start(Duration(duration().count() / 4)); }
  Confidence confidence() { return number<Confidence>(); }
  Reason reason() { return static_cast<Reason>(rng_.uniform(0, kReasonCount - 1)); }
  Guarantee guarantee() { return static_cast<Guarantee>(rng_.uniform(0, kGuaranteeCount - 1)); }
  JobKind kind() { return static_cast<JobKind>(rng_.uniform(0, 2)); }

  Task task() {
    return {id<TaskId>(),
            id<ModelId>(),
            number<std::uint32_t>(),
            kind(),
            duration(),
            duration(),
            duration(),
            maybe(instant()),
            maybe(rng_.next()),
            number<std::uint32_t>()};
  }
  Job job() {
    return {id<JobId>(),      maybe(id<TaskId>()),
            id<ModelId>(),    number<std::uint32_t>(),
            kind(),           instant(),
            maybe(instant()), number<std::uint32_t>(),
            coin(),           maybe(number<std::uint32_t>())};
  }
  BatchFinished batch_finished() {
    BatchFinished f{
        id<BatchId>(), id<ExecutorId>(), static_cast<BatchStatus>(rng_.uniform(0, 2)), duration(), {},
        rng_.next()};
    for (std::int64_t i = rng_.uniform(0, kBatchSizeMax); i > 0; --i) f.confidences.push_back(confidence());
    return f;
  }

  Rng rng_;
};

inline TraceHeader sample_header() {
  TraceHeader header;
  header.driver = "sim";
  header.machine = {"toy \"cpu\"", 2, "toy 1", true};
  header.wall_clock_zero_ns = 1'700'000'000'000'000'000;
  header.policy = "edf";
  header.policy_options = {{"grace_us", 5}};
  header.config = {{"scenario", "eight cameras"}};
  Model model;
  model.name = "a";
  model.mandatory_count = 2;
  model.has_preprocess = true;
  model.variants = {{"small", {}}, {"full", {}}};
  const ModelId id = header.system.catalog.add_model(model, {2, 3}, 16);
  header.system.table.set(CategoryId{0}, 1, {1us, 2us, 3us, 4us, 500});
  header.system.table.set(CategoryId{0}, 8, {5us, 6us, 7us, 8us, 100});
  header.system.table.set(CategoryId{4}, 2, {9us, 10us, 11us, 12us, 1});
  header.system.table.set_segment(id, SegmentKind::kPreprocess, {13us, 14us, 15us, 16us, 17});
  header.system.table.overheads = {1us, 2us, 3us};
  header.system.executors = {{"cpu0", ExecutorKind::kCpu, true, false},
                             {"seg", ExecutorKind::kCuda, false, true}};
  header.system.limits = {128, 16, 4, 99};
  return header;
}

}  // namespace laxity::testing
