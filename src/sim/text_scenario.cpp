#include "sim/text_scenario.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "base/nearest.h"
#include "core/job_id_allocator.h"
#include "sim/virtual_loop.h"

namespace laxity {
namespace {

constexpr std::size_t kLinesMax = 100'000;
constexpr std::size_t kJobsMax = 20'000;
constexpr std::int64_t kDurationMax = 1'000'000'000'000'000;  // eleven days
constexpr std::uint32_t kStagesMax = 16;

using Words = std::vector<std::string_view>;

Words words_of(std::string_view line) {
  Words words;
  for (;;) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::int64_t> integer_of(std::string_view text, std::int64_t minimum, std::int64_t maximum) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_integer = error == std::errc() && end == text.data() + text.size();
  return is_integer && value >= minimum && value <= maximum ? std::optional(value) : std::nullopt;
}

/// "5.000001ms" exactly, in integers. Units: ns, us, ms, s.
std::optional<Duration> duration_of(std::string_view text) {
  const std::size_t unit_at = text.find_first_not_of("0123456789.");
  if (unit_at == 0 || unit_at == std::string_view::npos) return std::nullopt;
  const std::string_view unit = text.substr(unit_at);
  std::size_t digits = 0;  // of a fraction that is still a whole nanosecond
  if (unit == "us") digits = 3;
  if (unit == "ms") digits = 6;
  if (unit == "s") digits = 9;
  if (digits == 0 && unit != "ns") return std::nullopt;
  const auto parts = split(text.substr(0, unit_at), '.');
  if (parts.size() > 2 || parts[0].empty() || (parts.size() == 2 && parts[1].empty())) return std::nullopt;
  std::string number(parts[0]);
  const std::string_view fraction = parts.size() == 2 ? parts[1] : "";
  if (fraction.size() > digits) return std::nullopt;
  number += fraction;
  number.append(digits - fraction.size(), '0');
  const auto value = integer_of(number, 0, kDurationMax);
  return value ? std::optional(Duration(*value)) : std::nullopt;
}

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_inner = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= 64 && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), is_inner);
}

std::optional<JobKind> kind_of(std::string_view text) {
  for (const JobKind kind : {JobKind::kFirm, JobKind::kSoft, JobKind::kBestEffort}) {
    if (text == name(kind)) return kind;
  }
  return std::nullopt;
}

/// Reads the part above the line, statement by statement. The first complaint is kept.
class Parser {
 public:
  explicit Parser(std::string_view origin) { scenario_.origin = origin; }

  Result<TextScenario> parse(std::string_view text);

 private:
  /// The words `key=value` of one statement, each of which must be asked for; and those without '=', as
  /// flags.
  class Arguments {
   public:
    Arguments(Parser& parser, std::span<const std::string_view> words) : parser_(parser) {
      for (const std::string_view word : words) {
        const std::size_t equals = word.find('=');
        const std::string_view key = word.substr(0, equals);
        given_.push_back({key, equals == std::string_view::npos ? "" : word.substr(equals + 1),
                          equals == std::string_view::npos, false});
      }
    }
    bool flag(std::string_view key) { return take(key, true) != nullptr; }
    std::optional<std::string_view> value(std::string_view key) {
      const Given* given = take(key, false);
      return given ? std::optional(given->value) : std::nullopt;
    }
    std::optional<Duration> duration(std::string_view key, Duration minimum = 0ns) {
      const auto text = value(key);
      if (!text) return std::nullopt;
      const auto parsed = duration_of(*text);
      if (!parsed || *parsed < minimum) {
        parser_.complain(std::string(key) + "=: expected a time such as 5ms" +
                         (minimum > 0ns ? " above zero" : "") + ", found '" + std::string(*text) + "'");
        return std::nullopt;
      }
      return parsed;
    }
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t minimum, std::int64_t maximum) {
      const auto text = value(key);
      if (!text) return std::nullopt;
      const auto parsed = integer_of(*text, minimum, maximum);
      if (!parsed) {
        parser_.complain(std::string(key) + "=: expected an integer from " + std::to_string(minimum) +
                         " to " + std::to_string(maximum) + ", found '" + std::string(*text) + "'");
      }
      return parsed;
    }
    void finish() {
      for (const Given& given : given_) {
        if (given.is_used) continue;
        const std::string near = nearest(given.key, asked_);
        parser_.complain("expected one of the words of this statement, found '" + std::string(given.key) +
                         (given.is_flag ? "'" : "='") +
                         (near.empty() ? "" : "; did you mean '" + near + "'?"));
      }
    }

