#include "load/load_runner.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "load/http_connection.h"
#include "load/stream_opener.h"
#include "sim/arrivals.h"
#include "sim/contract.h"

namespace laxity {
namespace {

constexpr Duration kControlPatience = 10s;  // for metadata; a server that loads may need it
constexpr Duration kSendLagWarning = 1ms;   // at p99: beyond it the run measured the client
// For one stream, its counter-offer and its second question included. A stream that takes longer begins
// later.
constexpr Duration kOpeningTime = 15ms;
constexpr std::size_t kRandomBytesMax = 8 << 20;  // of random tensors per model

Result<HttpAnswer> get(const Endpoint& endpoint, const std::string& path) {
  return http_get(endpoint, path, kControlPatience);
}

Status expect_ready(const Endpoint& endpoint) {
  const Result<HttpAnswer> answer = get(endpoint, "/v2/health/ready");
  if (!answer) return answer.error();
  if (answer->status == 200) return Unit{};
  return Error{ErrorCode::kUnavailable, "http://" + endpoint.authority +
                                            "/v2/health/ready: expected 200, found " +
                                            std::to_string(answer->status) + ": the server is not ready"};
}

Result<RemoteModel> fetch_model(const Endpoint& endpoint, const std::string& name) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_plain)) {
    return invalid_argument("expected a model name of letters, digits, '-', '_' and '.', found '" + name +
                            "'");
  }
  const Result<HttpAnswer> answer = get(endpoint, "/v2/models/" + name);
  if (!answer) return answer.error();
  if (answer->status == 404) {
    const std::string words = read_infer_answer(404, answer->body, {}).error;
    return not_found("http://" + endpoint.authority + ": " +
                     (words.empty() ? "no model '" + name + "'" : words));
  }
  if (answer->status != 200) {
    return Error{ErrorCode::kUnavailable, "http://" + endpoint.authority + "/v2/models/" + name +
                                              ": expected 200, found " + std::to_string(answer->status)};
  }
  return read_model_metadata(answer->body);
}

using Range = std::pair<std::uint32_t, std::uint32_t>;  // first request, count

/// Makes the requests of a scenario, each once.
class RequestBook {
 public:
  RequestBook(const Endpoint& endpoint, const LoadOptions& options, std::vector<PreparedRequest>& requests)
      : endpoint_(endpoint), options_(options), requests_(requests) {}

  /// Places of the requests that `task` sends, in the order of its sample set.
  /// `as_frames`: with a place for stream and frame instead of kind and deadline.
  Result<Range> add(const TaskSpec& task, bool as_frames) {
    const auto key = std::make_tuple(task.model, task.input, task.kind, task.deadline.has_value(), as_frames);
    if (const auto known = ranges_.find(key); known != ranges_.end()) return known->second;
    auto model = models_.find(task.model);
    if (model == models_.end()) {
      Result<RemoteModel> fetched = fetch_model(endpoint_, task.model);
      if (!fetched) return fetched.error();
      model = models_.emplace(task.model, std::move(*fetched)).first;
    }
    const Result<const SampleSet*> set = samples(task, model->second);
    if (!set) return set.error();
    const auto begin = static_cast<std::uint32_t>(requests_.size());
    for (const Sample& sample : (*set)->samples) {
      Result<PreparedRequest> request = as_frames
                                            ? prepare_frame(model->second, endpoint_.authority, **set, sample)
                                            : prepare_request(model->second, endpoint_.authority, **set,
                                                              sample, task.kind, task.deadline.has_value());
      if (!request) return request.error();
      requests_.push_back(std::move(*request));
    }
    const auto count = static_cast<std::uint32_t>(requests_.size()) - begin;
    return ranges_[key] = {begin, count};
  }

