#include "trace/results.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>

#include "base/text_table.h"

namespace laxity {
namespace {

using Json = nlohmann::ordered_json;  // keys stay in the order of the contract

// Over this the numbers say more about the client than about the server.
constexpr double kSendLagWarningMs = 1.0;

double seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }

/// Samples of one kind, sorted once and then asked for percentiles.
class Samples {
 public:
  void reserve(std::size_t count) { values_.reserve(count); }
  void add(std::int64_t value) { values_.push_back(value); }
  void sort() { std::sort(values_.begin(), values_.end()); }

  /// By nearest rank: the least sample that at least `permille` / 1000 of all do not exceed. None without
  /// samples.
  std::optional<std::int64_t> percentile(std::uint64_t permille) const {
    if (values_.empty()) return std::nullopt;
    const std::uint64_t rank = (permille * values_.size() + 999) / 1000;
    return values_[std::clamp<std::uint64_t>(rank, 1, values_.size()) - 1];
  }
  std::optional<double> percentile_ms(std::uint64_t permille) const {
    const auto value = percentile(permille);
    if (!value) return std::nullopt;
    return static_cast<double>(*value) / 1e6;
  }

 private:
  std::vector<std::int64_t> values_;
};

constexpr std::uint64_t kMaximum = 1000;

std::optional<double> ratio(double numerator, double denominator) {
  if (denominator <= 0) return std::nullopt;
  return numerator / denominator;
}

/// Everything that is said about a set of jobs: a whole run, or one task of it.
class Summary {
 public:
  explicit Summary(std::size_t job_count) { response_.reserve(job_count); }

  void add(const JobRecord& job) {
    ++jobs_;
    ++outcomes_[static_cast<std::size_t>(job.outcome)];
    if (job.response_time) response_.add(job.response_time->count());
    if (job.lateness && *job.lateness > Duration::zero()) lateness_.add(job.lateness->count());
    if (job.send_lag) send_lag_.add(job.send_lag->count());
    if (job.batch_size > 0) {
      ++batched_;
      batches_ += 1.0 / job.batch_size;
    }
    if (job.response_time && job.exit_count > 0) {
      ++answers_;
      exits_ += job.exit_count;
    }
    is_truth_known_ = is_truth_known_ || job.is_right.has_value();
    if (job.outcome == Outcome::kOnTime && job.is_right.value_or(false)) ++right_on_time_;
    if (job.is_promised) {
      ++promised_;
      if (job.outcome == Outcome::kOnTime) ++kept_;
    }
    if (job.server_on_time) {
      is_server_verdict_known_ = true;
      if (*job.server_on_time) ++server_on_time_;
    }
  }

  void finish() {
    response_.sort();
    lateness_.sort();
    send_lag_.sort();
  }

  std::uint64_t count(Outcome outcome) const { return outcomes_[static_cast<std::size_t>(outcome)]; }
  std::uint64_t jobs() const { return jobs_; }
  const Samples& response() const { return response_; }
  const Samples& lateness() const { return lateness_; }
  const Samples& send_lag() const { return send_lag_; }
  std::uint64_t promised() const { return promised_; }
  std::uint64_t kept() const { return kept_; }

  std::optional<double> miss_rate() const {
    const std::uint64_t misses = count(Outcome::kLate) + count(Outcome::kDropped) + count(Outcome::kFailed);
    const std::uint64_t accepted = jobs_ - count(Outcome::kRejected) - count(Outcome::kCancelled);
    return ratio(static_cast<double>(misses), static_cast<double>(accepted));
  }
  std::optional<double> goodput_per_s(Duration duration) const {
    return ratio(static_cast<double>(count(Outcome::kOnTime)), seconds(duration));
  }
  std::optional<double> accuracy_answered() const {
    if (!is_truth_known_) return std::nullopt;
    return ratio(static_cast<double>(right_on_time_), static_cast<double>(count(Outcome::kOnTime)));
  }
  std::optional<double> accuracy_all() const {
    if (!is_truth_known_) return std::nullopt;
    return ratio(static_cast<double>(right_on_time_),
                 static_cast<double>(jobs_ - count(Outcome::kCancelled)));
  }
  /// A batch of b jobs gives each of them 1/b, so the sum counts batches and this is their mean size.
  std::optional<double> batch_size_mean() const { return ratio(static_cast<double>(batched_), batches_); }
  std::optional<double> depth_mean() const {
    return ratio(static_cast<double>(exits_), static_cast<double>(answers_));
  }
  std::optional<std::uint64_t> server_on_time() const {
    if (!is_server_verdict_known_) return std::nullopt;
    return server_on_time_;
  }