   private:
    struct Given {
      std::string_view key, value;
      bool is_flag = false, is_used = false;
    };
    const Given* take(std::string_view key, bool is_flag) {
      asked_.push_back(key);
      for (Given& given : given_) {
        if (given.key != key || given.is_flag != is_flag || given.is_used) continue;
        given.is_used = true;
        return &given;
      }
      return nullptr;
    }
    Parser& parser_;
    std::vector<Given> given_;
    std::vector<std::string_view> asked_;
  };

  void complain(const std::string& message) {
    if (complaint_) return;
    complaint_ = invalid_argument(scenario_.origin + ":" + std::to_string(line_) + ": " + message);
  }
  void statement(std::string_view line);
  void expectation(std::string_view line);
  void read_executors(const Words& words);
  void read_policy(const Words& words);
  void read_limits(const Words& words);
  void read_overheads(const Words& words);
  void read_model(const Words& words);
  void read_slowdown(const Words& words);
  void read_job(const Words& words);
  void read_stream(const Words& words);
  void read_event(const Words& words);
  std::vector<Duration> stage_times(std::string_view text, std::optional<std::int64_t> batch);
  std::optional<ModelId> find_model(std::string_view name);
  ModelId model_of_time(Duration time);
  void add_job(TextJob job);
  void check_new_name(std::string_view name, std::string_view what);
  void finish();

  TextScenario scenario_;
  std::size_t line_ = 0;
  std::optional<Error> complaint_;
  std::vector<std::pair<std::size_t, std::string>> cancelled_;  // index into events, job name
  std::set<std::string, std::less<>> job_names_;
  bool has_executors_ = false;
};

void Parser::check_new_name(std::string_view name, std::string_view what) {
  if (!is_name(name)) {
    complain("expected a name (a letter, then letters, digits, '_', '-', '.') for a " + std::string(what) +
             ", found '" + std::string(name) + "'");
  }
}

void Parser::read_executors(const Words& words) {
  const auto count = words.size() > 1 ? integer_of(words[1], 1, 64) : std::nullopt;
  if (!count) return complain("expected 'executors N' with N from 1 to 64");
  Arguments arguments(*this, std::span(words).subspan(2));
  const std::int64_t segments = arguments.integer("segments", 0, 64).value_or(0);
  arguments.finish();
  if (has_executors_) return complain("expected one 'executors' statement, found a second");
  has_executors_ = true;
  for (std::int64_t i = 0; i < *count; ++i) {
    scenario_.system.executors.push_back({"cpu" + std::to_string(i), ExecutorKind::kCpu, true, true});
  }
  for (std::int64_t i = 0; i < segments; ++i) {
    scenario_.system.executors.push_back({"segments" + std::to_string(i), ExecutorKind::kCpu, false, true});
  }
}

void Parser::read_policy(const Words& words) {
  if (words.size() < 2) return complain("expected 'policy NAME', found no name");
  if (!scenario_.policy.empty()) return complain("expected one 'policy' statement, found a second");
  scenario_.policy = words[1];
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto parts = split(words[i], '=');
    constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
    const auto value = parts.size() == 2 ? integer_of(parts[1], -kAny, kAny) : std::nullopt;
    if (!value) return complain("expected option=integer, found '" + std::string(words[i]) + "'");
    scenario_.policy_options.insert_or_assign(std::string(parts[0]), *value);
  }
}

void Parser::read_limits(const Words& words) {
  Arguments arguments(*this, std::span(words).subspan(1));
  Limits& limits = scenario_.system.limits;
  if (const auto queue = arguments.integer("queue", 1, 1 << 20))
    limits.queue_length_max = static_cast<std::size_t>(*queue);
  if (const auto batch = arguments.integer("batch", 1, static_cast<std::int64_t>(kBatchSizeMax))) {
    limits.batch_size_max = static_cast<std::size_t>(*batch);
  }
  arguments.finish();
}

void Parser::read_overheads(const Words& words) {
  Arguments arguments(*this, std::span(words).subspan(1));
  Overheads& overheads = scenario_.system.table.overheads;
  overheads.dispatch = arguments.duration("dispatch").value_or(overheads.dispatch);
  overheads.reply_p99 = arguments.duration("reply").value_or(overheads.reply_p99);
  arguments.finish();
}

/// Times of batches of 1, 2, …, as "3ms/4ms/6ms" or, with `batch`, "3ms+1ms" or "3ms" (each job alone).
std::vector<Duration> Parser::stage_times(std::string_view text, std::optional<std::int64_t> batch) {
  const auto wrong = [&] {
    complain(
        "stages=: expected for each stage times such as 3ms/4ms (batches of 1, 2) or 3ms+1ms with batch=, "
        "found '" +
        std::string(text) + "'");
    return std::vector<Duration>();
  };
  std::vector<Duration> times;
  if (const std::size_t plus = text.find('+'); plus != std::string_view::npos) {
    const auto first = duration_of(text.substr(0, plus));
    const auto further = duration_of(text.substr(plus + 1));
    if (!first || !further || *first <= 0ns || !batch) return wrong();
    for (std::int64_t size = 1; size <= *batch; ++size) times.push_back(*first + (size - 1) * *further);
    return times;
  }
  for (const std::string_view part : split(text, '/')) {
    const auto time = duration_of(part);
    if (!time || *time <= 0ns || times.size() == kBatchSizeMax) return wrong();
    times.push_back(*time);
  }
  return times;
}

