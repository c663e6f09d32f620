// The loop under every simulation: one scheduler, executors that take time but do nothing, and a world that
// says what happens when. Used by simulator.cpp (workloads) and text_scenario.cpp (scripts).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "core/command.h"
#include "core/event.h"
#include "core/slowdown_table.h"
#include "sched/scheduler.h"
#include "trace/trace_sink.h"

namespace laxity {

/// How long something takes: `handover` before and around it, `execution` as an executor would measure it.
struct WorkTime {
  Duration execution{};
  Duration handover{};
};

/// What the loop asks for and tells. Everything is called from run().
class World {
 public:
  virtual ~World() = default;

  /// The next release that is known in advance; later calls never give an earlier one. None: no more.
  virtual std::optional<Instant> next_release() const = 0;
  /// Takes that release: fills `event` and returns true, or returns false when nothing reaches the scheduler.
  virtual bool take_release(Instant now, Event& event) = 0;
  /// An entry that was made by VirtualLoop::at() has come due. As take_release.
  virtual bool due(Instant now, std::uint32_t token, Event& event) = 0;

  virtual WorkTime batch_time(Instant now, const StartBatch& batch, Duration idle) = 0;
  virtual WorkTime segment_time(Instant now, const StartSegment& segment) = 0;
  virtual bool segment_succeeds(JobId job) = 0;
  /// Sets status, confidences and undecodable jobs; the rest is filled in. Not asked for terminated batches.
  virtual void fill_result(CategoryId category, const FixedVector<JobId, kBatchSizeMax>& jobs,
                           BatchFinished& finished) = 0;
  virtual Duration plan_delay() = 0;

  /// All commands of one scheduler call, before the loop carries them out.
  virtual void decided(Instant now, const CommandBuffer& commands) = 0;
};

class VirtualLoop {
 public:
  struct Options {
    bool audit = false;
    Duration terminate_delay = 100us;  ///< From TerminateBatch until the engine has let go.
    /// When set, all executors are slots of one device: batches slow down what runs beside them, hand-over
    /// and stalls included. Outlives the loop. CPU segments neither slow down nor are slowed.
    const SlowdownTable* slowdown = nullptr;
    TraceSink* trace = nullptr;
    std::uint64_t (*clock_ns)() = nullptr;
    std::vector<std::uint32_t>* decision_ns = nullptr;  ///< One entry a call, when clock_ns is set.
  };

  /// `world` must outlive this.
  VirtualLoop(const SystemModel& system, std::unique_ptr<Policy> policy, World& world,
              const Options& options);

  /// Wakes the world at `at` with `token`. `rank`: where among events of that instant, as tie_rank.
  void at(Instant at, int rank, std::uint32_t token);

  /// What runs on the executor now, or starts there before `now + duration`, ends later by as much as it
  /// stood still.
  void stall(Instant now, std::uint32_t executor, Duration duration);
  /// False when it is lost already, or is not.
  bool lose(Instant now, std::uint32_t executor);
  bool bring_back(Instant now, std::uint32_t executor);

  /// Until nothing is left to happen and every job is settled.
  void run();

  const Scheduler& scheduler() const noexcept { return scheduler_; }
  Instant now() const noexcept { return now_; }
  Duration busy_time() const noexcept { return busy_time_; }
  std::uint32_t executor_count() const noexcept { return static_cast<std::uint32_t>(executors_.size()); }

 private:
  enum class Kind : std::uint8_t { kExecutor, kPlan, kWorld };
  struct Pending {
    Instant at;
    std::uint64_t order = 0;  // rank above, sequence below
    std::uint32_t index = 0;  // executor, place in plans_, or token
    std::uint32_t generation = 0;
    Kind kind = Kind::kWorld;
    auto key() const { return std::pair(at, order); }
    bool operator<(const Pending& other) const {
      return key() > other.key();
    }  // a heap keeps its largest on top
  };
  struct VirtualExecutor {
    bool is_lost = false;
    bool is_segment = false;
    bool is_terminated = false;
    std::uint32_t generation = 0;  // of the finish that counts
    std::optional<BatchId> batch;
    JobId segment_job{};
    CategoryId category{};
    FixedVector<JobId, kBatchSizeMax> jobs;
    Instant start, finish, idle_since, stalled_until;
    Duration handover{};
    bool is_busy() const noexcept { return batch.has_value() || is_segment; }
  };

  void push(Instant at, int rank, Kind kind, std::uint32_t index, std::uint32_t generation = 0);
  bool next_event();
  bool take_pending();
  bool finish_on(std::uint32_t executor);
  void call_scheduler();
  void carry_out(const Command& command);
  void start(std::uint32_t executor, const WorkTime& time);
  void finish_later(std::uint32_t executor);
  void stop(VirtualExecutor& executor);
  void renew_finishes();
  void check_progress(bool is_timer);

  World& world_;
  Options options_;
  Scheduler scheduler_;
  CommandBuffer commands_;
  Event event_;
  Instant now_;
  std::vector<Pending> heap_;
  std::vector<VirtualExecutor> executors_;
  std::optional<SharedProgress> shared_;  // of batches, when they slow each other down
  std::vector<PlanId> plans_;
  std::optional<Instant> timer_;
  std::uint64_t sequence_ = 0;
  Duration busy_time_{};
  bool is_shutting_down_ = false;
  Instant progress_;
  std::uint64_t events_without_progress_ = 0;
};

}  // namespace laxity
