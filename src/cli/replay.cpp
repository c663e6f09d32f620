#include "cli/replay.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string_view>
#include <vector>

#include "core/command.h"
#include "policy/registry.h"
#include "sched/scheduler.h"

namespace laxity {
namespace {

constexpr std::string_view kNoCommands = "no commands";

/// The commands of an encoded entry, as they stand in its line.
std::string_view commands_of(std::string_view line) {
  constexpr std::string_view kKey = "\"commands\":";
  const std::size_t at = line.find(kKey);
  if (at == std::string_view::npos) return kNoCommands;
  line.remove_prefix(at + kKey.size());
  return line.substr(0, line.rfind('}'));
}

/// What a recording may say next. A file is input: an event that cannot have happened is refused here, before
/// the scheduler's own checks would take it for a bug.
class Plausibility {
 public:
  explicit Plausibility(const SystemModel& system)
      : system_(system), is_alive_(system.limits.queue_length_max), executors_(system.executors.size()) {}

  /// Empty when the event may happen; else what was expected and found.
  std::string objection(const TraceEntry& entry) {
    if (entry.at < last_) return "expected times that do not go back, found an earlier one";
    last_ = entry.at;
    return std::visit([this](const auto& event) { return check(event); }, entry.event);
  }

  /// Follows what the fresh scheduler has commanded.
  void follow(const CommandBuffer& commands) {
    for (const Command& command : commands) {
      if (const auto* start = std::get_if<StartBatch>(&command)) {
        executors_[index(start->executor)].batch = start->batch;
        executors_[index(start->executor)].job_count = start->jobs.size();
      } else if (const auto* settled = std::get_if<SettleJob>(&command)) {
        if (settled->is_last) set_alive(settled->job, false);
      } else if (const auto* forgotten = std::get_if<ForgetJob>(&command)) {
        set_alive(forgotten->job, false);
      } else if (const auto* plan = std::get_if<ComputePlan>(&command)) {
        plan_ = plan->plan;
      }
    }
  }

 private:
  struct Running {
    std::optional<BatchId> batch;
    std::optional<BatchId> lost;
    std::size_t job_count = 0;
  };

  static std::string expected(const std::string& what, std::uint64_t found) {
    return "expected " + what + ", found " + std::to_string(found);
  }
  void set_alive(JobId id, bool is_alive) {
    if (slot(id) < is_alive_.size()) is_alive_[slot(id)] = is_alive;
  }
  std::string check_executor(ExecutorId id) const {
    if (index(id) < executors_.size()) return {};
    return expected("an executor below " + std::to_string(executors_.size()), index(id));
  }
  std::string check_model(ModelId id, std::uint32_t variant) const {
    const auto& models = system_.catalog.models;
    if (index(id) >= models.size())
      return expected("a model below " + std::to_string(models.size()), index(id));
    const std::size_t variant_count = models[index(id)].variants.size();
    if (variant >= variant_count)
      return expected("a variant below " + std::to_string(variant_count), variant);
    return {};
  }

  std::string check(const TaskSubmitted& event) const {
    const Task& task = event.task;
    // Far beyond any stream, and far below what sums of a few of them could overflow.
    constexpr Duration kSpanMax = Duration::max() / 16;
    const auto is_sane = [&](Duration span, Duration minimum) { return span >= minimum && span <= kSpanMax; };
    if (!is_sane(task.min_inter_arrival, 1ns) || !is_sane(task.relative_deadline, 1ns) ||
        !is_sane(task.release_jitter_max, 0ns)) {
      return "expected a period and a deadline above 0 and no negative jitter, found otherwise";
    }
    return check_model(task.model, task.lowest_variant);
  }
  std::string check(const TaskRemoved&) const { return {}; }
  std::string check(const JobReleased& event) {
    const Job& job = event.job;
    if (slot(job.id) < is_alive_.size()) {
      if (is_alive_[slot(job.id)])
        return expected("a job in a free slot", static_cast<std::uint64_t>(job.id));
      is_alive_[slot(job.id)] = true;
    }
    if (job.kind != JobKind::kBestEffort && !job.absolute_deadline) {
      return expected("a deadline", static_cast<std::uint64_t>(job.id)) + " without one";
    }
    return check_model(job.model, job.variant);
  }
  std::string check(const JobCancelled&) const { return {}; }
  std::string check(const SegmentFinished& event) const { return check_executor(event.executor); }
  std::string check(const BatchFinished& event) {
    if (std::string wrong = check_executor(event.executor); !wrong.empty()) return wrong;
    Running& running = executors_[index(event.executor)];
    const auto batch = static_cast<std::uint64_t>(event.batch);
    if (running.batch != event.batch) {
      if (running.lost != event.batch) return expected("the batch that runs there", batch);
      return {};
    }
    running.batch.reset();
    if (event.status == BatchStatus::kSucceeded && event.confidences.size() != running.job_count) {
      return expected(std::to_string(running.job_count) + " confidences", event.confidences.size());
    }
    return {};
  }
  std::string check(const ExecutorLost& event) {
    if (std::string wrong = check_executor(event.executor); !wrong.empty()) return wrong;
    Running& running = executors_[index(event.executor)];
    if (running.batch) running.lost = running.batch;
    running.batch.reset();
    return {};
  }
  std::string check(const ExecutorBack& event) const { return check_executor(event.executor); }
  std::string check(const PlanReady& event) {
    if (plan_ != event.plan) return expected("the plan asked for", static_cast<std::uint64_t>(event.plan));
    plan_.reset();
    return {};
  }
  std::string check(const TablesChanged&) const { return {}; }
  std::string check(const ShutdownStarted&) const { return {}; }
  std::string check(const TimerFired&) const { return {}; }