void Parser::read_model(const Words& words) {
  if (words.size() < 2) return complain("expected 'model NAME stages=…', found no name");
  check_new_name(words[1], "model");
  if (scenario_.system.catalog.find_model(words[1])) {
    return complain("expected a new model, found '" + std::string(words[1]) + "' again");
  }
  Arguments arguments(*this, std::span(words).subspan(2));
  const auto stages = arguments.value("stages");
  const auto batch = arguments.integer("batch", 1, static_cast<std::int64_t>(kBatchSizeMax));
  const auto mandatory = arguments.integer("mandatory", 1, kStagesMax);
  const auto preprocess = arguments.duration("preprocess");
  const auto postprocess = arguments.duration("postprocess");
  arguments.finish();
  if (!stages) return complain("expected stages=TIME,… in this statement, found none");

  std::vector<std::vector<Duration>> times;
  for (const std::string_view stage : split(*stages, ',')) times.push_back(stage_times(stage, batch));
  if (times.size() > kStagesMax) return complain("stages=: expected at most 16 stages");
  if (mandatory.value_or(1) > static_cast<std::int64_t>(times.size())) {
    return complain("mandatory=: expected at most the number of stages");
  }
  std::size_t largest = 1;
  for (const auto& stage : times) largest = std::max(largest, stage.size());
  if (complaint_) return;

  Model model;
  model.name = words[1];
  model.variants.push_back({"full", {}});
  model.mandatory_count = static_cast<std::uint32_t>(mandatory.value_or(1));
  model.has_preprocess = preprocess.has_value();
  SystemModel& system = scenario_.system;
  const auto cap = static_cast<std::uint32_t>(batch.value_or(static_cast<std::int64_t>(largest)));
  const ModelId id =
      system.catalog.add_model(std::move(model), {static_cast<std::uint32_t>(times.size())}, cap);
  for (std::size_t stage = 0; stage < times.size(); ++stage) {
    const CategoryId category = system.catalog.models[index(id)].variants[0].stages[stage];
    for (std::size_t i = 0; i < times[stage].size(); ++i) {
      const Duration t = times[stage][i];
      system.table.set(category, static_cast<std::uint32_t>(i + 1), {t, t, t, t, 1});
    }
  }
  const auto set_segment = [&](SegmentKind kind, std::optional<Duration> t) {
    if (t) system.table.set_segment(id, kind, {*t, *t, *t, *t, 1});
  };
  set_segment(SegmentKind::kPreprocess, preprocess);
  set_segment(SegmentKind::kPostprocess, postprocess);
}

std::optional<ModelId> Parser::find_model(std::string_view name) {
  const Catalog& catalog = scenario_.system.catalog;
  const auto found = catalog.find_model(name);
  if (!found) {
    std::vector<std::string_view> known;
    for (const Model& model : catalog.models) known.push_back(model.name);
    complain("model=: expected a model named above, found '" + std::string(name) + "'" +
             (known.empty() ? "" : "; did you mean '" + nearest(name, known) + "'?"));
  }
  return found;
}

void Parser::read_slowdown(const Words& words) {
  if (words.size() < 2) return complain("expected 'slowdown MODEL beside=MODEL factor=F', found no model");
  Arguments arguments(*this, std::span(words).subspan(2));
  const auto beside_name = arguments.value("beside");
  const auto factor_text = arguments.value("factor");
  arguments.finish();
  if (!beside_name || !factor_text) return complain("expected beside=MODEL and factor=F in this statement");
  const auto of = find_model(words[1]);
  const auto beside = find_model(*beside_name);
  double factor = 0;
  const auto [end, error] =
      std::from_chars(factor_text->data(), factor_text->data() + factor_text->size(), factor);
  const bool is_number = error == std::errc() && end == factor_text->data() + factor_text->size();
  if (!is_number || !(factor >= 1 && factor <= 1000)) {
    return complain("factor=: expected a number from 1 to 1000, found '" + std::string(*factor_text) + "'");
  }
  if (!of || !beside) return;
  if (!scenario_.slowdown) scenario_.slowdown.emplace();
  const Catalog& catalog = scenario_.system.catalog;
  for (const CategoryId a : catalog.model(*of).variants[0].stages) {
    for (const CategoryId b : catalog.model(*beside).variants[0].stages) {
      scenario_.slowdown->set(a, b, static_cast<FactorPpm>(factor * 1000 + 0.5) * (kFactorOne / 1000));
    }
  }
}

/// The network of jobs that only say C: it takes that time and batches with nothing.
ModelId Parser::model_of_time(Duration time) {
  SystemModel& system = scenario_.system;
  if (const auto known = system.catalog.find_model(text_of(time))) return *known;
  Model model;
  model.name = text_of(time);
  model.variants.push_back({"full", {}});
  const ModelId id = system.catalog.add_model(std::move(model), {1}, 1);
  system.table.set(system.catalog.models[index(id)].variants[0].stages[0], 1, {time, time, time, time, 1});
  return id;
}

void Parser::add_job(TextJob job) {
  if (scenario_.jobs.size() == kJobsMax)
    return complain("expected at most " + std::to_string(kJobsMax) + " jobs");
  scenario_.jobs.push_back(std::move(job));
}

