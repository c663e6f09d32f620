#include "trace/codec.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace laxity {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Bounds on what a file may ask us to build; far above anything the product writes.
constexpr std::int64_t kTableBatchSizeMax = 1024;
constexpr std::int64_t kCountMax = std::int64_t{1} << 24;

constexpr const char* kDriverLive = "live";
constexpr const char* kDriverSim = "sim";

const char* status_name(BatchStatus status) noexcept {
  switch (status) {
    case BatchStatus::kSucceeded:
      return "succeeded";
    case BatchStatus::kFailed:
      return "failed";
    case BatchStatus::kTerminated:
      return "terminated";
  }
  return "unknown";
}

// ── Writing
// ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// One flat JSON object after another, without building a document: a few hundred nanoseconds a line.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void open() {
    out_ += '{';
    is_first_ = true;
  }
  void close() {
    out_ += '}';
    is_first_ = false;
  }
  void key(const char* name) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }
  template <typename T>
  void value(T number) {
    if constexpr (std::is_same_v<T, bool>) {
      out_ += number ? "true" : "false";
    } else if constexpr (std::is_enum_v<T>) {
      value(static_cast<std::underlying_type_t<T>>(number));
    } else {
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, number);
      out_.append(digits, end.ptr);
    }
  }
  template <typename T>
  void field(const char* name, T number) {
    key(name);
    value(number);
  }
  void word(const char* name, const char* text) {
    key(name);
    out_ += '"';
    out_ += text;
    out_ += '"';
  }
  void field(const char* name, Duration span) { field(name, span.count()); }
  void field(const char* name, Instant at) { field(name, at.since_start().count()); }
  template <typename T>
  void optional(const char* name, const std::optional<T>& maybe) {
    if (maybe) field(name, *maybe);
  }
  template <typename List>
  void list(const char* name, const List& items) {
    key(name);
    out_ += '[';
    bool is_first_item = true;
    for (const auto item : items) {
      if (!is_first_item) out_ += ',';
      is_first_item = false;
      value(item);
    }
    out_ += ']';
  }

 private:
  std::string& out_;
  bool is_first_ = true;
};

struct EventWriter {
  Writer& w;
  void operator()(const TaskSubmitted& e) const {
    const Task& t = e.task;
    w.word("kind", "task_submitted");
    w.field("task", t.id);
    w.field("model", t.model);
    w.field("lowest_variant", t.lowest_variant);
    w.word("job_kind", name(t.kind));
    w.field("min_inter_arrival_ns", t.min_inter_arrival);
    w.field("release_jitter_max_ns", t.release_jitter_max);
    w.field("relative_deadline_ns", t.relative_deadline);
    w.optional("first_release_ns", t.first_release);
    w.optional("frame_count", t.frame_count);
    w.field("miss_rate_bound_ppm", t.miss_rate_bound_ppm);
    w.word("guarantee", name(t.guarantee));
  }
  void operator()(const TaskRemoved& e) const {
    w.word("kind", "task_removed");
    w.field("task", e.task);
  }
  void operator()(const JobReleased& e) const {
    const Job& j = e.job;
    w.word("kind", "job_released");
    w.field("job", j.id);
    w.optional("task", j.task);
    w.field("model", j.model);
    w.field("variant", j.variant);
    w.word("job_kind", name(j.kind));
    w.field("release_ns", j.release);
    w.optional("deadline_ns", j.absolute_deadline);
    w.field("priority", j.priority);
    w.field("needs_preprocess", j.needs_preprocess);
    w.optional("frame", j.frame);
  }
  void operator()(const JobCancelled& e) const {
    w.word("kind", "job_cancelled");
    w.field("job", e.job);
  }
  void operator()(const SegmentFinished& e) const {
    w.word("kind", "segment_finished");
    w.field("job", e.job);
    w.field("executor", e.executor);
    w.field("succeeded", e.succeeded);
  }
  void operator()(const BatchFinished& e) const {
    w.word("kind", "batch_finished");
    w.field("batch", e.batch);
    w.field("executor", e.executor);
    w.word("status", status_name(e.status));
    w.field("execution_ns", e.execution_time);
    w.list("confidences", e.confidences);
    w.field("preprocess_failed", e.preprocess_failed);
  }
  void operator()(const ExecutorLost& e) const {
    w.word("kind", "executor_lost");
    w.field("executor", e.executor);
  }
  void operator()(const ExecutorBack& e) const {
    w.word("kind", "executor_back");
    w.field("executor", e.executor);
  }
  void operator()(const PlanReady& e) const {
    w.word("kind", "plan_ready");
    w.field("plan", e.plan);
    w.field("hash", e.hash);
  }
  void operator()(const TablesChanged&) const { w.word("kind", "tables_changed"); }
  void operator()(const ShutdownStarted&) const { w.word("kind", "shutdown_started"); }
  void operator()(const TimerFired&) const { w.word("kind", "timer_fired"); }
};

