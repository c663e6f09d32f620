#include <algorithm>

#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

constexpr std::size_t kCategories = 4;
constexpr int kRequests = 60;  // far more than fit
constexpr std::uint64_t kFrames = 60;

/// Everybody asks within the first mean period, so that what is admitted fills the device.
RequestTrace dense_trace(std::uint64_t seed) {
  const Setting setting{.name = "dense", .mean_period = 150ms, .mean_deadline = 150ms, .is_small = true};
  Rng rng = Rng(seed).split(77);
  RequestTrace trace;
  trace.categories = draw_categories(rng, setting, kCategories);
  for (int i = 0; i < kRequests; ++i) {
    Request request;
    request.arrival = static_cast<std::int64_t>(i) * setting.mean_period / kRequests;
    request.category = static_cast<std::size_t>(rng.uniform(0, kCategories - 1));
    request.period = draw_gamma_time(rng, setting.mean_period);
    request.deadline = draw_gamma_time(rng, setting.mean_deadline);
    request.frames = kFrames;
    trace.requests.push_back(request);
  }
  return trace;
}

struct Case {
  const char* label;
  ExecutionMode mode;
  double jitter_share;
};
constexpr Case kCases[] = {{"as the table says, as predicted", ExecutionMode::kPlanned, 0},
                           {"shorter: uniform in (0, table]", ExecutionMode::kUniform, 0},
                           {"table times, 10 % jitter", ExecutionMode::kPlanned, 0.1},
                           {"shorter, and 10 % jitter", ExecutionMode::kUniform, 0.1},
                           {"sampled: one batch in a hundred over the table", ExecutionMode::kSampled, 0}};

const Contender kContenders[] = {
    {"DeepRT", "deeprt", {}, false},
    {"DeepRT as published", "deeprt", {{"admission", 1}, {"early_batching", 2}}, false},
    {"DeepRT by frames", "deeprt", {{"admission", 3}}, false},
    {"by frames, never early", "deeprt", {{"admission", 3}, {"early_batching", 0}}, false},
    {"SEDF", "sedf", {}, false},
    {"laxity", "laxity", {}, false}};

}  // namespace

namespace {

/// Answers beside the bound that was given at admission. A response counts from the frame's arrival.
struct Bounds {
  std::uint64_t responses = 0, over = 0;
  double share_sum = 0, share_max = 0;

  void add(const SimulationOutput& output) {
    for (const JobRecord& job : output.result.jobs) {
      const TaskVerdict& verdict = output.result.verdicts[job.task];
      if (verdict.answer != TaskAnswer::kAdmitted || !verdict.response_time_bound) continue;
      ++responses;
      if (!job.response_time || *job.response_time > *verdict.response_time_bound) ++over;
      if (!job.response_time) continue;
      const double share = static_cast<double>(job.response_time->count()) /
                           static_cast<double>(verdict.response_time_bound->count());
      share_sum += share;
      share_max = std::max(share_max, share);
    }
  }
  Json json() const {
    if (responses == 0) return nullptr;
    return {{"responses", responses},
            {"over", over},
            {"share_mean", share_sum / static_cast<double>(responses)},
            {"share_max", share_max}};
  }
};

}  // namespace

// Every admitted frame is promised something; each row breaks another premise of it.
Json promises(const Scale& scale) {
  Json rows = Json::array();
  for (const Case& one : kCases) {
    Json row = {{"case", one.label}};
    for (const Contender& contender : kContenders) {
      std::uint64_t admitted = 0, frames = 0, missed = 0, sets_with_misses = 0;
      Bounds bounds;
      for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
        const RequestTrace trace = dense_trace(seed);
        const std::vector<std::size_t> all = all_of(trace);
        const SimulationOutput output =
            run(trace, all, contender, {.mode = one.mode, .seed = seed, .jitter_share = one.jitter_share});
        const Summary summary = summarise(trace, all, output);
        bounds.add(output);
        admitted += summary.admitted;
        frames += summary.frames;
        missed += summary.missed;
        sets_with_misses += summary.missed > 0 ? 1 : 0;
      }
      row[contender.label] = {{"admitted", admitted},
                              {"frames", frames},
                              {"missed", missed},
                              {"sets", scale.seeds},
                              {"sets_with_misses", sets_with_misses},
                              {"bounds", bounds.json()}};
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace laxity::study