 private:
  Result<const SampleSet*> samples(const TaskSpec& task, const RemoteModel& model) {
    const std::string key = task.sends_pictures() ? task.input : "random for " + task.model;
    if (const auto known = sets_.find(key); known != sets_.end()) return &known->second;
    if (task.sends_pictures()) {
      Result<SampleSet> set = read_sample_set(task.input, options_.samples_folder);
      if (!set) return set.error();
      return &(sets_[key] = std::move(*set));
    }
    Result<SampleSet> one = random_samples(model, 1, Rng(1));
    if (!one) return one.error();
    const std::size_t size = std::max<std::size_t>(one->samples[0].bytes.size(), 1);
    const std::size_t count = std::clamp<std::size_t>(kRandomBytesMax / size, 1, 16);
    return &(sets_[key] = random_samples(model, count, Rng(1)).value());
  }

  const Endpoint& endpoint_;
  const LoadOptions& options_;
  std::vector<PreparedRequest>& requests_;
  std::map<std::string, RemoteModel> models_;
  std::map<std::string, SampleSet> sets_;
  std::map<std::tuple<std::string, std::string, JobKind, bool, bool>, Range> ranges_;
};

/// Policy and engine of a server that is a Laxity; another server leaves the report as it is.
void read_state(const Endpoint& endpoint, LoadReport& report) {
  const Result<HttpAnswer> answer = get(endpoint, "/v2/laxity/state");
  if (!answer || answer->status != 200) return;
  const auto state = nlohmann::json::parse(answer->body, nullptr, false);
  if (!state.is_object() || !state.contains("driver") || !state["driver"].is_object()) return;
  const auto& driver = state["driver"];
  const auto text = [](const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (report.run.policy.empty()) report.run.policy = text(driver, "policy");
  report.engine = text(driver, "engine");
  const auto executors = driver.find("executors");
  if (executors == driver.end() || !executors->is_array()) return;
  for (const auto& executor : *executors) {
    if (executor.is_object() && text(executor, "kind") == "emulated") report.is_emulated = true;
  }
}

std::string milliseconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f ms", static_cast<double>(duration.count()) / 1e6);
  return text;
}

void add_warnings(const LoadOptions& options, LoadReport& report) {
  std::vector<Duration> lags;
  for (const JobRecord& job : report.run.jobs) {
    if (job.send_lag) lags.push_back(*job.send_lag);
  }
  if (!lags.empty()) {
    const auto p99 = lags.begin() + static_cast<std::ptrdiff_t>((lags.size() * 99 + 99) / 100 - 1);
    std::nth_element(lags.begin(), p99, lags.end());
    if (*p99 > kSendLagWarning) {
      report.warnings.push_back("The client itself was late: send lag " + milliseconds(*p99) +
                                " at p99. This run measured the client as much as the server.");
    }
  }
  const LoadStats& stats = report.stats;
  if (stats.sent_too_late > 0) {
    report.warnings.push_back(
        std::to_string(stats.sent_too_late) + " frames left the client more than its margin of " +
        milliseconds(options.stream_margin) + " late: they are not counted as promised.");
  }
  const StreamTally& streams = report.streams;
  if (streams.breaches > 0) {
    report.warnings.push_back("The server counts " + std::to_string(streams.breaches) +
                              " frames that came later than their contract: served without a promise.");
  }
  if (streams.promises_lost > 0) {
    report.warnings.push_back(
        std::to_string(streams.promises_lost) +
        " promises were lost meanwhile, and announced; their frames still count as promised here.");
  }
  if (stats.unsent > 0) {
    report.warnings.push_back(std::to_string(stats.unsent) + " jobs were never sent: all " +
                              std::to_string(options.connections_max) +
                              " connections were waiting for answers until their deadlines had passed.");
  }
  if (stats.unanswered > 0) {
    report.warnings.push_back(std::to_string(stats.unanswered) + " jobs had no answer " +
                              milliseconds(options.grace) + " after the last deadline.");
  }
  if (stats.connections_lost > 0) {
    report.warnings.push_back(std::to_string(stats.connections_lost) +
                              " connections were lost before their answer: those jobs count as failed.");
  }
  if (!stats.first_error.empty()) report.warnings.push_back("First failure: " + stats.first_error);
}

