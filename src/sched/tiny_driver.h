// The smallest driver that a scheduler can have: one loop over virtual time, for tests of the scheduler
// itself. It shares no code with sim/ and live/, and keeps everything it saw.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "core/job_id_allocator.h"
#include "sched/scheduler.h"

namespace laxity::tiny {

inline Instant at(Duration since_start) { return Instant::from_start(since_start); }

/// A model of `stage_count` stages whose batch of n takes `first + (n - 1) * next` per stage.
struct ToyModel {
  std::vector<Duration> first{1ms};
  Duration next = 0ns;
  std::uint32_t batch_size_max = 8;
  std::uint32_t mandatory_count = 1;
  Duration preprocess{};
};

inline SystemModel toy_system(const std::vector<ToyModel>& models, std::size_t executor_count = 1) {
  SystemModel system;
  for (const ToyModel& toy : models) {
    Model model;
    model.name = std::string(1, static_cast<char>('a' + system.catalog.models.size()));
    model.variants.push_back({"full", {}});
    model.mandatory_count = toy.mandatory_count;
    model.has_preprocess = toy.preprocess > Duration::zero();
    const ModelId id = system.catalog.add_model(
        std::move(model), {static_cast<std::uint32_t>(toy.first.size())}, toy.batch_size_max);
    for (std::size_t stage = 0; stage < toy.first.size(); ++stage) {
      const CategoryId category = system.catalog.model(id).variants[0].stages[stage];
      for (std::uint32_t n = 1; n <= toy.batch_size_max; ++n) {
        const Duration time = toy.first[stage] + (n - 1) * toy.next;
        system.table.set(category, n, {time, time, time, time, 1});
      }
    }
    if (toy.preprocess > Duration::zero()) {
      system.table.set_segment(id, SegmentKind::kPreprocess,
                               {toy.preprocess, toy.preprocess, toy.preprocess, toy.preprocess, 1});
    }
  }
  for (std::size_t i = 0; i < executor_count; ++i) {
    system.executors.push_back({"cpu" + std::to_string(i), ExecutorKind::kCpu, true, true});
  }
  system.limits = {64, 32, 8, 64};
  return system;
}

inline Job toy_job(std::uint32_t model, Duration release, std::optional<Duration> deadline,
                   JobKind kind = JobKind::kFirm) {
  Job job;
  job.model = static_cast<ModelId>(model);
  job.kind = deadline ? kind : JobKind::kBestEffort;
  job.release = at(release);
  if (deadline) job.absolute_deadline = at(*deadline);
  return job;
}

/// An endless stream without jitter that leaves its phase open.
inline Task toy_task(std::size_t id, std::uint32_t model, Duration period, Duration deadline) {
  Task task;
  task.id = static_cast<TaskId>(id);
  task.model = static_cast<ModelId>(model);
  task.min_inter_arrival = period;
  task.relative_deadline = deadline;
  return task;
}

/// Frame `number` of it, released at `release`.
inline Job toy_frame(const Task& task, std::uint64_t number, Duration release) {
  Job job = toy_job(static_cast<std::uint32_t>(index(task.model)), release, release + task.relative_deadline);
  job.variant = task.lowest_variant;
  job.task = task.id;
  job.frame = static_cast<std::uint32_t>(number);
  return job;
}

struct Batch {
  StartBatch command;
  Instant start;
  std::optional<Instant> finish;
};

struct Settled {
  Job job;
  SettleJob command;
  Instant at;
};

class TinyDriver {
 public:
  TinyDriver(SystemModel system, std::unique_ptr<Policy> policy)
      : scheduler(system, std::move(policy), {.audit = true}),
        commands_(system.limits),
        ids_(system.limits.queue_length_max) {
    execution_time = [](const StartBatch& start) { return start.planned; };
    segment_time = [this](const Job& job) {
      return scheduler.books().system().table.segment(job.model, SegmentKind::kPreprocess).p99;
    };
  }

  /// Jobs get their ids when they are released, in order of (release, order of these calls).
  void release(const Job& job) { post(job.release, JobReleased{job}); }
  void post(Instant when, const Event& event) { queue_[{when, tie_rank(event), ++sequence_}] = event; }
  /// Cancels the `nth` job released, counted from 0.
  void cancel(Instant when, std::size_t nth) { post(when, JobCancelled{JobId{~nth}}); }

  /// Handles events until none is left, or `event_count_max` have been.
  void run(std::size_t event_count_max = 1'000'000) {
    for (std::size_t n = 0; n < event_count_max; ++n) {
      // A timer comes last of its instant.
      if (timer_ && (queue_.empty() || *timer_ < std::get<0>(queue_.begin()->first))) {
        now = std::max(now, *timer_);
        timer_.reset();
        feed(TimerFired{});
      } else if (!queue_.empty()) {
        now = std::max(now, std::get<0>(queue_.begin()->first));
        const Event event = queue_.begin()->second;
        queue_.erase(queue_.begin());
        deliver(event);
      } else {
        return;
      }
    }
    LAXITY_CHECK(!"the run did not end");
  }