struct CommandWriter {
  Writer& w;
  Instant at;
  void operator()(const AnswerTask& c) const {
    w.word("kind", "answer_task");
    w.field("task", c.task);
    w.field("admitted", c.admitted);
    w.word("reason", name(c.reason));
    w.optional("response_time_bound_ns", c.response_time_bound);
    w.word("guarantee", name(c.guarantee));
    w.optional("guaranteed_until_ns", c.guaranteed_until);
    w.field("is_provisional", c.is_provisional);
    w.optional("failing_task", c.failing_task);
    w.optional("failing_at_ns", c.failing_at);
    w.optional("deadline_offer_ns", c.deadline_offer);
    w.optional("period_offer_ns", c.period_offer);
  }
  void operator()(const StartSegment& c) const {
    w.word("kind", "start_segment");
    w.field("job", c.job);
    w.field("executor", c.executor);
  }
  void operator()(const StartBatch& c) const {
    w.word("kind", "start_batch");
    w.field("batch", c.batch);
    w.field("executor", c.executor);
    w.field("category", c.category);
    w.list("jobs", c.jobs);
    w.field("planned_ns", c.planned);
    if (c.planned > Duration::zero()) w.field("predicted_finish_ns", at + c.planned);
  }
  void operator()(const TerminateBatch& c) const {
    w.word("kind", "terminate_batch");
    w.field("batch", c.batch);
    w.field("executor", c.executor);
  }
  void operator()(const SettleJob& c) const {
    w.word("kind", "settle_job");
    w.field("job", c.job);
    w.word("outcome", name(c.outcome));
    w.word("reason", name(c.reason));
    w.field("exit_count", c.exit_count);
    w.field("confidence", c.confidence);
    w.field("queue_ns", c.queue_time);
    w.field("execution_ns", c.execution_time);
    w.field("batch_size", c.batch_size);
    w.optional("slack_ns", c.slack);
    w.field("is_last", c.is_last);
    w.optional("frame", c.frame);
    w.optional("variant", c.variant);
  }
  void operator()(const ForgetJob& c) const {
    w.word("kind", "forget_job");
    w.field("job", c.job);
  }
  void operator()(const SetTimer& c) const {
    w.word("kind", "set_timer");
    w.field("timer_at_ns", c.at);
  }
  void operator()(const ComputePlan& c) const {
    w.word("kind", "compute_plan");
    w.field("plan", c.plan);
    w.field("node_budget", c.node_budget);
  }
};

OrderedJson times_json(const ExecutionTime& time) {
  return {{"p50_ns", time.p50.count()},
          {"p99_ns", time.p99.count()},
          {"max_ns", time.max.count()},
          {"after_idle_p99_ns", time.after_idle_p99.count()},
          {"samples", time.samples}};
}

OrderedJson table_json(const LatencyTable& table, const Catalog& catalog) {
  OrderedJson json;
  json["planning_bound"] = name(table.planning_bound());
  json["overheads"] = {{"dispatch_ns", table.overheads.dispatch.count()},
                       {"wake_p99_ns", table.overheads.wake_p99.count()},
                       {"reply_p99_ns", table.overheads.reply_p99.count()}};
  json["execution"] = OrderedJson::array();
  for (std::size_t c = 0; c < catalog.categories.size(); ++c) {
    const auto category = static_cast<CategoryId>(c);
    for (std::uint32_t b = 1; b <= table.batch_size_max(category); ++b) {
      const auto time = table.measured(category, b);
      if (!time) continue;
      OrderedJson point = {{"category", c}, {"batch", b}};
      point.update(times_json(*time));
      json["execution"].push_back(std::move(point));
    }
  }
  json["segments"] = OrderedJson::array();
  for (std::size_t m = 0; m < catalog.models.size(); ++m) {
    for (const SegmentKind kind : {SegmentKind::kPreprocess, SegmentKind::kPostprocess}) {
      const ExecutionTime time = table.segment(static_cast<ModelId>(m), kind);
      if (time.p99 <= Duration::zero()) continue;
      OrderedJson segment = {{"model", m}, {"segment", name(kind)}};
      segment.update(times_json(time));
      json["segments"].push_back(std::move(segment));
    }
  }
  return json;
}