void Parser::read_job(const Words& words) {
  if (words.size() < 2) return complain("expected 'job NAME r=… C=…', found no name");
  check_new_name(words[1], "job");
  TextJob made;
  made.name = words[1];
  if (!job_names_.insert(made.name).second)
    return complain("expected a new job, found '" + made.name + "' again");
  Arguments arguments(*this, std::span(words).subspan(2));
  const auto release = arguments.duration("r");
  const auto time = arguments.duration("C", 1ns);
  const auto model_name = arguments.value("model");
  const auto absolute = arguments.duration("d");
  const auto relative = arguments.duration("D", 1ns);
  const auto kind_text = arguments.value("kind");
  const auto priority = arguments.integer("priority", 0, std::numeric_limits<std::uint32_t>::max());
  made.execution_time = arguments.duration("x", 1ns);
  const auto confidences = arguments.value("confidence");
  made.job.needs_preprocess = arguments.flag("encoded");
  made.engine_fails = arguments.flag("engine-fails");
  made.is_undecodable = arguments.flag("undecodable");
  arguments.finish();

  if (!release) return complain("expected r=TIME in a job, found none");
  if (time.has_value() == model_name.has_value()) return complain("expected either C= or model= in a job");
  if (absolute && relative) return complain("expected d= (absolute) or D= (relative), found both");
  made.job.release = Instant::from_start(*release);
  if (absolute) made.job.absolute_deadline = Instant::from_start(*absolute);
  if (relative) made.job.absolute_deadline = made.job.release + *relative;
  made.job.kind = made.job.absolute_deadline ? JobKind::kFirm : JobKind::kBestEffort;
  if (kind_text) {
    const auto kind = kind_of(*kind_text);
    if (!kind)
      return complain("kind=: expected firm, soft or best-effort, found '" + std::string(*kind_text) + "'");
    const bool needs_deadline = *kind != JobKind::kBestEffort;
    if (needs_deadline != made.job.absolute_deadline.has_value()) {
      return complain("kind=: expected a deadline with firm and soft, and none with best-effort");
    }
    made.job.kind = *kind;
  }
  made.job.priority = static_cast<std::uint32_t>(priority.value_or(0));
  if (confidences) {
    for (const std::string_view text : split(*confidences, ',')) {
      double p = -1;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), p);
      if (error != std::errc() || end != text.data() + text.size() || !(p >= 0 && p <= 1)) {
        return complain("confidence=: expected numbers from 0 to 1, found '" + std::string(text) + "'");
      }
      made.confidences.push_back(static_cast<Confidence>(p * 65535 + 0.5));
    }
  }
  if (time) made.job.model = model_of_time(*time);
  if (model_name) {
    const auto model = find_model(*model_name);
    if (!model) return;
    made.job.model = *model;
  }
  if (made.job.needs_preprocess && !scenario_.system.catalog.model(made.job.model).has_preprocess) {
    return complain("encoded: expected a model with preprocess=, found one without");
  }
  add_job(std::move(made));
}

void Parser::read_stream(const Words& words) {
  if (words.size() < 2) return complain("expected 'stream NAME model=… T=… D=…', found no name");
  check_new_name(words[1], "stream");
  Arguments arguments(*this, std::span(words).subspan(2));
  const auto model_name = arguments.value("model");
  const auto period = arguments.duration("T", 1ns);
  const auto deadline = arguments.duration("D", 1ns);
  const Duration jitter = arguments.duration("J").value_or(0ns);
  const Duration first = arguments.duration("r").value_or(0ns);
  const Duration asks = arguments.duration("asks").value_or(first);
  const Duration lag = arguments.duration("lag").value_or(0ns);
  const auto execution_time = arguments.duration("x", 1ns);
  const std::int64_t frames = arguments.integer("frames", 1, 10'000).value_or(1);
  const auto kind_text = arguments.value("kind");
  const bool is_endless = arguments.flag("endless");
  const auto guarantee = arguments.value("guarantee");
  arguments.finish();
  if (guarantee && *guarantee != name(Guarantee::kDemand))
    return complain("guarantee=: expected demand, found '" + std::string(*guarantee) + "'");
  if (!model_name || !period || !deadline) return complain("expected model=, T= and D= in a stream");
  const auto model = find_model(*model_name);
  const auto kind = kind_text ? kind_of(*kind_text) : JobKind::kFirm;
  if (!kind || *kind == JobKind::kBestEffort) return complain("kind=: expected firm or soft in a stream");
  if (!model || complaint_) return;
  if (scenario_.task_names.size() == scenario_.system.limits.streams_max)
    return complain("expected fewer streams");

  TextEvent submitted;
  submitted.at = Instant::from_start(asks);
  submitted.kind = TextEvent::Kind::kSubmit;
  Task& task = submitted.task;
  task.id = static_cast<TaskId>(scenario_.task_names.size());
  task.model = *model;
  task.kind = *kind;
  task.min_inter_arrival = *period;
  task.release_jitter_max = jitter;
  task.relative_deadline = *deadline;
  task.first_release = Instant::from_start(first);
  if (!is_endless) task.frame_count = static_cast<std::uint64_t>(frames);
  if (guarantee) task.guarantee = Guarantee::kDemand;
  scenario_.task_names.emplace_back(words[1]);
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    TextJob made;
    made.name = std::string(words[1]) + "." + std::to_string(frame);
    if (!job_names_.insert(made.name).second)
      return complain("expected a new job, found '" + made.name + "' again");
    made.job.task = task.id;
    made.job.model = *model;
    made.job.kind = *kind;
    made.job.release = Instant::from_start(first) + frame * *period + lag;
    made.job.absolute_deadline = made.job.release + *deadline;
    made.execution_time = execution_time;
    made.job.frame = static_cast<std::uint32_t>(frame);
    add_job(std::move(made));
  }
  if (is_endless) {
    TextEvent left = submitted;
    left.at = *task.first_release + (frames - 1) * *period + lag + *deadline;
    left.kind = TextEvent::Kind::kLeave;
    scenario_.events.push_back(left);
  }
  scenario_.events.push_back(submitted);
}

