#include <algorithm>

#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

// What admits by itself, then who is given what DeepRT has admitted. Sizes and limits are the defaults of the
// policies, except that BATCH takes the smallest batch that is one: "as small as memory allows" in the paper.
const Contender kDeepRt = {"DeepRT", "deeprt", {}, false};
const Contender kLaxity = {"laxity", "laxity", {}, false};
const Contender kSedf = {"SEDF", "sedf", {}, false};
// Phase 2 that refuses only where a frame is late, not where a batch misses its window's deadline.
const Contender kByFrames = {"DeepRT by frames", "deeprt", {{"admission", 3}}, false};
const std::vector<Contender>& baselines() {
  static const std::vector<Contender> kBaselines = {
      {"BATCH", "batch", {{"batch_size", 2}, {"instances_max", 1}}, true},
      {"BATCH-Delay", "batch-delay", {{"instances_max", 1}}, true},
      {"AIMD", "aimd", {{"instances_max", 1}}, true},
      {"BATCH of 4", "batch", {{"batch_size", 4}, {"instances_max", 1}}, true},
      {"BATCH-Delay of 25 ms", "batch-delay", {{"delay_us", 25'000}, {"instances_max", 1}}, true},
      {"BATCH-Delay of 50 ms", "batch-delay", {{"delay_us", 50'000}, {"instances_max", 1}}, true},
      {"AIMD, response time", "aimd", {{"instances_max", 1}, {"objective", 1}}, true},
      {"AIMD that waits", "aimd", {{"instances_max", 1}, {"objective", 1}, {"wait_us", 1'000'000}}, true},
  };
  return kBaselines;
}

/// Every hundredth of the distribution is enough for a plot.
std::vector<double> quantiles(std::vector<double> values) {
  std::vector<double> kept;
  if (values.empty()) return kept;
  std::sort(values.begin(), values.end());
  constexpr std::size_t kSteps = 100;
  for (std::size_t i = 0; i <= kSteps; ++i) kept.push_back(values[i * (values.size() - 1) / kSteps]);
  return kept;
}

struct Column {
  std::string label;
  std::vector<double> miss_percent = {}, at_once = {}, admitted = {}, images_per_s = {}, batch_size = {};
  std::uint64_t frames = 0, missed = 0;
  std::vector<double> overdue_ms = {};

  void add(const Summary& summary) {
    miss_percent.push_back(summary.miss_percent);
    at_once.push_back(static_cast<double>(summary.at_once));
    admitted.push_back(static_cast<double>(summary.admitted));
    images_per_s.push_back(summary.images_per_s);
    batch_size.push_back(summary.batch_size_mean);
    frames += summary.frames;
    missed += summary.missed;
    overdue_ms.insert(overdue_ms.end(), summary.overdue_ms.begin(), summary.overdue_ms.end());
  }
  Json json() const {
    return {{"label", label},
            {"miss_percent", miss_percent},
            {"at_once", at_once},
            {"admitted", admitted},
            {"images_per_s", images_per_s},
            {"batch_size", batch_size},
            {"frames", frames},
            {"missed", missed},
            {"overdue_count", overdue_ms.size()},
            {"overdue_ms_quantiles", quantiles(overdue_ms)}};
  }
};

}  // namespace

namespace {

Json compare(const Scale& scale, const std::vector<Setting>& compared) {
  Json settings = Json::array();
  for (const Setting& setting : compared) {
    std::vector<Column> own, given;
    for (const Contender& contender : {kDeepRt, kLaxity, kSedf, kByFrames})
      own.push_back({.label = contender.label});
    given.push_back({.label = "DeepRT"});
    for (const Contender& contender : baselines()) given.push_back({.label = contender.label});
    given.push_back({.label = "laxity"});
    std::vector<double> requests;
    for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
      const RequestTrace trace = make_trace(setting, seed, scale.shapes, scale.frames_per_video);
      const RunSpec spec{.time_factor = time_factor(setting), .seed = seed};
      const std::vector<std::size_t> all = all_of(trace);
      requests.push_back(static_cast<double>(all.size()));
      const SimulationOutput deeprt = run(trace, all, kDeepRt, spec);
      const std::vector<std::size_t> chosen = admitted(all, deeprt);
      own[0].add(summarise(trace, all, deeprt));
      own[1].add(summarise(trace, all, run(trace, all, kLaxity, spec)));
      own[2].add(summarise(trace, all, run(trace, all, kSedf, spec)));
      own[3].add(summarise(trace, all, run(trace, all, kByFrames, spec)));
      given[0].add(summarise(trace, all, deeprt));
      if (chosen.empty()) continue;
      for (std::size_t i = 0; i < baselines().size(); ++i) {
        given[i + 1].add(summarise(trace, chosen, run(trace, chosen, baselines()[i], spec)));
      }
      given.back().add(summarise(trace, chosen, run(trace, chosen, kLaxity, spec)));
    }
    Json own_json = Json::array(), given_json = Json::array();
    for (const Column& column : own) own_json.push_back(column.json());
    for (const Column& column : given) given_json.push_back(column.json());
    settings.push_back({{"setting", setting.name},
                        {"frames", setting.is_small                            ? "all 224x224"
                                   : setting.scaling == Scaling::kProportional ? "time proportional to pixels"
                                                                               : "as batches of small ones"},
                        {"mean_ms", setting.mean_period.count() / 1'000'000},
                        {"requests", requests},
                        {"own_admission", own_json},
                        {"on_deeprt_set", given_json}});
  }
  return settings;
}

}  // namespace

Json comparison(const Scale& scale) { return compare(scale, paper_settings()); }
Json comparison_variants(const Scale& scale) { return compare(scale, variant_settings()); }

}  // namespace laxity::study