OrderedJson catalog_json(const Catalog& catalog) {
  OrderedJson json;
  json["models"] = OrderedJson::array();
  for (const Model& model : catalog.models) {
    OrderedJson m = {{"name", model.name},
                     {"mandatory_count", model.mandatory_count},
                     {"has_preprocess", model.has_preprocess}};
    m["variants"] = OrderedJson::array();
    for (const Variant& variant : model.variants) {
      OrderedJson stages = OrderedJson::array();
      for (const CategoryId stage : variant.stages) stages.push_back(index(stage));
      m["variants"].push_back({{"name", variant.name}, {"stages", std::move(stages)}});
    }
    json["models"].push_back(std::move(m));
  }
  json["categories"] = OrderedJson::array();
  for (const Category& category : catalog.categories) {
    json["categories"].push_back({{"model", index(category.model)},
                                  {"variant", category.variant},
                                  {"stage", category.stage},
                                  {"batch_size_max", category.batch_size_max}});
  }
  return json;
}

void append(const OrderedJson& json, std::string& out) {
  // Names may come from file names: bytes that are no UTF-8 are replaced rather than refused.
  out += json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  out += '\n';
}

// ── Reading
// ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// Reads fields of one JSON object. The first complaint is kept; later reads return zeros.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {
    if (!json_.is_object()) complain("expected an object, found " + std::string(json_.type_name()));
  }

  bool has(const char* key) const { return json_.is_object() && json_.contains(key); }

  const Json& any(const char* key, Json::value_t type, const char* type_name) {
    static const Json kNothing;
    const Json* found = find(key);
    if (found == nullptr) return kNothing;
    if (found->type() != type) {
      complain(std::string("expected ") + type_name + " under '" + key + "', found " + found->type_name());
      return kNothing;
    }
    return *found;
  }
  const Json& object(const char* key) { return any(key, Json::value_t::object, "an object"); }
  const Json& array(const char* key) { return any(key, Json::value_t::array, "a list"); }
  std::string text(const char* key) {
    const Json& found = any(key, Json::value_t::string, "a text");
    return found.is_string() ? found.get<std::string>() : std::string();
  }
  bool boolean(const char* key) {
    const Json& found = any(key, Json::value_t::boolean, "true or false");
    return found.is_boolean() && found.get<bool>();
  }
  template <typename T>
  T integer(const char* key, T minimum = std::numeric_limits<T>::min(),
            T maximum = std::numeric_limits<T>::max()) {
    const Json* found = find(key);
    if (found == nullptr) return T{};
    return integer_of(*found, key, minimum, maximum);
  }
  template <typename T>
  T integer_of(const Json& found, const char* key, T minimum, T maximum) {
    if (found.is_number_unsigned() && std::in_range<T>(found.get<std::uint64_t>())) {
      const T value = static_cast<T>(found.get<std::uint64_t>());
      if (value >= minimum && value <= maximum) return value;
    } else if (found.is_number_integer() && !found.is_number_unsigned() &&
               std::in_range<T>(found.get<std::int64_t>())) {
      const T value = static_cast<T>(found.get<std::int64_t>());
      if (value >= minimum && value <= maximum) return value;
    }
    complain(std::string("expected an integer in [") + std::to_string(minimum) + ", " +
             std::to_string(maximum) + "] under '" + key + "', found " + shortened(found));
    return T{};
  }
  template <typename Id>
  Id id(const char* key) {
    return static_cast<Id>(integer<std::underlying_type_t<Id>>(key));
  }
  Duration duration(const char* key) { return Duration(integer<std::int64_t>(key)); }
  Duration positive(const char* key) {
    return Duration(integer<std::int64_t>(key, 0, std::numeric_limits<std::int64_t>::max() / 4));
  }
  Instant instant(const char* key) {
    constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max() / 4;
    return Instant::from_start(Duration(integer<std::int64_t>(key, -kFar, kFar)));
  }
  template <typename Enum>
  Enum word(const char* key, std::initializer_list<Enum> all, const char* (*name_of)(Enum) noexcept) {
    const std::string found = text(key);
    for (const Enum value : all) {
      if (found == name_of(value)) return value;
    }
    if (!error_) complain(std::string("expected a known word under '") + key + "', found '" + found + "'");
    return *all.begin();
  }
  /// Calls `read(item)` for at most `count_max` items.
  template <typename Read>
  void each(const char* key, std::size_t count_max, Read&& read) {
    const Json& items = array(key);
    if (!items.is_array()) return;
    if (items.size() > count_max) {
      complain(std::string("expected at most ") + std::to_string(count_max) + " under '" + key + "', found " +
               std::to_string(items.size()));
      return;
    }
    for (const Json& item : items) {
      if (error_) return;
      read(item);
    }
  }
  /// As above, each item an object with its own reader.
  template <typename Read>
  void objects(const char* key, Read&& read) {
    each(key, kCountMax, [&](const Json& item) {
      Reader reader(item);
      read(reader);
      if (reader.error_) complain(std::string(key) + ": " + *reader.error_);
    });
  }
  void complain(std::string message) {
    if (!error_) error_ = std::move(message);
  }
  const std::optional<std::string>& error() const { return error_; }

 private:
  static std::string shortened(const Json& json) {
    constexpr std::size_t kLengthMax = 40;
    std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > kLengthMax) text = text.substr(0, kLengthMax) + "…";
    return text;
  }
  const Json* find(const char* key) {
    if (error_) return nullptr;
    const auto found = json_.find(key);
    if (found != json_.end()) return &*found;
    complain(std::string("expected '") + key + "', found none");
    return nullptr;
  }

  const Json& json_;
  std::optional<std::string> error_;
};