void Parser::read_event(const Words& words) {
  TextEvent event;
  const bool has_object = words[0] != "shutdown";
  if (has_object && words.size() < 2)
    return complain("expected '" + std::string(words[0]) + " WHAT at=TIME'");
  Arguments arguments(*this, std::span(words).subspan(has_object ? 2 : 1));
  const auto at = arguments.duration("at");
  arguments.finish();
  if (!at) return complain("expected at=TIME in this statement, found none");
  event.at = Instant::from_start(*at);
  if (words[0] == "cancel") {
    event.kind = TextEvent::Kind::kCancel;
    cancelled_.emplace_back(scenario_.events.size(), words[1]);
  } else if (words[0] == "leave") {
    event.kind = TextEvent::Kind::kLeave;
    const auto& names = scenario_.task_names;
    const auto found = std::find(names.begin(), names.end(), words[1]);
    if (found == names.end())
      return complain("expected a stream named above, found '" + std::string(words[1]) + "'");
    event.task.id = static_cast<TaskId>(found - names.begin());
  } else if (words[0] == "shutdown") {
    event.kind = TextEvent::Kind::kShutdown;
  } else {
    event.kind = words[0] == "lose" ? TextEvent::Kind::kLose : TextEvent::Kind::kReturn;
    const auto executor =
        integer_of(words[1], 0, static_cast<std::int64_t>(scenario_.system.executors.size()) - 1);
    if (!executor)
      return complain("expected the number of an executor, found '" + std::string(words[1]) + "'");
    event.executor = static_cast<ExecutorId>(*executor);
  }
  scenario_.events.push_back(event);
}

void Parser::statement(std::string_view line) {
  const Words words = words_of(line.substr(0, line.find('#')));
  if (words.empty()) return;
  struct Known {
    std::string_view word;
    void (Parser::*read)(const Words&);
  };
  static constexpr Known kKnown[] = {
      {"executors", &Parser::read_executors}, {"policy", &Parser::read_policy},
      {"limits", &Parser::read_limits},       {"overheads", &Parser::read_overheads},
      {"model", &Parser::read_model},         {"job", &Parser::read_job},
      {"stream", &Parser::read_stream},       {"cancel", &Parser::read_event},
      {"leave", &Parser::read_event},         {"lose", &Parser::read_event},
      {"return", &Parser::read_event},        {"shutdown", &Parser::read_event},
      {"slowdown", &Parser::read_slowdown}};
  std::vector<std::string_view> names = {"plan-delay"};
  for (const Known& known : kKnown) {
    if (words[0] == known.word) return (this->*known.read)(words);
    names.push_back(known.word);
  }
  if (words[0] == "plan-delay") {
    const auto delay = words.size() == 2 ? duration_of(words[1]) : std::nullopt;
    if (!delay) return complain("expected 'plan-delay TIME'");
    scenario_.plan_delay = *delay;
    return;
  }
  complain("expected a statement, found '" + std::string(words[0]) + "'; did you mean '" +
           nearest(words[0], names) + "'?");
}

void Parser::expectation(std::string_view line) {
  const std::size_t hash = line.find('#');
  const Words words = words_of(line.substr(0, hash));
  if (words.empty()) return;
  const auto at = duration_of(words[0]);
  if (!at)
    return complain("expected a time such as 5ms at the start of a decision, found '" +
                    std::string(words[0]) + "'");
  TextDecision decision;
  decision.at = Instant::from_start(*at);
  for (std::size_t i = 1; i < words.size(); ++i)
    decision.words += (i == 1 ? "" : " ") + std::string(words[i]);
  if (hash != std::string_view::npos) {
    decision.comment = line.substr(hash);
    decision.comment.erase(decision.comment.find_last_not_of(" \t\r") + 1);
  }
  scenario_.expected.push_back(std::move(decision));
}