 private:
  std::uint64_t jobs_ = 0;
  std::array<std::uint64_t, kOutcomeCount> outcomes_{};
  Samples response_, lateness_, send_lag_;
  std::uint64_t batched_ = 0, answers_ = 0, exits_ = 0, right_on_time_ = 0, server_on_time_ = 0;
  std::uint64_t promised_ = 0, kept_ = 0;
  double batches_ = 0;
  bool is_truth_known_ = false, is_server_verdict_known_ = false;
};

Summary summary(std::span<const JobRecord> jobs) {
  Summary all(jobs.size());
  for (const JobRecord& job : jobs) all.add(job);
  all.finish();
  return all;
}

std::vector<Summary> summaries_by_task(const RunResult& run) {
  std::vector<Summary> by_task(run.task_names.size(), Summary(0));
  for (const JobRecord& job : run.jobs) by_task.at(job.task).add(job);
  for (Summary& task : by_task) task.finish();
  return by_task;
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// The fields that a run and each of its tasks have in common; those that only a run has are null for a task.
Json fields(const Summary& s, Duration duration, Json tasks_asked, Json tasks_admitted, Json utilization,
            Json decision_ns) {
  Json json;
  json["jobs"] = s.jobs();
  for (int i = 0; i < kOutcomeCount; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    json[name(outcome)] = s.count(outcome);
  }
  json["tasks_asked"] = std::move(tasks_asked);
  json["tasks_admitted"] = std::move(tasks_admitted);
  json["promised"] = s.promised();
  json["kept"] = s.kept();
  json["miss_rate"] = or_null(s.miss_rate());
  json["goodput_per_s"] = or_null(s.goodput_per_s(duration));
  json["accuracy_answered"] = or_null(s.accuracy_answered());
  json["accuracy_all"] = or_null(s.accuracy_all());
  json["response_ms"] = {{"p50", or_null(s.response().percentile_ms(500))},
                         {"p95", or_null(s.response().percentile_ms(950))},
                         {"p99", or_null(s.response().percentile_ms(990))},
                         {"p999", or_null(s.response().percentile_ms(999))},
                         {"max", or_null(s.response().percentile_ms(kMaximum))}};
  json["lateness_ms"] = {{"p50", or_null(s.lateness().percentile_ms(500))},
                         {"p99", or_null(s.lateness().percentile_ms(990))},
                         {"max", or_null(s.lateness().percentile_ms(kMaximum))}};
  json["batch_size_mean"] = or_null(s.batch_size_mean());
  json["depth_mean"] = or_null(s.depth_mean());
  json["utilization"] = std::move(utilization);
  json["server_on_time"] = or_null(s.server_on_time());
  json["decision_ns"] = std::move(decision_ns);
  const auto lag = s.send_lag().percentile_ms(990);
  json["send_lag_ms"] = lag ? Json{{"p99", *lag}} : Json(nullptr);
  return json;
}

std::optional<double> utilization(const RunResult& run) {
  if (!run.busy_time) return std::nullopt;
  return ratio(seconds(*run.busy_time), seconds(run.duration) * run.executor_count);
}

Json decision_ns(const RunResult& run) {
  if (run.decision_ns.empty()) return nullptr;
  Samples samples;
  samples.reserve(run.decision_ns.size());
  for (const std::uint32_t ns : run.decision_ns) samples.add(ns);
  samples.sort();
  return Json{{"p50", *samples.percentile(500)}, {"p99", *samples.percentile(990)}};
}

std::optional<double> milliseconds(const std::optional<Duration>& time) {
  if (!time) return std::nullopt;
  return static_cast<double>(time->count()) / 1e6;
}

/// What admission said to a stream: the words of the wire.
Json verdict_fields(const TaskVerdict& verdict) {
  const bool is_refused = verdict.answer == TaskAnswer::kRefused;
  Json json;
  json["guarantee"] = verdict.answer == TaskAnswer::kAdmitted ? Json(name(verdict.guarantee)) : Json(nullptr);
  json["response_time_bound_ms"] = or_null(milliseconds(verdict.response_time_bound));
  json["refusal"] = is_refused || verdict.took_offer ? Json(name(verdict.refusal)) : Json(nullptr);
  json["would_admit"] = Json::array();
  if (verdict.deadline_offer)
    json["would_admit"].push_back({{"deadline_ms", *milliseconds(verdict.deadline_offer)}});
  if (verdict.period_offer)
    json["would_admit"].push_back({{"period_ms", *milliseconds(verdict.period_offer)}});
  json["took_offer"] = verdict.took_offer;
  return json;
}

Json task_fields(const RunResult& run, std::size_t task, const Summary& task_summary) {
  Json asked = nullptr;
  Json admitted = nullptr;
  if (task < run.verdicts.size()) {
    asked = run.verdicts[task].answer == TaskAnswer::kNotAsked ? 0 : 1;
    admitted = run.verdicts[task].answer == TaskAnswer::kAdmitted ? 1 : 0;
  }
  Json json;
  json["name"] = run.task_names[task];
  json.update(fields(task_summary, run.duration, asked, std::move(admitted), nullptr, nullptr));
  if (asked == 1) json["admission"] = verdict_fields(run.verdicts[task]);
  return json;
}

Json run_json(const RunResult& run) {
  Json json;
  json["scenario"] = run.scenario;
  json["policy"] = run.policy;
  json["seed"] = run.seed;
  json["duration_s"] = seconds(run.duration);
  if (run.load != 0) json["load_fraction"] = run.load;
  json["simulated"] = run.is_simulated;
  json["totals"] = fields(summary(run.jobs), run.duration, run.tasks_asked, run.tasks_admitted,
                          or_null(utilization(run)), decision_ns(run));
  json["tasks"] = Json::array();
  const std::vector<Summary> by_task = summaries_by_task(run);
  for (std::size_t task = 0; task < by_task.size(); ++task) {
    json["tasks"].push_back(task_fields(run, task, by_task[task]));
  }
  return json;
}

std::string printed(const char* format, double value) {
  char text[64];
  (void)std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string printed_ms(const std::optional<double>& value) { return value ? printed("%.1f", *value) : "-"; }
std::string printed_percent(const std::optional<double>& value) {
  return value ? printed("%.1f %%", 100 * *value) : "-";
}

TextRow table_row(const RunResult& run, const Summary& s) {
  const auto on_time = ratio(static_cast<double>(s.count(Outcome::kOnTime)), static_cast<double>(s.jobs()));
  return {
      run.scenario,
      run.load > 0 ? printed("%.0f %%", 100 * run.load) : "-",
      run.policy,
      run.is_simulated ? "simulated" : "measured",
      std::to_string(s.jobs()),
      std::to_string(s.count(Outcome::kOnTime)),
      printed_percent(on_time),
      std::to_string(s.count(Outcome::kLate)),
      std::to_string(s.count(Outcome::kDropped)),
      std::to_string(s.count(Outcome::kRejected) + s.count(Outcome::kCancelled) + s.count(Outcome::kFailed)),
      printed_ms(s.response().percentile_ms(500)),
      printed_ms(s.response().percentile_ms(990)),
      printed_ms(s.response().percentile_ms(kMaximum)),
      printed_percent(s.accuracy_all())};
}

// Names are aligned left, numbers right.
constexpr std::array<std::size_t, 3> kRunTexts = {0, 2, 3};
constexpr std::array<std::size_t, 4> kStreamTexts = {0, 1, 2, 3};

std::string verdict_words(const TaskVerdict& verdict) {
  if (verdict.answer == TaskAnswer::kRefused) return std::string("refused: ") + name(verdict.refusal);
  return verdict.took_offer ? "took the offer" : "admitted";
}

/// One line a stream that asked for a promise; empty when none did.
std::string streams_table(const ResultDocument& document) {
  std::vector<TextRow> rows = {{"stream", "policy", "verdict", "guarantee", "bound ms", "sent", "promised",
                                "kept", "p99 ms", "max ms"}};
  for (const RunResult& run : document.runs) {
    const std::vector<Summary> by_task = summaries_by_task(run);
    for (std::size_t task = 0; task < run.verdicts.size(); ++task) {
      const TaskVerdict& verdict = run.verdicts[task];
      if (verdict.answer == TaskAnswer::kNotAsked) continue;
      const Summary& s = by_task[task];
      rows.push_back({run.task_names[task], run.policy, verdict_words(verdict), name(verdict.guarantee),
                      printed_ms(milliseconds(verdict.response_time_bound)), std::to_string(s.jobs()),
                      std::to_string(s.promised()), std::to_string(s.kept()),
                      printed_ms(s.response().percentile_ms(990)),
                      printed_ms(s.response().percentile_ms(kMaximum))});
    }
  }
  return rows.size() == 1 ? "" : "\n" + aligned(rows, kStreamTexts);
}

}  // namespace

MachineInfo this_machine() {
  MachineInfo machine;
  machine.cpu = "unknown";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("processor")) ++machine.cores;
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) machine.cpu = line.substr(colon + 2);
  }
  return machine;
}