JobKind job_kind(Reader& r) {
  return r.word("job_kind", {JobKind::kFirm, JobKind::kSoft, JobKind::kBestEffort}, name);
}
Outcome outcome(Reader& r) {
  return r.word("outcome",
                {Outcome::kOnTime, Outcome::kLate, Outcome::kDropped, Outcome::kRejected, Outcome::kCancelled,
                 Outcome::kFailed},
                name);
}
Reason reason(Reader& r) {
  const std::string found = r.text("reason");
  for (int i = 0; i < kReasonCount; ++i) {
    if (found == name(static_cast<Reason>(i))) return static_cast<Reason>(i);
  }
  r.complain("expected a known reason, found '" + found + "'");
  return Reason::kNone;
}

Guarantee guarantee(Reader& r) {
  return r.word(
      "guarantee",
      {Guarantee::kNone, Guarantee::kNominal, Guarantee::kPlan, Guarantee::kPlanRolling, Guarantee::kDemand},
      name);
}

Event task_submitted(Reader& r) {
  Task t;
  t.id = r.id<TaskId>("task");
  t.model = r.id<ModelId>("model");
  t.lowest_variant = r.integer<std::uint32_t>("lowest_variant");
  t.kind = job_kind(r);
  t.min_inter_arrival = r.duration("min_inter_arrival_ns");
  t.release_jitter_max = r.duration("release_jitter_max_ns");
  t.relative_deadline = r.duration("relative_deadline_ns");
  if (r.has("first_release_ns")) t.first_release = r.instant("first_release_ns");
  if (r.has("frame_count")) t.frame_count = r.integer<std::uint64_t>("frame_count");
  t.miss_rate_bound_ppm = r.integer<std::uint32_t>("miss_rate_bound_ppm");
  t.guarantee = guarantee(r);
  return TaskSubmitted{t};
}

Event job_released(Reader& r) {
  Job j;
  j.id = r.id<JobId>("job");
  if (r.has("task")) j.task = r.id<TaskId>("task");
  j.model = r.id<ModelId>("model");
  j.variant = r.integer<std::uint32_t>("variant");
  j.kind = job_kind(r);
  j.release = r.instant("release_ns");
  if (r.has("deadline_ns")) j.absolute_deadline = r.instant("deadline_ns");
  j.priority = r.integer<std::uint32_t>("priority");
  j.needs_preprocess = r.boolean("needs_preprocess");
  if (r.has("frame")) j.frame = r.integer<std::uint32_t>("frame");
  return JobReleased{j};
}