  const SystemModel& system_;
  std::vector<bool> is_alive_;  // index: slot
  std::vector<Running> executors_;
  std::optional<PlanId> plan_;
  Instant last_ = Instant::from_start(Duration::min() / 4);
};

class Replay {
 public:
  Replay(TraceHeader header, std::unique_ptr<Policy> policy)
      : header_(std::move(header)),
        plausibility_(header_.system),
        commands_(header_.system.limits),
        encoder_(header_.system.executors.size()),
        scheduler_(header_.system, std::move(policy)) {
    report_.driver = header_.driver;
    report_.policy = header_.policy;
  }

  /// Takes the next line; false: nothing more needs reading. Errors: as replay_trace, without the place.
  Result<bool> take(std::uint64_t number, std::string_view text) {
    auto line = decode_trace_line(text);
    if (!line) return line.error();
    if (const auto* end = std::get_if<TraceEnd>(&*line)) {
      report_.end = end->reason;
      return false;
    }
    if (const auto* table = std::get_if<TraceTable>(&*line)) {
      scheduler_.replace_table(table->table);
      ++report_.tables;
      return true;
    }
    const auto* entry = std::get_if<TraceEntry>(&*line);
    if (entry == nullptr) return invalid_argument("expected an event, found a second header");
    if (std::string wrong = plausibility_.objection(*entry); !wrong.empty())
      return invalid_argument(std::move(wrong));
    return apply(number, *entry, text);
  }

  ReplayReport& report() { return report_; }

 private:
  Result<bool> apply(std::uint64_t number, const TraceEntry& entry, std::string_view text) {
    if (const auto* ready = std::get_if<PlanReady>(&entry.event)) {
      const std::uint64_t hash = scheduler_.compute_plan(ready->plan);
      if (hash != ready->hash) {
        report_.difference = {number, "plan hash " + std::to_string(ready->hash),
                              "plan hash " + std::to_string(hash)};
        return false;
      }
      ++report_.plans;
    }
    commands_.clear();
    scheduler_.handle(entry.at, entry.event, commands_);
    plausibility_.follow(commands_);
    text_.clear();
    encoder_.entry(entry.at, entry.event, commands_.commands(), text_);
    const std::string_view found = commands_of(std::string_view(text_).substr(0, text_.size() - 1));
    const std::string_view expected = commands_of(text);
    if (found != expected) {
      report_.difference = {number, std::string(expected), std::string(found)};
      return false;
    }
    ++report_.events;
    report_.commands += commands_.size();
    report_.last = entry.at;
    return true;
  }

  const TraceHeader header_;
  Plausibility plausibility_;
  CommandBuffer commands_;
  TraceEncoder encoder_;
  Scheduler scheduler_;
  std::string text_;
  ReplayReport report_;
};

Error at(const std::string& origin, std::uint64_t line, const Error& error) {
  return {error.code, origin + ":" + std::to_string(line) + ": " + error.message};
}

/// The end line of a trace that has one, read from the back so that a trace with holes is refused before it
/// misleads.
std::optional<TraceEnd> end_line(std::istream& trace) {
  constexpr std::streamoff kTailSize = 512;  // an end line has about 70 bytes
  trace.seekg(0, std::ios::end);
  const std::streamoff size = trace.tellg();
  const std::streamoff tail_size = std::min(size, kTailSize);
  trace.seekg(size - tail_size);
  std::string tail(static_cast<std::size_t>(std::max<std::streamoff>(tail_size, 0)), '\0');
  trace.read(tail.data(), tail_size);
  trace.clear();
  trace.seekg(0);
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  const std::size_t newline = tail.rfind('\n');
  if (newline == std::string::npos) return std::nullopt;
  auto line = decode_trace_line(std::string_view(tail).substr(newline + 1));
  if (!line || !std::holds_alternative<TraceEnd>(*line)) return std::nullopt;
  return std::get<TraceEnd>(*line);
}

}  // namespace

Result<ReplayReport> replay_trace(std::istream& trace, const std::string& origin) {
  const auto end = end_line(trace);
  if (end && end->reason == TraceEndReason::kDropped) {
    return invalid_argument(origin + ": expected every event, found that recording dropped " +
                            std::to_string(end->dropped_count) + " of them");
  }
  std::string text;
  if (!std::getline(trace, text)) return invalid_argument(origin + ": expected a trace, found an empty file");
  auto first = decode_trace_line(text);
  if (!first) return at(origin, 1, first.error());
  auto* header = std::get_if<TraceHeader>(&*first);
  if (header == nullptr)
    return at(origin, 1, invalid_argument("expected the header of a trace, found another line"));
  auto policy = make_policy(header->policy, header->policy_options);
  if (!policy) return at(origin, 1, policy.error());

  const auto replay = std::make_unique<Replay>(std::move(*header), std::move(policy).value());
  for (std::uint64_t number = 2; std::getline(trace, text); ++number) {
    if (trace.eof()) break;  // no newline: the line that was being written when the recording broke off
    const auto goes_on = replay->take(number, text);
    if (!goes_on) return at(origin, number, goes_on.error());
    if (!*goes_on) break;
  }
  return replay->report();
}

Result<ReplayReport> replay_trace_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": expected a trace, found no file that can be read");
  return replay_trace(file, path);
}

}  // namespace laxity
