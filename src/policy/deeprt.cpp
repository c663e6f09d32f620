// The policy `deeprt` (policy/deeprt_policy.h): its tables, and what it offers to the registry.
#include <algorithm>

#include "policy/builtin.h"
#include "policy/deeprt_policy.h"

namespace laxity {
namespace {

constexpr PolicyOption kOptions[] = {
    {"admission", 2, 0, 3,
     "of streams: 0 accept all and promise nothing, 1 phases 1 and 2 as published, 2 repaired, 3 repaired "
     "and "
     "judging frames by their own deadlines"},
    {"admission_frames_max", 100'000, 1'000, 10'000'000,
     "frames that one admission test plays at most; what comes later is tested again in time"},
    {"adaptation", 1, 0, 2,
     "a category that overruns its table: 0 runs on, 1 leaves optional stages out, 2 takes cheaper variants "
     "too"},
    {"early_batching", 1, 0, 2,
     "idle executor takes an open window's frames: 0 never, 1 where no tested batch starts later for it, 2 "
     "always"},
    {"best_effort_window_us", 1'000'000, 1, 3'600'000'000, "window of frames without a deadline"},
    {"best_effort_period_us", 20'000, 1, 3'600'000'000,
     "how far apart frames without a deadline enter their window, however fast they come"},
    {"best_effort_batch_size_max", 1, 1, static_cast<std::int64_t>(kBatchSizeMax),
     "largest batch of frames without a deadline: what a frame with one may be blocked by"},
};

constexpr std::size_t kPendingMax = 64;  // admissions that may wait

}  // namespace

void DeepRtPolicy::attach(const Books& books) {
  books_ = &books;
  const SystemModel& system = books.system();
  const std::size_t streams_max = system.limits.streams_max;
  rows_.resize(system.catalog.categories.size());
  for (std::uint32_t i = 0; i < rows_.size(); ++i) {
    if (system.catalog.categories[i].stage != 0) continue;
    rows_[i] = static_cast<CategoryIndex>(first_stages_.size());
    first_stages_.push_back(static_cast<CategoryId>(i));
  }
  make_times();
  const std::size_t lane_count = kClassCount * first_stages_.size();
  const std::size_t batches_max = books.capacity() + lane_count;  // each has a job, but for the empty ones
  work_.emplace(lane_count, streams_max, batches_max);
  using Admission = DeepRtOptions::Admission;
  work_->form = options_.admission == Admission::kPublished ? EdfImitator::Form::kPublished
                : options_.admission == Admission::kFrames  ? EdfImitator::Form::kFrames
                                                            : EdfImitator::Form::kRepaired;
  work_->times = times_;
  times_are_new_ = false;
  work_->frames_max = options_.admission_frames_max;
  work_->load.lanes.reserve(lane_count);
  windows_.reserve(lane_count);
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    // The candidate and a leaver come on top.
    const std::size_t room = class_of(lane) == Class::kStream ? streams_max + 2 : 0;
    windows_.emplace_back(room);
    work_->load.lanes.emplace_back(room);
  }
  frames_ = JobHeaps<FrameKey>(books.capacity(), 2 * lane_count);
  next_entry_.resize(lane_count);
  events_ = JobQueue<LaneEvent>(lane_count);
  members_.resize(books.capacity());
  batches_.resize(batches_max);
  queue_ = JobQueue<WindowBatchKey>(batches_max);
  free_batches_.reserve(batches_max);
  for (std::size_t i = batches_max; i-- > 0;) free_batches_.push_back(static_cast<std::uint32_t>(i));
  running_.resize(system.executors.size());
  booked_until_.resize(system.executors.size());
  places_.resize(lane_count);
  work_->load.free_at.reserve(system.executors.size());
  streams_.resize(streams_max);
  stream_lanes_.reserve(lane_count);
  pending_.reserve(kPendingMax + streams_max);
  answers_.reserve(kPendingMax + 2 * streams_max);
  leavers_.resize(lane_count);
  std::vector<CategoryId> lane_stages;
  for (std::size_t lane = 0; lane < lane_count; ++lane) lane_stages.push_back(first_stages_[row_of(lane)]);
  adaptation_.emplace(system, options_.adaptation, lane_stages);
}

const Variant& DeepRtPolicy::variant_of(CategoryId category) const {
  const Catalog& catalog = books_->system().catalog;
  const Category& entry = catalog.categories[index(category)];
  return catalog.models[index(entry.model)].variants[entry.variant];
}

// A batch goes through all stages as it is, so the least of their caps binds.
std::size_t DeepRtPolicy::cap_of(std::size_t lane) const {
  std::size_t cap = times_.cap(row_of(lane));
  if (class_of(lane) == Class::kBestEffort) cap = std::min(cap, options_.best_effort_batch_size_max);
  return cap;
}

// Stages [stage, end) of the category's variant; frames are decoded in the first of all.
Duration DeepRtPolicy::time_between(CategoryId category, std::uint32_t stage, std::uint32_t end,
                                    std::uint32_t size) const {
  const SystemModel& system = books_->system();
  const Category& entry = system.catalog.categories[index(category)];
  const Variant& variant = variant_of(category);
  const bool decodes =
      system.catalog.models[index(entry.model)].has_preprocess && system.preprocesses_inline();
  Duration total{};
  for (std::uint32_t k = stage; k < end; ++k) {
    total += system.planned(variant.stages[k], size, decodes && k == 0 ? size : 0);
  }
  return total;
}

// One row per model and variant, all stages back to back: E of the paper, with the overheads that it leaves
// out. Every frame is charged its decoding; one that comes decoded ends its batch earlier.
void DeepRtPolicy::make_times() {
  const SystemModel& system = books_->system();
  times_ = BatchTimes();
  for (const CategoryId category : first_stages_) {
    auto cap = static_cast<std::uint32_t>(kBatchSizeMax);
    for (const CategoryId stage : variant_of(category).stages) {
      cap = std::min(cap, system.batch_size_max(stage));
    }
    const auto stage_count = static_cast<std::uint32_t>(variant_of(category).stages.size());
    std::vector<Duration> row;
    for (std::uint32_t n = 1; n <= cap; ++n) {
      const Duration time = time_between(category, 0, stage_count, n) + system.table.overheads.wake_p99;
      row.push_back(std::max(time, Duration(1)));
    }
    times_.add_category(std::move(row));
  }
  times_are_new_ = true;
}

bool DeepRtPolicy::is_measured(ModelId model, std::uint32_t variant) const {
  const SystemModel& system = books_->system();
  for (const CategoryId stage : system.catalog.model(model).variants.at(variant).stages) {
    if (system.table.batch_size_max(stage) == 0) return false;
  }
  return true;
}

BuiltinPolicy deeprt_policy() {
  return {
      {"deeprt",
       "batching in time windows of half the tightest deadline, then EDF of batches; a stream is admitted if "
       "an imitation of both finds no batch late. Guarantee nominal: none is late while "
       "executions take their table times, frames come when expected and nothing else comes; early ends or "
       "jitter can break it",
       "Yang, Nahrstedt, Guo & Zhou, SEC 2021",
       "O(b log n + c): batch b, n waiting, c categories; admission is tested beside the scheduler",
       kOptions},
      [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
        DeepRtOptions chosen;
        chosen.early = static_cast<DeepRtOptions::EarlyBatching>(option(options, "early_batching"));
        chosen.admission = static_cast<DeepRtOptions::Admission>(option(options, "admission"));
        chosen.admission_frames_max = static_cast<std::uint64_t>(option(options, "admission_frames_max"));
        chosen.adaptation = static_cast<DeepRtAdaptation::Reach>(option(options, "adaptation"));
        chosen.best_effort_window = std::chrono::microseconds(option(options, "best_effort_window_us"));
        chosen.best_effort_period = std::chrono::microseconds(option(options, "best_effort_period_us"));
        chosen.best_effort_batch_size_max =
            static_cast<std::size_t>(option(options, "best_effort_batch_size_max"));
        return std::make_unique<DeepRtPolicy>(chosen);
      }};
}

}  // namespace laxity