Event batch_finished(Reader& r) {
  BatchFinished f;
  f.batch = r.id<BatchId>("batch");
  f.executor = r.id<ExecutorId>("executor");
  f.status = r.word("status", {BatchStatus::kSucceeded, BatchStatus::kFailed, BatchStatus::kTerminated},
                    status_name);
  f.execution_time = r.duration("execution_ns");
  r.each("confidences", kBatchSizeMax, [&](const Json& item) {
    f.confidences.push_back(r.integer_of<Confidence>(item, "confidences", 0, 65535));
  });
  f.preprocess_failed = r.integer<std::uint64_t>("preprocess_failed");
  return f;
}

std::optional<Event> read_event(const std::string& kind, Reader& r) {
  if (kind == "task_submitted") return task_submitted(r);
  if (kind == "task_removed") return TaskRemoved{r.id<TaskId>("task")};
  if (kind == "job_released") return job_released(r);
  if (kind == "job_cancelled") return JobCancelled{r.id<JobId>("job")};
  if (kind == "segment_finished") {
    return SegmentFinished{r.id<JobId>("job"), r.id<ExecutorId>("executor"), r.boolean("succeeded")};
  }
  if (kind == "batch_finished") return batch_finished(r);
  if (kind == "executor_lost") return ExecutorLost{r.id<ExecutorId>("executor")};
  if (kind == "executor_back") return ExecutorBack{r.id<ExecutorId>("executor")};
  if (kind == "plan_ready") return PlanReady{r.id<PlanId>("plan"), r.integer<std::uint64_t>("hash")};
  if (kind == "tables_changed") return TablesChanged{};
  if (kind == "shutdown_started") return ShutdownStarted{};
  if (kind == "timer_fired") return TimerFired{};
  return std::nullopt;
}

Command start_batch(Reader& r) {
  StartBatch c;
  c.batch = r.id<BatchId>("batch");
  c.executor = r.id<ExecutorId>("executor");
  c.category = r.id<CategoryId>("category");
  r.each("jobs", kBatchSizeMax, [&](const Json& item) {
    c.jobs.push_back(static_cast<JobId>(
        r.integer_of<std::uint64_t>(item, "jobs", 0, std::numeric_limits<std::uint64_t>::max())));
  });
  c.planned = r.duration("planned_ns");
  return c;
}

Command settle_job(Reader& r) {
  SettleJob c;
  c.job = r.id<JobId>("job");
  c.outcome = outcome(r);
  c.reason = reason(r);
  c.exit_count = r.integer<std::uint32_t>("exit_count");
  c.confidence = r.integer<Confidence>("confidence");
  c.queue_time = r.duration("queue_ns");
  c.execution_time = r.duration("execution_ns");
  c.batch_size = r.integer<std::uint32_t>("batch_size");
  if (r.has("slack_ns")) c.slack = r.duration("slack_ns");
  c.is_last = r.boolean("is_last");
  if (r.has("frame")) c.frame = r.integer<std::uint32_t>("frame");
  if (r.has("variant")) c.variant = r.integer<std::uint32_t>("variant");
  return c;
}

Command answer_task(Reader& r) {
  AnswerTask c;
  c.task = r.id<TaskId>("task");
  c.admitted = r.boolean("admitted");
  c.reason = reason(r);
  if (r.has("response_time_bound_ns")) c.response_time_bound = r.duration("response_time_bound_ns");
  c.guarantee = guarantee(r);
  if (r.has("guaranteed_until_ns")) c.guaranteed_until = r.instant("guaranteed_until_ns");
  c.is_provisional = r.boolean("is_provisional");
  if (r.has("failing_task")) c.failing_task = r.id<TaskId>("failing_task");
  if (r.has("failing_at_ns")) c.failing_at = r.instant("failing_at_ns");
  if (r.has("deadline_offer_ns")) c.deadline_offer = r.duration("deadline_offer_ns");
  if (r.has("period_offer_ns")) c.period_offer = r.duration("period_offer_ns");
  return c;
}

std::optional<Command> read_command(Reader& r) {
  const std::string kind = r.text("kind");
  if (kind == "answer_task") {
    return answer_task(r);
  }
  if (kind == "start_segment") return StartSegment{r.id<JobId>("job"), r.id<ExecutorId>("executor")};
  if (kind == "start_batch") return start_batch(r);
  if (kind == "terminate_batch") return TerminateBatch{r.id<BatchId>("batch"), r.id<ExecutorId>("executor")};
  if (kind == "settle_job") return settle_job(r);
  if (kind == "forget_job") return ForgetJob{r.id<JobId>("job")};
  if (kind == "set_timer") return SetTimer{r.instant("timer_at_ns")};
  if (kind == "compute_plan")
    return ComputePlan{r.id<PlanId>("plan"), r.integer<std::uint64_t>("node_budget")};
  r.complain("expected a known command, found '" + kind + "'");
  return std::nullopt;
}