  const Settled* outcome_of(std::size_t nth) const {
    for (const Settled& one : settled) {
      if (one.job.id == released[nth]) return &one;
    }
    return nullptr;
  }

  /// Every batch as "start in us:jobs", jobs by order of release: "0:0 6000:1+2".
  std::string schedule() const {
    std::string text;
    for (const Batch& batch : batches) {
      if (!text.empty()) text += " ";
      text += std::to_string(batch.start.since_start() / 1us) + ":";
      for (std::size_t i = 0; i < batch.command.jobs.size(); ++i) {
        const auto nth =
            std::find(released.begin(), released.end(), batch.command.jobs[i]) - released.begin();
        text += (i > 0 ? "+" : "") + std::to_string(nth);
      }
    }
    return text;
  }

  template <typename T>
  std::size_t count() const {
    std::size_t n = 0;
    for (const auto& [when, command] : log) n += std::holds_alternative<T>(command) ? 1 : 0;
    return n;
  }

  Scheduler scheduler;
  Instant now;
  std::function<Duration(const StartBatch&)> execution_time;
  std::function<Duration(const Job&)> segment_time;
  std::function<BatchStatus(const StartBatch&)> batch_status = [](const StartBatch&) {
    return BatchStatus::kSucceeded;
  };
  std::function<void(Instant, const Event&)> on_event = [](Instant, const Event&) {};
  Duration plan_delay = 1ms;
  bool honours_terminate = true;

  std::vector<std::pair<Instant, Command>> log;
  std::vector<Batch> batches;  ///< Index: batch id - 1.
  std::vector<Settled> settled;
  std::vector<JobId> released;  ///< In order of release; those without a free slot are not in it.
  std::size_t forgotten = 0;
  std::size_t without_slot = 0;

 private:
  using Place = std::tuple<Instant, int, std::uint64_t>;

  void deliver(Event event) {
    if (auto* release = std::get_if<JobReleased>(&event)) {
      const auto id = ids_.allocate();
      if (!id) {
        ++without_slot;
        return;
      }
      release->job.id = *id;
      released.push_back(*id);
      jobs_[*id] = release->job;
    } else if (auto* cancel = std::get_if<JobCancelled>(&event)) {
      const std::size_t nth = ~static_cast<std::uint64_t>(cancel->job);
      if (nth >= released.size()) return;
      cancel->job = released[nth];
    } else if (auto* ready = std::get_if<PlanReady>(&event)) {
      ready->hash = scheduler.compute_plan(ready->plan);
    }
    feed(event);
  }

  void feed(const Event& event) {
    on_event(now, event);
    commands_.clear();
    scheduler.handle(now, event, commands_);
    for (const Command& command : commands_) {
      log.emplace_back(now, command);
      std::visit([this](const auto& c) { carry_out(c); }, command);
    }
  }

  void carry_out(const AnswerTask&) {}
  void carry_out(const StartSegment& c) {
    post(now + segment_time(jobs_.at(c.job)), SegmentFinished{c.job, c.executor, true});
  }
  void carry_out(const StartBatch& c) {
    LAXITY_CHECK(static_cast<std::uint64_t>(c.batch) == batches.size() + 1);
    batches.push_back({c, now, std::nullopt});
    const Duration time = execution_time(c);
    BatchFinished finished{c.batch, c.executor, batch_status(c), time, {}, 0};
    if (finished.status == BatchStatus::kSucceeded) {
      for (std::size_t i = 0; i < c.jobs.size(); ++i) finished.confidences.push_back(Confidence{60000});
    }
    batches.back().finish = now + time;
    post(now + time, finished);
  }
  void carry_out(const TerminateBatch& c) {
    if (!honours_terminate) return;
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
      auto* finished = std::get_if<BatchFinished>(&it->second);
      if (!finished || finished->batch != c.batch) continue;
      BatchFinished stopped{c.batch, c.executor, BatchStatus::kTerminated, {}, {}, 0};
      queue_.erase(it);
      post(now, stopped);
      return;
    }
  }
  void carry_out(const SettleJob& c) {
    settled.push_back({jobs_.at(c.job), c, now});
    if (c.is_last) ids_.release(c.job);
  }
  void carry_out(const ForgetJob& c) {
    ++forgotten;
    ids_.release(c.job);
  }
  void carry_out(const SetTimer& c) { timer_ = c.at; }
  void carry_out(const ComputePlan& c) { post(now + plan_delay, PlanReady{c.plan, 0}); }

  CommandBuffer commands_;
  JobIdAllocator ids_;
  std::map<Place, Event> queue_;
  std::map<JobId, Job> jobs_;
  std::optional<Instant> timer_;
  std::uint64_t sequence_ = 0;
};

}  // namespace laxity::tiny
