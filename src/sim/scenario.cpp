#include "sim/scenario.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/nearest.h"
#include "base/toml_reader.h"

namespace laxity {
namespace {

constexpr double kMillisecondsMax = 1e9;  // eleven days: nothing in a scenario is longer
constexpr double kSecondsMax = 1e6;
constexpr double kRateMax = 1e6;
constexpr std::size_t kFaultsMax = 1000;
constexpr std::size_t kModelsMax = 64;
constexpr std::uintmax_t kFileSizeMax = 64u << 20;

// Means of what a sporadic task waits beyond its minimum, when the file does not say a rate: a quarter of the
// minimum.
constexpr double kSporadicStretch = 1.25;

constexpr std::array<std::pair<std::string_view, Arrival>, 6> kArrivals = {
    {{"periodic", Arrival::kPeriodic},
     {"sporadic", Arrival::kSporadic},
     {"poisson", Arrival::kPoisson},
     {"gamma", Arrival::kGamma},
     {"trace", Arrival::kTrace},
     {"closed-loop", Arrival::kClosedLoop}}};
constexpr std::array<std::pair<std::string_view, FaultKind>, 6> kFaults = {
    {{"overrun", FaultKind::kOverrun},
     {"stall", FaultKind::kStall},
     {"executor-lost", FaultKind::kExecutorLost},
     {"drift", FaultKind::kDrift},
     {"client-gone", FaultKind::kClientGone},
     {"delay", FaultKind::kDelay}}};
constexpr std::array<std::pair<std::string_view, OnRefusal>, 3> kRefusals = {
    {{"skip", OnRefusal::kSkip},
     {"take-offer", OnRefusal::kTakeOffer},
     {"best-effort", OnRefusal::kBestEffort}}};
constexpr std::array<std::pair<std::string_view, Guarantee>, 4> kGuarantees = {
    {{"nominal", Guarantee::kNominal},
     {"plan-rolling", Guarantee::kPlanRolling},
     {"plan", Guarantee::kPlan},
     {"demand", Guarantee::kDemand}}};
constexpr std::array<std::pair<std::string_view, JobKind>, 3> kKinds = {
    {{"firm", JobKind::kFirm}, {"soft", JobKind::kSoft}, {"best-effort", JobKind::kBestEffort}}};

Duration from_ms(double ms) { return Duration(std::llround(ms * 1e6)); }
Duration from_s(double s) { return Duration(std::llround(s * 1e9)); }

Duration milliseconds(TomlTable& table, std::string_view key, double minimum, Duration otherwise) {
  const auto value = table.number(key, minimum, kMillisecondsMax);
  return value ? from_ms(*value) : otherwise;
}

/// A word out of a closed set; complains with the nearest one.
template <typename T, std::size_t kCount>
std::optional<T> word(TomlTable& table, std::string_view key,
                      const std::array<std::pair<std::string_view, T>, kCount>& known) {
  const auto text = table.string(key);
  if (!text) return std::nullopt;
  std::vector<std::string_view> words;
  for (const auto& [known_word, value] : known) {
    if (known_word == *text) return value;
    words.push_back(known_word);
  }
  table.complain(
      key, "expected one of " +
               [&] {
                 std::string list;
                 for (const std::string_view w : words) list += (list.empty() ? "" : ", ") + std::string(w);
                 return list;
               }() +
               ", found '" + *text + "'; did you mean '" + nearest(*text, words) + "'?");
  return std::nullopt;
}

/// Keys that only some arrivals have; anywhere else they would be silently without effect.
void refuse_keys_of_other_arrivals(TomlTable& table, Arrival arrival) {
  struct Key {
    std::string_view name;
    std::vector<Arrival> of;
  };
  const Key keys[] = {{"period_ms", {Arrival::kPeriodic}},
                      {"jitter_ms", {Arrival::kPeriodic}},
                      {"phase_ms", {Arrival::kPeriodic}},
                      {"clock_ppm", {Arrival::kPeriodic}},
                      {"min_inter_arrival_ms", {Arrival::kSporadic}},
                      {"rate_per_s", {Arrival::kSporadic, Arrival::kPoisson, Arrival::kGamma}},
                      {"cv", {Arrival::kGamma}},
                      {"file", {Arrival::kTrace}},
                      {"column", {Arrival::kTrace}},
                      {"clients", {Arrival::kClosedLoop}},
                      {"think_ms", {Arrival::kClosedLoop}}};
  for (const Key& key : keys) {
    if (!table.has(key.name) || std::find(key.of.begin(), key.of.end(), arrival) != key.of.end()) continue;
    std::string words;
    for (const Arrival a : key.of) words += (words.empty() ? "\"" : " or \"") + std::string(name(a)) + "\"";
    table.complain(key.name, "expected only with arrival = " + words + ", found arrival = \"" +
                                 std::string(name(arrival)) + "\"");
  }
}

struct TraceFile {
  std::string path;
  std::string column;
};

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  for (;;) {
    const std::size_t comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

std::optional<double> number_of(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Time stamps in seconds, as durations since the earliest. The lines may be in any order.
Result<std::vector<Duration>> read_trace(const TraceFile& trace) {
  std::ifstream file(trace.path, std::ios::binary);
  std::string line;
  if (!std::getline(file, line)) {
    return not_found(trace.path + ": expected a CSV file with a header line, found nothing that can be read");
  }
  const auto header = cells_of(line);
  const auto found = std::find(header.begin(), header.end(), trace.column);
  if (found == header.end()) {
    return invalid_argument(trace.path + ":1: expected a column '" + trace.column + "'; did you mean '" +
                            nearest(trace.column, header) + "'?");
  }
  const auto column = static_cast<std::size_t>(found - header.begin());
  std::vector<double> stamps;
  for (std::size_t number = 2; std::getline(file, line); ++number) {
    if (line.empty() || line == "\r") continue;
    const auto cells = cells_of(line);
    const auto stamp = column < cells.size() ? number_of(cells[column]) : std::nullopt;
    if (!stamp || std::abs(*stamp) > 1e12) {
      return invalid_argument(trace.path + ":" + std::to_string(number) + ": expected seconds in column '" +
                              trace.column + "', found '" +
                              std::string(column < cells.size() ? cells[column] : "") + "'");
    }
    if (stamps.size() == kScenarioJobsMax) {
      return Error{ErrorCode::kTooLarge,
                   trace.path + ": expected at most " + std::to_string(kScenarioJobsMax) + " lines"};
    }
    stamps.push_back(*stamp);
  }
  std::sort(stamps.begin(), stamps.end());
  std::vector<Duration> times;
  for (const double stamp : stamps) {
    const double since = stamp - stamps.front();
    if (since > kSecondsMax) break;  // no scenario lasts that long
    times.push_back(from_s(since));
  }
  return times;
}

class Reader {
 public:
  Reader(TomlTable& root, std::string folder) : root_(root), folder_(std::move(folder)) {}

  Result<Scenario> read() {
    scenario_.name = root_.string("name").value_or("unnamed");
    const auto duration = root_.number("duration_s", 1e-6, kSecondsMax);
    if (!root_.has("duration_s"))
      root_.complain("duration_s", "expected how long the scenario lasts, found nothing");
    scenario_.duration = from_s(duration.value_or(1));
    scenario_.seed = static_cast<std::uint64_t>(root_.integer("seed", 0, INT64_MAX).value_or(1));
    scenario_.load_fraction = root_.number("load_fraction", 0, 1000).value_or(0);
    for (TomlTable* task : root_.tables("task")) read_task(*task);
    read_system();
    const auto faults = root_.tables("fault");
    if (faults.size() > kFaultsMax) root_.complain("fault", "expected at most 1000 faults");
    for (TomlTable* fault : faults) read_fault(*fault);
    if (Status status = root_.finish(); !status) return status.error();
    if (too_large_) return *too_large_;
    if (Status status = read_traces(); !status) return status.error();
    return std::move(scenario_);
  }

 private:
  void read_task(TomlTable& table) {
    TaskSpec task;
    task.name = table.string("name").value_or("task");
    if (!table.has("model")) table.complain("", "expected a key 'model' in [[task]], found none");
    task.model = table.string("model").value_or("");
    task.lowest_variant = table.string("lowest_variant");
    task.arrival = word(table, "arrival", kArrivals).value_or(Arrival::kPeriodic);
    refuse_keys_of_other_arrivals(table, task.arrival);
    TraceFile trace;
    read_arrival(table, task, trace);
    read_deadline(table, task);
    task.miss_rate_bound_ppm =
        static_cast<std::uint32_t>(std::llround(table.number("miss_rate_bound", 0, 1).value_or(0) * 1e6));
    if (const auto frames = table.integer("frames", 1, static_cast<std::int64_t>(kScenarioJobsMax))) {
      task.frames = static_cast<std::uint64_t>(*frames);
    }
    task.input = table.string("input").value_or("random");
    read_admission(table, task);
    task.start = from_s(table.number("start_s", 0, kSecondsMax).value_or(0));
    add_copies(table, task, trace);
  }

  void read_arrival(TomlTable& table, TaskSpec& task, TraceFile& trace) {
    switch (task.arrival) {
      case Arrival::kPeriodic:
        require(table, "period_ms", task.arrival);
        task.period = milliseconds(table, "period_ms", 0.001, 1ms);
        task.jitter = milliseconds(table, "jitter_ms", 0, 0ms);
        task.phase = milliseconds(table, "phase_ms", 0, 0ms);
        task.clock_ppm = table.integer("clock_ppm", -100'000, 100'000).value_or(0);
        break;
      case Arrival::kSporadic: {
        require(table, "min_inter_arrival_ms", task.arrival);
        task.period = milliseconds(table, "min_inter_arrival_ms", 0.001, 1ms);
        const double rate_max = 1e9 / static_cast<double>(task.period.count());
        task.rate_per_s = table.number("rate_per_s", 1e-6, kRateMax).value_or(rate_max / kSporadicStretch);
        if (task.rate_per_s > rate_max * (1 + 1e-9)) {
          table.complain("rate_per_s", "expected at most 1 / min_inter_arrival, found more");
        }
        break;
      }
      case Arrival::kGamma:
        require(table, "cv", task.arrival);
        task.cv = table.number("cv", 0.01, 30).value_or(1);
        [[fallthrough]];
      case Arrival::kPoisson:
        require(table, "rate_per_s", task.arrival);
        task.rate_per_s = table.number("rate_per_s", 1e-6, kRateMax).value_or(1);
        break;
      case Arrival::kTrace:
        require(table, "file", task.arrival);
        require(table, "column", task.arrival);
        trace.path = table.string("file").value_or("");
        trace.column = table.string("column").value_or("");
        if (!trace.path.starts_with('/')) trace.path = folder_ + trace.path;
        break;
      case Arrival::kClosedLoop:
        require(table, "clients", task.arrival);
        task.clients = static_cast<std::uint32_t>(table.integer("clients", 1, 10'000).value_or(1));
        task.think = milliseconds(table, "think_ms", 0, 0ms);
        break;
    }
  }

  void require(TomlTable& table, std::string_view key, Arrival arrival) {
    if (table.has(key)) return;
    table.complain(
        "", "expected a key '" + std::string(key) + "' with arrival = \"" + name(arrival) + "\", found none");
  }

  void read_deadline(TomlTable& table, TaskSpec& task) {
    if (table.is_table("deadline_ms")) {
      TomlTable* range = table.table("deadline_ms");
      if (range != nullptr) {
        const std::vector<double> ends = range->numbers("uniform");
        const bool is_range =
            ends.size() == 2 && ends[0] > 0 && ends[0] <= ends[1] && ends[1] <= kMillisecondsMax;
        if (is_range) task.deadline = DeadlineRange{from_ms(ends[0]), from_ms(ends[1])};
        if (!is_range) range->complain("", "expected deadline_ms = { uniform = [a, b] } with 0 < a <= b");
      }
    } else if (const auto ms = table.number("deadline_ms", 0.001, kMillisecondsMax)) {
      task.deadline = DeadlineRange{from_ms(*ms), from_ms(*ms)};
    }
    const auto kind = word(table, "kind", kKinds);
    task.kind = kind.value_or(task.deadline ? JobKind::kFirm : JobKind::kBestEffort);
    if (task.kind == JobKind::kBestEffort && table.has("deadline_ms")) {
      table.complain("kind", "expected firm or soft with a deadline, found best-effort");
    }
    if (task.kind != JobKind::kBestEffort && !table.has("deadline_ms")) {
      table.complain("kind",
                     "expected a key 'deadline_ms' with " + std::string(name(task.kind)) + ", found none");
    }
  }

  void read_admission(TomlTable& table, TaskSpec& task) {
    const auto admission = table.string("admission");
    task.on_refusal = word(table, "on_refusal", kRefusals).value_or(OnRefusal::kSkip);
    task.guarantee = word(table, "guarantee", kGuarantees).value_or(Guarantee::kNone);
    if (!admission || *admission == "request") {
      for (const char* key : {"guarantee", "on_refusal"}) {
        if (table.has(key)) table.complain(key, "expected only with admission = \"stream\", found without");
      }
      return;
    }
    if (*admission != "stream") {
      table.complain("admission", "expected stream or request, found '" + *admission + "'");
      return;
    }
    task.asks_stream = true;
    if (task.period <= Duration::zero()) {
      table.complain("admission", "expected a periodic or sporadic arrival with \"stream\", found " +
                                      std::string(name(task.arrival)));
    } else if (!task.deadline || task.deadline->minimum != task.deadline->maximum) {
      table.complain("admission", "expected one deadline with \"stream\", found none or several");
    }
  }

  void add_copies(TomlTable& table, const TaskSpec& task, const TraceFile& trace) {
    const bool is_counted = table.has("count");
    const auto count = static_cast<std::uint32_t>(
        table.integer("count", 1, static_cast<std::int64_t>(kScenarioTasksMax)).value_or(1));
    if (scenario_.tasks.size() + count > kScenarioTasksMax) {
      table.complain("count", "expected at most " + std::to_string(kScenarioTasksMax) + " tasks in all");
      return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      TaskSpec copy = task;
      if (is_counted) copy.name += "-" + std::to_string(i);
      if (!table.has("phase_ms")) copy.phase = task.period * i / count;
      if (copy.arrival != Arrival::kPeriodic) copy.phase = {};
      count_jobs(copy);
      scenario_.tasks.push_back(std::move(copy));
      traces_.push_back(trace);
    }
  }

  /// Adds up how many jobs the scenario will release; what random arrivals and clients add is bounded
  /// elsewhere.
  void count_jobs(const TaskSpec& task) {
    const double seconds = static_cast<double>(scenario_.duration.count()) / 1e9;
    double jobs = 0;
    if (task.arrival == Arrival::kPeriodic)
      jobs = seconds * 1e9 / static_cast<double>(task.period.count()) + 1;
    if (task.rate_per_s > 0) jobs = seconds * task.rate_per_s;
    if (task.frames) jobs = std::min(jobs, static_cast<double>(*task.frames));
    jobs_ += jobs;
    if (jobs_ > static_cast<double>(kScenarioJobsMax) && !too_large_) {
      too_large_ = Error{ErrorCode::kTooLarge, root_.where() + ": expected at most " +
                                                   std::to_string(kScenarioJobsMax) + " jobs, found more"};
    }
  }

  Status read_traces() {
    for (std::size_t i = 0; i < scenario_.tasks.size(); ++i) {
      if (scenario_.tasks[i].arrival != Arrival::kTrace) continue;
      const bool is_copy =
          i > 0 && traces_[i].path == traces_[i - 1].path && traces_[i].column == traces_[i - 1].column;
      if (is_copy) {
        scenario_.tasks[i].times = scenario_.tasks[i - 1].times;
        continue;
      }
      auto times = read_trace(traces_[i]);
      if (!times) return times.error();
      scenario_.tasks[i].times = std::move(times).value();
    }
    return Unit{};
  }

  void read_fault(TomlTable& table) {
    Fault fault;
    fault.at = Instant::from_start(from_s(table.number("at_s", 0, kSecondsMax).value_or(0)));
    if (!table.has("at_s")) table.complain("", "expected a key 'at_s' in [[fault]], found none");
    if (!table.has("kind")) table.complain("", "expected a key 'kind' in [[fault]], found none");
    fault.kind = word(table, "kind", kFaults).value_or(FaultKind::kOverrun);
    fault.factor_ppm =
        static_cast<std::uint32_t>(std::llround(table.number("factor", 0.001, 1000).value_or(1) * 1e6));
    fault.jobs = static_cast<std::uint32_t>(table.integer("jobs", 1, 1'000'000).value_or(1));
    fault.executor = static_cast<std::uint32_t>(table.integer("executor", 0, 1023).value_or(0));
    if (const auto duration = table.number("duration_s", 1e-6, kSecondsMax))
      fault.duration = from_s(*duration);
    const bool needs_duration = fault.kind == FaultKind::kStall || fault.kind == FaultKind::kDelay;
    if (needs_duration && !table.has("duration_s")) {
      table.complain("kind",
                     "expected a key 'duration_s' with " + std::string(name(fault.kind)) + ", found none");
    }
    const bool is_slower = fault.kind == FaultKind::kOverrun || fault.kind == FaultKind::kDrift;
    if (is_slower && !table.has("factor")) {
      table.complain("kind",
                     "expected a key 'factor' with " + std::string(name(fault.kind)) + ", found none");
    }
    scenario_.faults.push_back(fault);
  }

  void read_system() {
    const auto models = root_.tables("model");
    const auto executors = root_.integer("executors", 1, 64);
    const auto segment_executors = root_.integer("segment_executors", 0, 64);
    if (models.empty()) {
      if (root_.has("executors"))
        root_.complain("executors", "expected only with [[model]], found no [[model]]");
      if (root_.has("segment_executors")) root_.complain("segment_executors", "expected only with [[model]]");
      return;
    }
    if (models.size() > kModelsMax) root_.complain("model", "expected at most 64 models");
    SystemModel system;
    for (std::int64_t i = 0; i < executors.value_or(1); ++i) {
      system.executors.push_back({"cpu" + std::to_string(i), ExecutorKind::kCpu, true, true});
    }
    for (std::int64_t i = 0; i < segment_executors.value_or(0); ++i) {
      system.executors.push_back({"segments" + std::to_string(i), ExecutorKind::kCpu, false, true});
    }
    for (TomlTable* model : models) read_model(*model, system);
    scenario_.system = std::move(system);
  }

  void read_model(TomlTable& table, SystemModel& system) {
    Model model;
    model.name = table.string("name").value_or("");
    if (model.name.empty()) table.complain("", "expected a key 'name' in [[model]], found none");
    if (system.catalog.find_model(model.name)) table.complain("name", "expected a new name, found it again");
    std::vector<std::int64_t> sizes =
        table.integers("batch_sizes", 1, static_cast<std::int64_t>(kBatchSizeMax));
    if (sizes.empty()) sizes = {1};
    const auto stages = table.tables("stage");
    model.mandatory_count = static_cast<std::uint32_t>(table.integer("mandatory", 1, 16).value_or(1));
    const Duration preprocess = milliseconds(table, "preprocess_ms", 0, 0ms);
    const Duration postprocess = milliseconds(table, "postprocess_ms", 0, 0ms);
    model.has_preprocess = preprocess > Duration::zero();
    if (stages.empty() || stages.size() > 16)
      table.complain("", "expected 1 to 16 [[model.stage]], found another number");
    if (model.mandatory_count > stages.size())
      table.complain("mandatory", "expected at most the number of stages");
    std::vector<std::vector<ExecutionTime>> times;
    for (TomlTable* stage : stages) times.push_back(read_stage(*stage, sizes.size()));
    const bool is_usable = !stages.empty() && stages.size() <= 16 && model.mandatory_count <= stages.size();
    if (!is_usable) return;

    model.variants.push_back({"full", {}});
    const auto largest = static_cast<std::uint32_t>(*std::max_element(sizes.begin(), sizes.end()));
    const ModelId id =
        system.catalog.add_model(std::move(model), {static_cast<std::uint32_t>(stages.size())}, largest);
    system.table.set_segment(id, SegmentKind::kPreprocess,
                             {preprocess, preprocess, preprocess, preprocess, 1});
    system.table.set_segment(id, SegmentKind::kPostprocess,
                             {postprocess, postprocess, postprocess, postprocess, 1});
    for (std::size_t stage = 0; stage < times.size(); ++stage) {
      const CategoryId category = system.catalog.models[index(id)].variants[0].stages[stage];
      for (std::size_t i = 0; i < times[stage].size(); ++i) {
        system.table.set(category, static_cast<std::uint32_t>(sizes[i]), times[stage][i]);
      }
    }
  }

  /// One entry a batch size; empty after a complaint.
  std::vector<ExecutionTime> read_stage(TomlTable& table, std::size_t size_count) {
    const std::vector<double> p50 = table.numbers("p50_ms");
    std::vector<double> p99 = table.numbers("p99_ms");
    std::vector<double> max = table.numbers("max_ms");
    if (!table.has("p99_ms")) p99 = p50;
    if (!table.has("max_ms")) max = p99;
    std::vector<ExecutionTime> times;
    if (p50.size() != size_count || p99.size() != size_count || max.size() != size_count) {
      table.complain("p50_ms", "expected one time for each of batch_sizes (" + std::to_string(size_count) +
                                   ") in p50_ms, p99_ms and max_ms, found another number");
      return times;
    }
    for (std::size_t i = 0; i < size_count; ++i) {
      const bool is_ordered =
          p50[i] >= 0.000001 && p50[i] <= p99[i] && p99[i] <= max[i] && max[i] <= kMillisecondsMax;
      if (!is_ordered) {
        table.complain("p50_ms", "expected 0 < p50_ms <= p99_ms <= max_ms");
        return {};
      }
      times.push_back({from_ms(p50[i]), from_ms(p99[i]), from_ms(max[i]), from_ms(p99[i]), 1});
    }
    return times;
  }

  TomlTable& root_;
  std::string folder_;
  Scenario scenario_;
  std::vector<TraceFile> traces_;  // index: task
  double jobs_ = 0;
  std::optional<Error> too_large_;
};

bool has_line(std::string_view text, std::string_view wanted) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    if (line == wanted) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

}  // namespace

const char* name(Arrival arrival) noexcept {
  for (const auto& [word, value] : kArrivals) {
    if (value == arrival) return word.data();  // literals end in a zero
  }
  return "unknown";
}

const char* name(FaultKind kind) noexcept {
  for (const auto& [word, value] : kFaults) {
    if (value == kind) return word.data();
  }
  return "unknown";
}

std::vector<std::string> Scenario::task_names() const {
  std::vector<std::string> names;
  for (const TaskSpec& task : tasks) names.push_back(task.name);
  return names;
}

std::vector<std::string> Scenario::model_names() const {
  std::vector<std::string> names;
  for (const TaskSpec& task : tasks) {
    if (std::find(names.begin(), names.end(), task.model) == names.end()) names.push_back(task.model);
  }
  return names;
}

Result<Scenario> parse_toml_scenario(std::string_view text, std::string_view origin,
                                     const std::string& folder) {
  auto root = TomlTable::parse(text, origin);
  if (!root) return root.error();
  return Reader(*root, folder).read();
}

Result<AnyScenario> parse_scenario(std::string_view text, std::string_view origin,
                                   const std::string& folder) {
  if (has_line(text, "---") || origin.ends_with(".scenario") || origin.ends_with(".scenario_slow")) {
    auto parsed = parse_text_scenario(text, origin);
    if (!parsed) return parsed.error();
    return AnyScenario(std::move(parsed).value());
  }
  auto parsed = parse_toml_scenario(text, origin, folder);
  if (!parsed) return parsed.error();
  return AnyScenario(std::move(parsed).value());
}

Result<AnyScenario> load_scenario(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char piece[1 << 14];
  while (file.read(piece, sizeof piece) || file.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kFileSizeMax) {
      return Error{ErrorCode::kTooLarge,
                   path + ": expected at most " + std::to_string(kFileSizeMax) + " bytes"};
    }
  }
  if (!file.eof()) return not_found(path + ": expected a scenario file, found nothing that can be read");
  const std::size_t slash = path.rfind('/');
  return parse_scenario(text, path, slash == std::string::npos ? "" : path.substr(0, slash + 1));
}

}  // namespace laxity