Result<TraceLine> read_entry(const std::string& kind, Reader& r) {
  TraceEntry entry;
  entry.at = r.instant("at_ns");
  auto event = read_event(kind, r);
  if (!event) return invalid_argument("expected a known kind, found '" + kind + "'");
  entry.event = *event;
  if (r.has("commands")) {
    r.objects("commands", [&](Reader& item) {
      if (auto command = read_command(item)) entry.commands.push_back(*command);
    });
  }
  if (r.error()) return invalid_argument(*r.error());
  return TraceLine(std::move(entry));
}

ExecutionTime read_times(Reader& r) {
  ExecutionTime time;
  time.p50 = r.positive("p50_ns");
  time.p99 = r.positive("p99_ns");
  time.max = r.positive("max_ns");
  time.after_idle_p99 = r.positive("after_idle_p99_ns");
  time.samples = r.integer<std::uint64_t>("samples");
  if (time.p99 <= Duration::zero()) r.complain("expected p99_ns above 0, found none");
  return time;
}

LatencyTable read_table(const Json& json, Reader& parent) {
  LatencyTable table;
  Reader r(json);
  if (!parent.error()) {
    Reader overheads(r.object("overheads"));
    table.overheads.dispatch = overheads.positive("dispatch_ns");
    table.overheads.wake_p99 = overheads.positive("wake_p99_ns");
    table.overheads.reply_p99 = overheads.positive("reply_p99_ns");
    if (overheads.error()) r.complain("overheads: " + *overheads.error());
    if (r.has("planning_bound")) {
      table.plan_with(r.word("planning_bound", {PlanningBound::kP99, PlanningBound::kMax}, name));
    }
    r.objects("execution", [&](Reader& point) {
      const auto category = point.integer<std::uint32_t>("category", 0, kCountMax);
      const auto batch = point.integer<std::uint32_t>("batch", 1, kTableBatchSizeMax);
      const ExecutionTime time = read_times(point);
      if (!point.error()) table.set(static_cast<CategoryId>(category), batch, time);
    });
    r.objects("segments", [&](Reader& segment) {
      const auto model = segment.integer<std::uint32_t>("model", 0, kCountMax);
      const SegmentKind kind =
          segment.word("segment", {SegmentKind::kPreprocess, SegmentKind::kPostprocess}, name);
      const ExecutionTime time = read_times(segment);
      if (!segment.error()) table.set_segment(static_cast<ModelId>(model), kind, time);
    });
  }
  if (r.error()) parent.complain("table: " + *r.error());
  return table;
}

Catalog read_catalog(const Json& json, Reader& parent) {
  Catalog catalog;
  Reader r(json);
  r.objects("models", [&](Reader& m) {
    Model model;
    model.name = m.text("name");
    model.mandatory_count = m.integer<std::uint32_t>("mandatory_count");
    model.has_preprocess = m.boolean("has_preprocess");
    m.objects("variants", [&](Reader& v) {
      Variant variant;
      variant.name = v.text("name");
      v.each("stages", kCountMax, [&](const Json& stage) {
        variant.stages.push_back(
            static_cast<CategoryId>(v.integer_of<std::uint32_t>(stage, "stages", 0, kCountMax)));
      });
      if (variant.stages.empty()) v.complain("expected at least one stage, found none");
      model.variants.push_back(std::move(variant));
    });
    if (model.variants.empty()) m.complain("expected at least one variant, found none");
    catalog.models.push_back(std::move(model));
  });
  r.objects("categories", [&](Reader& c) {
    Category category;
    category.model = c.id<ModelId>("model");
    category.variant = c.integer<std::uint32_t>("variant");
    category.stage = c.integer<std::uint32_t>("stage");
    category.batch_size_max = c.integer<std::uint32_t>("batch_size_max", 1);
    catalog.categories.push_back(category);
  });
  if (r.error()) parent.complain("catalog: " + *r.error());
  return catalog;
}