void Parser::finish() {
  if (scenario_.system.executors.empty()) {
    scenario_.system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  }
  if (scenario_.policy.empty()) scenario_.policy = "edf";
  std::stable_sort(scenario_.jobs.begin(), scenario_.jobs.end(),
                   [](const TextJob& a, const TextJob& b) { return a.job.release < b.job.release; });
  for (const auto& [event, name] : cancelled_) {
    const auto found = std::find_if(scenario_.jobs.begin(), scenario_.jobs.end(),
                                    [&, &wanted = name](const TextJob& job) { return job.name == wanted; });
    if (found == scenario_.jobs.end())
      return complain("cancel: expected a job of this file, found '" + name + "'");
    scenario_.events[event].job = static_cast<std::size_t>(found - scenario_.jobs.begin());
  }
  std::stable_sort(scenario_.events.begin(), scenario_.events.end(),
                   [](const TextEvent& a, const TextEvent& b) { return a.at < b.at; });
}

Result<TextScenario> Parser::parse(std::string_view text) {
  const std::string_view whole = text;
  bool is_below = false;
  while (!text.empty() && !complaint_) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (++line_ > kLinesMax) complain("expected at most " + std::to_string(kLinesMax) + " lines");
    const Words words = words_of(line);
    if (!is_below && words.size() == 1 && words[0] == "---") {
      is_below = true;
      scenario_.setup = whole.substr(0, whole.size() - text.size());
      if (scenario_.setup.back() != '\n') scenario_.setup += '\n';
    } else if (is_below) {
      expectation(line);
    } else {
      statement(line);
    }
  }
  if (!is_below) complain("expected a line --- between the workload and the expected decisions, found none");
  if (!complaint_) finish();
  if (complaint_) return *complaint_;
  return std::move(scenario_);
}

/// Plays the script to a scheduler and writes down what it decides.
class Script final : public World {
 public:
  explicit Script(const TextScenario& scenario)
      : scenario_(scenario),
        allocator_(scenario.system.limits.queue_length_max),
        slots_(scenario.system.limits.queue_length_max),
        ids_(scenario.jobs.size()),
        is_refused_(scenario.task_names.size(), false),
        is_lost_(scenario.task_names.size(), false),
        is_inline_(scenario.system.preprocesses_inline()) {}

  void begin(VirtualLoop& loop) {
    loop_ = &loop;
    for (std::uint32_t i = 0; i < scenario_.events.size(); ++i) {
      const TextEvent& event = scenario_.events[i];
      loop.at(event.at, event.kind == TextEvent::Kind::kCancel ? 1 : 2, i);
    }
  }
  std::vector<TextDecision> decisions() && { return std::move(decisions_); }

  std::optional<Instant> next_release() const override {
    if (next_job_ == scenario_.jobs.size()) return std::nullopt;
    return scenario_.jobs[next_job_].job.release;
  }
  bool take_release(Instant now, Event& event) override {
    const std::size_t index_of_job = next_job_++;
    const TextJob& text = scenario_.jobs[index_of_job];
    if (text.job.task && is_refused_[index(*text.job.task)]) return false;
    const auto id = allocator_.allocate();
    if (!id) {
      say(now, "reject " + text.name + " " + name(Reason::kQueueFull));
      return false;
    }
    ids_[index_of_job] = *id;
    slots_[slot(*id)] = {index_of_job, text.job.needs_preprocess};
    Job job = text.job;
    job.id = *id;
    event.emplace<JobReleased>(JobReleased{job});
    return true;
  }
  bool due(Instant now, std::uint32_t token, Event& event) override;

  WorkTime batch_time(Instant, const StartBatch& batch, Duration) override {
    std::uint32_t encoded_count = 0;
    Duration longest{};
    bool is_all_said = true;
    for (const JobId job : batch.jobs) {
      const Slot& held = slots_[slot(job)];
      if (held.is_encoded) ++encoded_count;
      const auto& said = scenario_.jobs[held.job].execution_time;
      is_all_said = is_all_said && said.has_value();
      longest = std::max(longest, said.value_or(0ns));
    }
    const Duration dispatch = scenario_.system.table.overheads.dispatch;
    const auto size = static_cast<std::uint32_t>(batch.jobs.size());
    const Duration planned = scenario_.system.planned(batch.category, size, encoded_count) - dispatch;
    return {is_all_said ? longest : std::max(planned, longest), dispatch};
  }
  WorkTime segment_time(Instant, const StartSegment& segment) override {
    const Job& job = scenario_.jobs[slots_[slot(segment.job)].job].job;
    const Duration time = scenario_.system.table.segment(job.model, SegmentKind::kPreprocess).p99;
    return {std::max(time, Duration(1)), 0ns};
  }
  bool segment_succeeds(JobId job) override {
    slots_[slot(job)].is_encoded = false;
    return !scenario_.jobs[slots_[slot(job)].job].is_undecodable;
  }
  void fill_result(CategoryId category, const FixedVector<JobId, kBatchSizeMax>& jobs,
                   BatchFinished& finished) override;
  Duration plan_delay() override { return scenario_.plan_delay; }
  void decided(Instant now, const CommandBuffer& commands) override {
    for (const Command& command : commands) {
      std::visit([&](const auto& c) { tell(now, c); }, command);
    }
  }

