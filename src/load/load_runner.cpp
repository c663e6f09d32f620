#include "load/load_runner.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "load/http_connection.h"
#include "sim/arrivals.h"

namespace laxity {
namespace {

constexpr Duration kControlPatience = 10s;        // for metadata; a server that loads may need it
constexpr Duration kSendLagWarning = 1ms;         // at p99: beyond it the run measured the client
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

/// Makes the requests of a scenario, each once.
class RequestBook {
 public:
  RequestBook(const Endpoint& endpoint, const LoadOptions& options, std::vector<PreparedRequest>& requests)
      : endpoint_(endpoint), options_(options), requests_(requests) {}

  /// Places of the requests that `task` sends, in the order of its sample set.
  Result<std::pair<std::uint32_t, std::uint32_t>> add(const TaskSpec& task) {
    const auto key = std::make_tuple(task.model, task.input, task.kind, task.deadline.has_value());
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
      Result<PreparedRequest> request = prepare_request(model->second, endpoint_.authority, **set, sample,
                                                        task.kind, task.deadline.has_value());
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
  std::map<std::tuple<std::string, std::string, JobKind, bool>, std::pair<std::uint32_t, std::uint32_t>>
      ranges_;
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

}  // namespace

Result<LoadReport> run_load(const Scenario& scenario, const std::string& url, const LoadOptions& options) {
  const Result<Endpoint> endpoint = resolve_url(url);
  if (!endpoint) return endpoint.error();
  if (Status status = expect_ready(*endpoint); !status) return status.error();

  LoadPlan plan;
  RequestBook book(*endpoint, options, plan.requests);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  for (const TaskSpec& task : scenario.tasks) {
    const Result<std::pair<std::uint32_t, std::uint32_t>> range = book.add(task);
    if (!range) return Error{range.error().code, "task '" + task.name + "': " + range.error().message};
    ranges.push_back(*range);
  }
  const auto load_job = [&ranges](const PlannedJob& job, std::optional<std::uint32_t> client) {
    const auto [begin, count] = ranges[job.task];
    return LoadJob{job.intended, job.task, job.relative_deadline, begin + job.input % count,
                   job.kind,     client};
  };
  const std::uint64_t seed = options.seed.value_or(scenario.seed);
  for (const PlannedJob& job : open_loop_jobs(scenario, seed))
    plan.open_jobs.push_back(load_job(job, std::nullopt));
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
  if (plan.open_jobs.empty() && plan.first_jobs.empty()) {
    return invalid_argument("scenario '" + scenario.name + "': expected at least one job, found none");
  }

  LoadReport report;
  report.run.policy = options.policy;
  read_state(*endpoint, report);
  if (report.run.policy.empty()) report.run.policy = "unknown";
  Result<LoadRun> played = play(plan, *endpoint, options);
  if (!played) return played.error();
  report.run.scenario = scenario.name;
  report.run.seed = seed;
  report.run.duration = scenario.duration;
  report.run.load = scenario.load_fraction;
  report.run.task_names = scenario.task_names();
  report.run.jobs = std::move(played->jobs);
  report.stats = std::move(played->stats);
  add_warnings(options, report);
  return report;
}

}  // namespace laxity