/// Whether every index in the header points at something.
std::optional<std::string> inconsistency(const SystemModel& system) {
  const Catalog& catalog = system.catalog;
  for (std::size_t m = 0; m < catalog.models.size(); ++m) {
    const Model& model = catalog.models[m];
    for (std::size_t v = 0; v < model.variants.size(); ++v) {
      const Variant& variant = model.variants[v];
      if (model.mandatory_count < 1 || model.mandatory_count > variant.stages.size()) {
        return "expected mandatory_count in [1, " + std::to_string(variant.stages.size()) + "], found " +
               std::to_string(model.mandatory_count);
      }
      for (std::size_t k = 0; k < variant.stages.size(); ++k) {
        const std::size_t c = index(variant.stages[k]);
        if (c >= catalog.categories.size() || index(catalog.categories[c].model) != m ||
            catalog.categories[c].variant != v || catalog.categories[c].stage != k) {
          return "expected category " + std::to_string(c) + " to be stage " + std::to_string(k) + " of " +
                 model.name + "/" + variant.name + ", found another";
        }
      }
    }
  }
  for (const Category& category : catalog.categories) {
    const std::size_t m = index(category.model);
    if (m >= catalog.models.size() || category.variant >= catalog.models[m].variants.size() ||
        category.stage >= catalog.models[m].variants[category.variant].stages.size()) {
      return "expected categories of known stages, found one of model " + std::to_string(m);
    }
  }
  const bool has_batches = std::any_of(system.executors.begin(), system.executors.end(),
                                       [](const Executor& executor) { return executor.runs_batches; });
  if (!has_batches) return "expected an executor that runs batches, found none";
  return std::nullopt;
}

Limits read_limits(const Json& json, Reader& parent) {
  Reader r(json);
  Limits limits;
  limits.queue_length_max = r.integer<std::size_t>("queue_length_max", 1, kJobSlotMask + 1);
  limits.batch_size_max = r.integer<std::size_t>("batch_size_max", 1, kBatchSizeMax);
  limits.streams_max = r.integer<std::size_t>("streams_max", 0, static_cast<std::size_t>(kCountMax));
  limits.plan_frames_max = r.integer<std::size_t>("plan_frames_max", 0, static_cast<std::size_t>(kCountMax));
  if (r.error()) parent.complain("limits: " + *r.error());
  return limits;
}

Result<TraceLine> read_header(const Json& json, Reader& r) {
  TraceHeader header;
  if (const std::string schema = r.text("schema"); schema != kTraceSchema) {
    return invalid_argument("expected schema '" + std::string(kTraceSchema) + "', found '" + schema + "'");
  }
  header.driver = r.text("driver");
  if (header.driver != kDriverLive && header.driver != kDriverSim) {
    r.complain("expected driver 'live' or 'sim', found '" + header.driver + "'");
  }
  Reader machine(r.object("machine"));
  header.machine.cpu = machine.text("cpu");
  header.machine.cores = machine.integer<std::uint32_t>("cores");
  header.machine.engine = machine.text("engine");
  header.machine.emulated = machine.boolean("emulated");
  if (machine.error()) r.complain("machine: " + *machine.error());
  header.wall_clock_zero_ns = r.integer<std::int64_t>("wall_clock_zero_ns");
  header.policy = r.text("policy");
  const Json& options = r.object("policy_options");
  if (options.is_object()) {
    for (const auto& [key, value] : options.items()) {
      header.policy_options[key] =
          r.integer_of<std::int64_t>(value, "policy_options", std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max());
    }
  }
  const Json& config = r.object("config");
  if (config.is_object()) {
    for (const auto& [key, value] : config.items()) {
      if (value.is_string()) header.config[key] = value.get<std::string>();
    }
  }
  header.system.limits = read_limits(r.object("limits"), r);
  r.objects("executors", [&](Reader& e) {
    Executor executor;
    executor.name = e.text("name");
    executor.kind = e.word("kind", {ExecutorKind::kCpu, ExecutorKind::kCuda, ExecutorKind::kEmulated}, name);
    executor.runs_batches = e.boolean("runs_batches");
    executor.runs_segments = e.boolean("runs_segments");
    header.system.executors.push_back(executor);
  });
  header.system.catalog = read_catalog(r.object("catalog"), r);
  header.system.table = read_table(r.object("table"), r);
  (void)json;
  if (!r.error()) {
    if (auto wrong = inconsistency(header.system)) r.complain(std::move(*wrong));
  }
  if (r.error()) return invalid_argument(*r.error());
  return TraceLine(std::move(header));
}

