// The policy `laxity` (policy/laxity_policy.h): its tables, and what it offers to the registry.
#include <algorithm>

#include "policy/builtin.h"
#include "policy/laxity_policy.h"
#include "policy/mandatory_times.h"

namespace laxity {
namespace {

constexpr PolicyOption kOptions[] = {
    {"horizon_us", 5'000'000, 100'000, 60'000'000,
     "how far ahead an endless stream is planned when admitted"},
    {"lookahead_us", 2'000'000, 50'000, 60'000'000, "plans that reach less far than this are extended"},
    {"extension_period_us", 500'000, 10'000, 10'000'000, "how long to wait between two extensions"},
    {"margin_ppm", 50'000, 0, 1'000'000,
     "by how much longer times an endless stream must be borne when admitted"},
    {"answer_guard_us", 1'000, 0, 1'000'000,
     "an answer that there is leaves so long before the last chance of a deeper one: timers wake late"},
    {"best_effort_percent", 90, 0, 100,
     "of the gaps that promises leave, the share of best-effort work while optional stages wait too"},
    {"search_nodes", 5'000, 0, 16'000, "nodes of the search for a plan when the generators find none"},
};

}  // namespace

void LaxityPolicy::attach(const Books& books) {
  books_ = &books;
  const SystemModel& system = books.system();
  const std::size_t frames_max = system.limits.plan_frames_max;
  gap_.attach(books, true, true, options_.answer_guard);
  best_effort_.attach(books, true, true);
  dispatch_.attach(books.capacity(), system.executors.size());
  streams_.resize(system.limits.streams_max);
  places_.resize(books.capacity());
  pending_.reserve(kPendingMax + system.limits.streams_max);
  answers_.reserve(kPendingMax + kAnswersPerStreamMax * system.limits.streams_max);
  gone_.reserve(4096);
  make_times();
  work_.emplace(frames_max, system.limits.streams_max, system.executors.size(),
                std::max<std::size_t>(1, times_.category_count()));
  renew_workshop_times();
  executors_.reserve(system.executors.size());
  for (std::size_t e = 0; e < system.executors.size(); ++e)
    executors_.emplace_back(frames_max, system.limits.streams_max);
}

// One category of planning per model and variant: a planned batch goes through its mandatory stages as one.
void LaxityPolicy::make_times() {
  const SystemModel& system = books_->system();
  times_ = BatchTimes();
  plan_categories_.assign(system.catalog.models.size(), {});
  for (std::size_t m = 0; m < system.catalog.models.size(); ++m) {
    const auto variant_count = static_cast<std::uint32_t>(system.catalog.models[m].variants.size());
    for (std::uint32_t variant = 0; variant < variant_count; ++variant) {
      plan_categories_[m].push_back(
          times_.add_category(mandatory_times(system, static_cast<ModelId>(m), variant)));
    }
  }
}

bool LaxityPolicy::is_measured(ModelId model, std::uint32_t variant) const {
  const SystemModel& system = books_->system();
  const Model& entry = system.catalog.model(model);
  const std::vector<CategoryId>& stages = entry.variants.at(variant).stages;
  for (std::size_t k = 0; k < std::min<std::size_t>(entry.mandatory_count, stages.size()); ++k) {
    if (system.table.batch_size_max(stages[k]) == 0) return false;
  }
  return true;
}

void LaxityPolicy::renew_workshop_times() {
  work_->times = times_;
  work_->padded_times = times_.with_margin(options_.margin_ppm);
  times_are_new_ = false;
}

// When the executor can start something at the latest. None: nobody knows, since a batch overruns its table
// or runs for the first time.
std::optional<Instant> LaxityPolicy::free_at(std::uint32_t executor, Instant now) const {
  const ExecutorEntry& entry = books_->executors()[executor];
  const ExecutorPlan& e = executors_[executor];
  if (entry.is_idle()) return e.group.empty() ? now : std::max(now, e.group_finish);
  if (entry.planned_finish == entry.start) return std::nullopt;
  const Instant finish = std::max(entry.planned_finish + wake(), e.group_finish);
  if (finish < now) return std::nullopt;
  return finish;
}

BuiltinPolicy laxity_policy() {
  return {
      {"laxity",
       "streams are promised by a plan that serves every frame at its latest arrival and at table times; "
       "the plan's order is followed, all else runs in its gaps. Holds for arrivals within jitter and "
       "executions within the table; for endless streams up to a time that moves on. Streams that ask for "
       "the guarantee demand are proved for ever and for any phase by the demand test",
       "ours: docs/analysis/plans.md, docs/analysis/demand.md",
       "O(b log n + c): batch b, n waiting, c categories; plans are made beside the scheduler", kOptions},
      [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
        const auto time = [&](std::string_view name) {
          return Duration(std::chrono::microseconds(option(options, name)));
        };
        return std::make_unique<LaxityPolicy>(LaxityOptions{
            time("horizon_us"), time("lookahead_us"), time("extension_period_us"),
            option(options, "margin_ppm"), static_cast<std::uint64_t>(option(options, "search_nodes")),
            time("answer_guard_us"), option(options, "best_effort_percent")});
      }};
}

}  // namespace laxity