 private:
  struct Slot {
    std::size_t job = 0;
    bool is_encoded = false;
  };

  const std::string& job_name(JobId id) const { return scenario_.jobs[slots_[slot(id)].job].name; }
  std::uint32_t stage_count(JobId id) const {
    const Job& job = scenario_.jobs[slots_[slot(id)].job].job;
    return scenario_.system.catalog.stage_count(job.model, job.variant);
  }
  /// Of a refusal by the demand test: the t at which it failed, because of whom, and what would have passed.
  std::string evidence(const AnswerTask& c, Instant now) const {
    std::string words;
    if (c.reason != Reason::kAdmissionDemand) return words;
    if (c.failing_at) words += " t=" + text_of(*c.failing_at - now);
    if (c.failing_task) words += " for=" + scenario_.task_names.at(index(*c.failing_task));
    if (c.deadline_offer) words += " D=" + text_of(*c.deadline_offer);
    if (c.period_offer) words += " T=" + text_of(*c.period_offer);
    return words;
  }
  void say(Instant now, std::string words) { decisions_.push_back({now, std::move(words), {}}); }
  static std::string on(ExecutorId executor) { return " on " + std::to_string(index(executor)); }

  void tell(Instant now, const AnswerTask& c) {
    const std::string& task = scenario_.task_names.at(index(c.task));
    const bool is_lost = c.admitted && c.reason != Reason::kNone;
    if (is_lost) {
      const std::string until =
          c.guaranteed_until ? " from " + text_of(c.guaranteed_until->since_start()) : std::string();
      say(now, "promise " + task + " lost" + until + " " + name(c.reason));
    } else if (is_lost_[index(c.task)]) {
      say(now, "promise " + task + " returned");
    } else {
      say(now, c.admitted ? "admit " + task + (c.guarantee == Guarantee::kDemand ? " demand" : "")
                          : "refuse " + task + " " + name(c.reason) + evidence(c, now));
    }
    is_lost_[index(c.task)] = is_lost;
    is_refused_[index(c.task)] = !c.admitted;
  }
  void tell(Instant now, const StartSegment& c) { say(now, "segment " + job_name(c.job) + on(c.executor)); }
  void tell(Instant now, const StartBatch& c) {
    std::string words = "start";
    for (const JobId job : c.jobs) words += " " + job_name(job);
    if (stage_count(c.jobs[0]) > 1) {
      words += " stage " + std::to_string(scenario_.system.catalog.category(c.category).stage);
    }
    say(now, words + on(c.executor));
  }
  void tell(Instant now, const TerminateBatch& c) { say(now, "terminate" + on(c.executor)); }
  void tell(Instant now, const SettleJob& c) {
    const std::string& job = job_name(c.job);
    const std::string exit = stage_count(c.job) > 1 ? " exit " + std::to_string(c.exit_count) : "";
    switch (c.outcome) {
      case Outcome::kOnTime:
        say(now, "finish " + job + exit);
        break;
      case Outcome::kLate:
        say(now, "finish " + job + exit + " late");
        break;
      case Outcome::kDropped:
        say(now,
            "drop " + job + (c.reason == Reason::kDroppedHopeless ? "" : std::string(" ") + name(c.reason)));
        break;
      case Outcome::kRejected:
        say(now, "reject " + job + " " + name(c.reason));
        break;
      case Outcome::kCancelled:
        say(now, "cancel " + job);
        break;
      case Outcome::kFailed:
        say(now, "fail " + job + " " + name(c.reason));
        break;
    }
    if (c.is_last) allocator_.release(c.job);
  }
  void tell(Instant now, const ForgetJob& c) {
    say(now, "forget " + job_name(c.job));
    allocator_.release(c.job);
  }
  void tell(Instant now, const SetTimer& c) { say(now, "timer " + text_of(c.at.since_start())); }
  void tell(Instant now, const ComputePlan& c) {
    say(now, "plan " + std::to_string(static_cast<std::uint64_t>(c.plan)));
  }

  const TextScenario& scenario_;
  JobIdAllocator allocator_;
  std::vector<Slot> slots_;
  std::vector<std::optional<JobId>> ids_;   // index: job
  std::vector<bool> is_refused_, is_lost_;  // index: task
  std::size_t next_job_ = 0;
  std::vector<TextDecision> decisions_;
  VirtualLoop* loop_ = nullptr;
  bool is_inline_;
};