Result<TraceLine> read_end(Reader& r) {
  TraceEnd end;
  end.event_count = r.integer<std::uint64_t>("events");
  end.dropped_count = r.integer<std::uint64_t>("dropped");
  end.reason = r.word("reason",
                      {TraceEndReason::kComplete, TraceEndReason::kDropped, TraceEndReason::kSizeLimit,
                       TraceEndReason::kWriteError},
                      name);
  if (r.error()) return invalid_argument(*r.error());
  return TraceLine(end);
}

}  // namespace

const char* name(TraceEndReason reason) noexcept {
  switch (reason) {
    case TraceEndReason::kComplete:
      return "complete";
    case TraceEndReason::kDropped:
      return "dropped";
    case TraceEndReason::kSizeLimit:
      return "size_limit";
    case TraceEndReason::kWriteError:
      return "write_error";
  }
  return "unknown";
}

void TraceEncoder::header(const TraceHeader& header, std::string& out) {
  OrderedJson json;
  json["schema"] = kTraceSchema;
  json["driver"] = header.driver;
  json["machine"] = {{"cpu", header.machine.cpu},
                     {"cores", header.machine.cores},
                     {"engine", header.machine.engine},
                     {"emulated", header.machine.emulated}};
  json["wall_clock_zero_ns"] = header.wall_clock_zero_ns;
  json["policy"] = header.policy;
  json["policy_options"] = OrderedJson::object();
  for (const auto& [key, value] : header.policy_options) json["policy_options"][key] = value;
  json["config"] = OrderedJson::object();
  for (const auto& [key, value] : header.config) json["config"][key] = value;
  const Limits& limits = header.system.limits;
  json["limits"] = {{"queue_length_max", limits.queue_length_max},
                    {"batch_size_max", limits.batch_size_max},
                    {"streams_max", limits.streams_max},
                    {"plan_frames_max", limits.plan_frames_max}};
  json["executors"] = OrderedJson::array();
  for (const Executor& executor : header.system.executors) {
    json["executors"].push_back({{"name", executor.name},
                                 {"kind", name(executor.kind)},
                                 {"runs_batches", executor.runs_batches},
                                 {"runs_segments", executor.runs_segments}});
  }
  json["catalog"] = catalog_json(header.system.catalog);
  json["table"] = table_json(header.system.table, header.system.catalog);
  append(json, out);
}

void TraceEncoder::table(const LatencyTable& table, const Catalog& catalog, std::string& out) {
  append(OrderedJson{{"kind", "latency_table"}, {"table", table_json(table, catalog)}}, out);
}

void TraceEncoder::end(const TraceEnd& end, std::string& out) {
  append(OrderedJson{{"kind", "end"},
                     {"events", end.event_count},
                     {"dropped", end.dropped_count},
                     {"reason", name(end.reason)}},
         out);
}

void TraceEncoder::entry(Instant at, const Event& event, std::span<const Command> commands,
                         std::string& out) {
  Writer w(out);
  w.open();
  w.field("at_ns", at);
  std::visit(EventWriter{w}, event);
  if (const auto* finished = std::get_if<BatchFinished>(&event)) {
    const std::size_t executor = index(finished->executor);
    if (executor < predicted_finish_.size()) w.optional("predicted_finish_ns", predicted_finish_[executor]);
    w.field("finish_ns", at);
  }
  if (!commands.empty()) {
    w.key("commands");
    out += '[';
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (i > 0) out += ',';
      w.open();
      std::visit(CommandWriter{w, at}, commands[i]);
      w.close();
      const auto* start = std::get_if<StartBatch>(&commands[i]);
      if (start == nullptr || index(start->executor) >= predicted_finish_.size()) continue;
      predicted_finish_[index(start->executor)] =
          start->planned > Duration::zero() ? std::optional(at + start->planned) : std::nullopt;
    }
    out += ']';
  }
  w.close();
  out += '\n';
}

Result<TraceLine> decode_trace_line(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) return invalid_argument("expected a line of JSON, found something else");
  Reader r(json);
  if (r.error()) return invalid_argument(*r.error());
  if (r.has("schema")) return read_header(json, r);
  const std::string kind = r.text("kind");
  if (kind == "end") return read_end(r);
  if (kind == "latency_table") {
    TraceTable table{read_table(r.object("table"), r)};
    if (r.error()) return invalid_argument(*r.error());
    return TraceLine(std::move(table));
  }
  if (r.error()) return invalid_argument(*r.error());
  return read_entry(kind, r);
}

}  // namespace laxity