/// The requests that a task may send: as they are, and with a place for stream and frame.
struct TaskRequests {
  Range plain, frames;
};
OnRefusal scenario_rule(const TaskSpec& task, const LoadOptions& options) {
  return options.on_refusal.value_or(task.on_refusal);
}
Result<TaskRequests> requests_of(const TaskSpec& task, const LoadOptions& options, RequestBook& book) {
  TaskRequests requests;
  TaskSpec plain = task;
  if (task.asks_stream && scenario_rule(task, options) == OnRefusal::kBestEffort) {
    plain.kind = JobKind::kBestEffort;
    plain.deadline.reset();
  }
  const Result<Range> range = book.add(plain, false);
  if (!range) return range.error();
  requests.plain = *range;
  if (!task.asks_stream) return requests;
  const Result<Range> frames = book.add(task, true);
  if (!frames) return frames.error();
  requests.frames = *frames;
  return requests;
}

/// What has become of each task's wish for a stream.
struct Opened {
  std::vector<OpenedStream> streams;  // index: task
  std::vector<std::uint32_t> place;   // of those admitted, in order of opening
  std::uint32_t asked = 0;
  bool is_over = false;  // nobody asks any more
  std::vector<TaskVerdict> verdicts() const {
    std::vector<TaskVerdict> all;
    for (const OpenedStream& stream : streams) all.push_back(stream.verdict);
    return all;
  }
};

/// Sets the clock so that instant 0 lies behind the last answer, and asks in the scenario's order.
Result<Opened> open_streams(const Scenario& scenario, const LoadOptions& options, StreamOpener& opener,
                            LoadClock& clock) {
  Opened opened;
  const auto count = std::count_if(scenario.tasks.begin(), scenario.tasks.end(),
                                   [](const TaskSpec& task) { return task.asks_stream; });
  clock.restart(options.lead + kOpeningTime * count);
  std::uint32_t next = 0;
  for (const TaskSpec& task : scenario.tasks) {
    OpenedStream& stream = opened.streams.emplace_back();
    opened.place.push_back(next);
    if (!task.asks_stream || frames_within(task, scenario.duration) == 0) continue;
    if (opened.is_over) continue;
    TaskSpec asking = task;
    asking.on_refusal = scenario_rule(task, options);
    Result<OpenedStream> answer = opener.open(asking, scenario.duration);
    if (!answer) return answer.error();
    stream = std::move(*answer);
    ++opened.asked;
    const bool was_refused = stream.verdict.answer == TaskAnswer::kRefused || stream.verdict.took_offer;
    opened.is_over = options.stops_asking_when_refused && was_refused;
    next += !stream.stream.empty();
  }
  return opened;
}

}  // namespace