bool Script::due(Instant now, std::uint32_t token, Event& event) {
  const TextEvent& happening = scenario_.events[token];
  const auto executor = static_cast<std::uint32_t>(index(happening.executor));
  switch (happening.kind) {
    case TextEvent::Kind::kSubmit:
      event.emplace<TaskSubmitted>(TaskSubmitted{happening.task});
      return true;
    case TextEvent::Kind::kLeave:
      event.emplace<TaskRemoved>(TaskRemoved{happening.task.id});
      return true;
    case TextEvent::Kind::kCancel:
      if (!ids_[happening.job]) return false;  // not released yet, or refused: there is nobody to tell
      event.emplace<JobCancelled>(JobCancelled{*ids_[happening.job]});
      return true;
    case TextEvent::Kind::kLose:
      if (!loop_->lose(now, executor)) return false;
      event.emplace<ExecutorLost>(ExecutorLost{happening.executor});
      return true;
    case TextEvent::Kind::kReturn:
      if (!loop_->bring_back(now, executor)) return false;
      event.emplace<ExecutorBack>(ExecutorBack{happening.executor});
      return true;
    case TextEvent::Kind::kShutdown:
      event.emplace<ShutdownStarted>();
      return true;
  }
  return false;
}

void Script::fill_result(CategoryId category, const FixedVector<JobId, kBatchSizeMax>& jobs,
                         BatchFinished& finished) {
  const std::uint32_t stage = scenario_.system.catalog.category(category).stage;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Slot& held = slots_[slot(jobs[i])];
    const TextJob& job = scenario_.jobs[held.job];
    if (job.engine_fails) finished.status = BatchStatus::kFailed;
    if (is_inline_ && held.is_encoded && job.is_undecodable)
      finished.preprocess_failed |= std::uint64_t{1} << i;
    held.is_encoded = false;
    const auto& known = job.confidences;
    finished.confidences.push_back(known.empty() ? Confidence{65535}
                                                 : known[std::min<std::size_t>(stage, known.size() - 1)]);
  }
  if (finished.status == BatchStatus::kFailed) {
    finished.confidences.clear();
    finished.preprocess_failed = 0;
  }
}

std::string line_of(const TextDecision& decision, std::size_t time_width) {
  std::string line = text_of(decision.at.since_start());
  line.append(time_width > line.size() ? time_width - line.size() : 1, ' ');
  return line + decision.words;
}

std::size_t time_width(const std::vector<TextDecision>& decisions) {
  std::size_t width = 12;
  for (const TextDecision& d : decisions) width = std::max(width, text_of(d.at.since_start()).size() + 2);
  return width;
}

bool is_same(const TextDecision& a, const TextDecision& b) { return a.at == b.at && a.words == b.words; }

}  // namespace

std::string text_of(Duration d) {
  const std::int64_t whole = d.count() / 1'000'000;
  std::string fraction = std::to_string(d.count() % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return std::to_string(whole) + (fraction.empty() ? "" : "." + fraction) + "ms";
}

Result<TextScenario> parse_text_scenario(std::string_view text, std::string_view origin) {
  return Parser(origin).parse(text);
}

Result<std::vector<TextDecision>> run_text_scenario(const TextScenario& scenario) {
  auto policy = make_policy(scenario.policy, scenario.policy_options);
  if (!policy) return policy.error();
  Script script(scenario);
  VirtualLoop loop(scenario.system, std::move(policy).value(), script,
                   {.audit = true, .slowdown = scenario.slowdown ? &*scenario.slowdown : nullptr});
  script.begin(loop);
  loop.run();
  return std::move(script).decisions();
}

std::string difference(const TextScenario& scenario, const std::vector<TextDecision>& found) {
  const std::vector<TextDecision>& expected = scenario.expected;
  // What both begin and end with is not worth printing; what lies between is.
  std::size_t begin = 0;
  const std::size_t shorter = std::min(expected.size(), found.size());
  while (begin < shorter && is_same(expected[begin], found[begin])) ++begin;
  std::size_t same_at_end = 0;
  while (same_at_end < shorter - begin &&
         is_same(expected[expected.size() - 1 - same_at_end], found[found.size() - 1 - same_at_end])) {
    ++same_at_end;
  }
  const std::size_t width = std::max(time_width(expected), time_width(found));
  std::string text;
  for (std::size_t i = begin; i < expected.size() - same_at_end; ++i)
    text += "- " + line_of(expected[i], width) + "\n";
  for (std::size_t i = begin; i < found.size() - same_at_end; ++i)
    text += "+ " + line_of(found[i], width) + "\n";
  return text;
}

std::string updated(const TextScenario& scenario, const std::vector<TextDecision>& found) {
  std::vector<TextDecision> commented = found;
  std::vector<bool> is_used(scenario.expected.size(), false);
  for (TextDecision& decision : commented) {
    for (std::size_t i = 0; i < scenario.expected.size(); ++i) {
      if (is_used[i] || !is_same(scenario.expected[i], decision)) continue;
      decision.comment = scenario.expected[i].comment;
      is_used[i] = true;
      break;
    }
  }
  const std::size_t width = time_width(found);
  std::size_t comment_column = 0;
  for (const TextDecision& decision : commented) {
    if (!decision.comment.empty())
      comment_column = std::max(comment_column, line_of(decision, width).size() + 2);
  }
  std::string text = scenario.setup;
  for (const TextDecision& decision : commented) {
    std::string line = line_of(decision, width);
    if (!decision.comment.empty()) {
      line.append(comment_column - line.size(), ' ');
      line += decision.comment;
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace laxity