std::string to_json(const ResultDocument& document) {
  Json json;
  json["schema"] = "laxity.result/1";
  json["command"] = document.command;
  json["machine"] = {{"cpu", document.machine.cpu},
                     {"cores", document.machine.cores},
                     {"engine", document.machine.engine},
                     {"emulated", document.machine.emulated}};
  json["runs"] = Json::array();
  for (const RunResult& run : document.runs) json["runs"].push_back(run_json(run));
  // Names come from files and may hold any bytes: replaced, never thrown at the caller.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RunTotals totals(const RunResult& run) {
  const Summary s = summary(run.jobs);
  RunTotals t;
  t.jobs = s.jobs();
  for (int i = 0; i < kOutcomeCount; ++i) t.outcomes[i] = s.count(static_cast<Outcome>(i));
  t.miss_rate = s.miss_rate().value_or(0);
  t.goodput_per_s = s.goodput_per_s(run.duration).value_or(0);
  t.accuracy_answered = s.accuracy_answered();
  t.accuracy_all = s.accuracy_all();
  t.response_ms_p50 = s.response().percentile_ms(500).value_or(0);
  t.response_ms_p95 = s.response().percentile_ms(950).value_or(0);
  t.response_ms_p99 = s.response().percentile_ms(990).value_or(0);
  t.response_ms_p999 = s.response().percentile_ms(999).value_or(0);
  t.response_ms_max = s.response().percentile_ms(kMaximum).value_or(0);
  t.batch_size_mean = s.batch_size_mean().value_or(0);
  t.depth_mean = s.depth_mean().value_or(0);
  t.utilization = utilization(run).value_or(0);
  t.send_lag_ms_p99 = s.send_lag().percentile_ms(990).value_or(0);
  t.promised = s.promised();
  t.kept = s.kept();
  return t;
}

std::string to_table(const ResultDocument& document) {
  std::vector<TextRow> rows = {{"scenario", "load", "policy", "", "sent", "on time", "", "late", "dropped",
                                "other", "p50 ms", "p99 ms", "max ms", "accuracy"}};
  std::string warnings;
  for (const RunResult& run : document.runs) {
    const Summary s = summary(run.jobs);
    rows.push_back(table_row(run, s));
    const double lag_ms = s.send_lag().percentile_ms(990).value_or(0);
    if (lag_ms > kSendLagWarningMs) {
      warnings += "warning: " + run.scenario + ", " + run.policy + ": the client itself was " +
                  printed("%.1f", lag_ms) + " ms late at p99, so this run measured the client\n";
    }
  }
  std::string text = aligned(rows, kRunTexts);
  if (document.machine.emulated) text += "emulated: executors took a table's time and did no arithmetic\n";
  text += streams_table(document);
  return text + warnings;
}

}  // namespace laxity