Result<LoadReport> run_load(const Scenario& scenario, const std::string& url, const LoadOptions& options) {
  const Result<Endpoint> endpoint = resolve_url(url);
  if (!endpoint) return endpoint.error();
  if (Status status = expect_ready(*endpoint); !status) return status.error();

  LoadPlan plan;
  RequestBook book(*endpoint, options, plan.requests);
  std::vector<TaskRequests> requests;
  for (const TaskSpec& task : scenario.tasks) {
    Result<TaskRequests> made = requests_of(task, options, book);
    if (!made) return Error{made.error().code, "task '" + task.name + "': " + made.error().message};
    requests.push_back(*made);
  }

  LoadReport report;
  report.run.policy = options.policy;
  read_state(*endpoint, report);
  if (report.run.policy.empty()) report.run.policy = "unknown";

  const std::uint64_t seed = options.seed.value_or(scenario.seed);
  LoadClock clock;
  StreamOpener opener(*endpoint, clock, options.stream_margin);
  Result<Opened> opened = open_streams(scenario, options, opener, clock);
  if (!opened) return opened.error();
  if (opened->asked > 0) plan.clock = clock;
  Scenario played_scenario = scenario;
  for (std::size_t task = 0; task < scenario.tasks.size(); ++task) {
    if (!opened->streams[task].stream.empty()) played_scenario.tasks[task] = opened->streams[task].spec;
  }
  report.run.verdicts = opened->verdicts();
  report.run.tasks_asked = opened->asked;

  const auto load_job = [&requests](const PlannedJob& job, std::optional<std::uint32_t> client) {
    const auto [begin, count] = requests[job.task].plain;
    return LoadJob{job.intended, job.task, job.relative_deadline, begin + job.input % count,
                   job.kind,     client,   std::nullopt};
  };
  std::vector<LoadJob> refused;  // not sent, but counted
  for (const PlannedJob& job : open_loop_jobs(played_scenario, seed)) {
    LoadJob made = load_job(job, std::nullopt);
    const OpenedStream& stream = opened->streams[job.task];
    if (scenario.tasks[job.task].asks_stream && stream.verdict.answer == TaskAnswer::kNotAsked) continue;
    if (stream.verdict.answer == TaskAnswer::kRefused) {
      made.kind = JobKind::kBestEffort;
      const bool is_sent = scenario_rule(scenario.tasks[job.task], options) == OnRefusal::kBestEffort;
      (is_sent ? plan.open_jobs : refused).push_back(made);
      continue;
    }
    if (stream.verdict.answer == TaskAnswer::kAdmitted) {
      const auto [begin, count] = requests[job.task].frames;
      made.request = begin + job.input % count;
      made.frame = StreamFrame{opened->place[job.task], job.frame, std::nullopt};
      const bool is_promised =
          stream.verdict.guarantee != Guarantee::kNone && stream.spec.arrival == Arrival::kPeriodic;
      if (is_promised) made.frame->promised_if_sent_by = job.intended + options.stream_margin;
    }
    plan.open_jobs.push_back(made);
  }
  for (const OpenedStream& stream : opened->streams) {
    report.run.tasks_admitted += stream.verdict.answer == TaskAnswer::kAdmitted;
    if (!stream.stream.empty()) plan.streams.push_back(stream.stream);
  }
  ClosedLoop closed_loop(scenario, seed);
  for (const PlannedJob& job : closed_loop.first_jobs()) plan.first_jobs.push_back(load_job(job, job.client));
  plan.next_job = [&](std::uint32_t client, Instant now) -> std::optional<LoadJob> {
    const std::optional<PlannedJob> job = closed_loop.next_job(client, now);
    if (!job) return std::nullopt;
    return load_job(*job, client);
  };
  for (const Fault& fault : scenario.faults) {
    if (fault.kind == FaultKind::kClientGone) plan.hang_ups.push_back({fault.at, fault.jobs});
  }
  std::sort(plan.hang_ups.begin(), plan.hang_ups.end(),
            [](const HangUp& a, const HangUp& b) { return a.at < b.at; });
  if (plan.open_jobs.empty() && plan.first_jobs.empty() && refused.empty()) {
    return invalid_argument("scenario '" + scenario.name + "': expected at least one job, found none");
  }

  Result<LoadRun> played = play(plan, *endpoint, options);
  if (!played) return played.error();
  report.streams = opener.close_all();
  report.run.scenario = scenario.name;
  report.run.seed = seed;
  report.run.duration = scenario.duration;
  report.run.load = scenario.load_fraction;
  report.run.task_names = scenario.task_names();
  report.run.jobs = std::move(played->jobs);
  for (const LoadJob& job : refused) {
    JobRecord& record = report.run.jobs.emplace_back();
    record.task = job.task;
    record.intended = job.at;
    record.outcome = Outcome::kRejected;
    record.reason = opened->streams[job.task].verdict.refusal;
    if (plan.requests[job.request].label) record.is_right = false;
  }
  report.stats = std::move(played->stats);
  add_warnings(options, report);
  return report;
}

}  // namespace laxity
