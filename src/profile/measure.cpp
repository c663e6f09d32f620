#include "profile/measure.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <ranges>

#include "base/nearest.h"
#include "base/rng.h"
#include "model/postprocess.h"
#include "model/preprocess.h"
#include "model/sample_picture.h"
#include "profile/profile_clock.h"
#include "profile/wake_cost.h"

namespace laxity {
namespace {

constexpr int kRounds = 4;
constexpr std::size_t kSamplesMin = 5;     // fewer have no p99 worth the name
constexpr std::size_t kSamplesMax = 2000;  // more tell nothing new
constexpr std::size_t kIdleSamples = 12;
constexpr int kOthersBetween = 4;
constexpr int kIdleMs = 3;  // caches are cold and the core has gone to sleep
constexpr std::size_t kWakeSamples = 300;
constexpr std::size_t kReplySize = 512;  // an answer with its head

/// Keeps the calling thread on a core for its lifetime.
class Pinned {
 public:
  explicit Pinned(std::optional<int> core) {
    if (!core || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(*core), &set);
    pinned_ = sched_setaffinity(0, sizeof set, &set) == 0;
  }
  ~Pinned() {
    if (pinned_) sched_setaffinity(0, sizeof before_, &before_);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

 private:
  cpu_set_t before_{};
  bool pinned_ = false;
};

ExecutionTime summary(std::vector<Duration> samples, std::vector<Duration> after_idle) {
  ExecutionTime time;
  const auto nearest_rank = [](const std::vector<Duration>& sorted, std::size_t percent) {
    const std::size_t rank = (sorted.size() * percent + 99) / 100;  // rounds up: against ourselves
    return sorted[std::max<std::size_t>(rank, 1) - 1];
  };
  std::sort(samples.begin(), samples.end());
  std::sort(after_idle.begin(), after_idle.end());
  time.samples = samples.size();
  time.p50 = nearest_rank(samples, 50);
  time.p99 = std::max(nearest_rank(samples, 99), Duration(1));
  time.max = samples.back();
  time.after_idle_p99 = after_idle.empty() ? time.p99 : nearest_rank(after_idle, 99);
  return time;
}

/// One (category, batch size) with its samples so far.
struct Point {
  const LoadedModel* model;
  const LoadedVariant* variant;
  std::uint32_t stage;
  std::uint32_t batch_size;
  StageRunner* runner;
  std::vector<std::vector<std::byte>> inputs;  // of one job
  std::vector<Duration> samples, after_idle;
};

/// Input bytes as they come from clients: seeded, finite, of moderate size.
std::vector<std::byte> make_input(const TensorSpec& spec, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::byte> bytes(spec.size_per_job());
  if (spec.type == DataType::kFp32) {
    for (std::size_t i = 0; i + sizeof(float) <= bytes.size(); i += sizeof(float)) {
      const auto value = static_cast<float>(rng.unit() * 2 - 1);
      std::memcpy(&bytes[i], &value, sizeof value);
    }
  }
  return bytes;  // other types: zeros are valid everywhere
}

/// What an executor does with one batch: gather and run.
Result<Duration> time_batch(const Point& point) {
  const Instant start = profile_clock_now();
  for (std::uint32_t job = 0; job < point.batch_size; ++job) {
    for (std::size_t i = 0; i < point.inputs.size(); ++i) {
      std::memcpy(point.runner->input(i, job).data(), point.inputs[i].data(), point.inputs[i].size());
    }
  }
  if (Status status = point.runner->run(point.batch_size); !status) return status.error();
  return profile_clock_now() - start;
}

std::vector<std::uint32_t> batch_sizes(std::uint32_t cap, bool quick) {
  std::vector<std::uint32_t> sizes;
  for (std::uint32_t n = 1; n <= cap; n = quick ? 2 * n : n + 1) sizes.push_back(n);
  if (sizes.back() != cap) sizes.push_back(cap);
  return sizes;
}

ExecutionTime measure_preprocess(const LoadedModel& model,
                                 const std::vector<std::vector<std::byte>>& pictures, Duration budget,
                                 Status& status) {
  Preprocessor preprocessor;
  std::size_t length = 1;
  for (const std::int64_t d : model.inputs[0].shape) length *= static_cast<std::size_t>(d);
  std::vector<float> out(length);
  std::vector<Duration> samples;
  const Instant end = profile_clock_now() + budget;
  for (std::size_t i = 0;
       samples.size() < kSamplesMax && (samples.size() < kSamplesMin || profile_clock_now() < end); ++i) {
    const Instant start = profile_clock_now();
    status = preprocessor.run(*model.preprocess, pictures[i % pictures.size()], out);
    if (!status) return {};
    samples.push_back(profile_clock_now() - start);
  }
  return summary(std::move(samples), {});
}

ExecutionTime measure_postprocess(const LoadedModel& model, Duration budget) {
  const TensorSpec& logits = model.outputs[model.postprocess.output];
  std::vector<float> values(logits.size_per_job() / sizeof(float)), scratch(values.size());
  Rng rng(1);
  for (float& value : values) value = static_cast<float>(rng.unit() * 8 - 4);
  std::vector<Duration> samples;
  const Instant end = profile_clock_now() + budget;
  while (samples.size() < kSamplesMax && (samples.size() < kSamplesMin || profile_clock_now() < end)) {
    const Instant start = profile_clock_now();
    exit_confidence(model.postprocess, 0, values, scratch);
    samples.push_back(std::max(profile_clock_now() - start, Duration(1)));
  }
  return summary(std::move(samples), {});
}

std::string now_utc() {
  char text[32];
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Result<std::vector<const LoadedModel*>> chosen_models(const Repository& repository,
                                                      const MeasureOptions& options) {
  std::vector<const LoadedModel*> chosen;
  if (options.models.empty()) {
    for (const LoadedModel& model : repository.models()) chosen.push_back(&model);
    return chosen;
  }
  std::vector<std::string_view> known;
  for (const LoadedModel& model : repository.models()) known.push_back(model.name);
  for (const std::string& wanted : options.models) {
    const auto id = repository.catalog().find_model(wanted);
    if (!id) return not_found("no model '" + wanted + "'; did you mean '" + nearest(wanted, known) + "'?");
    chosen.push_back(&repository.model(*id));
  }
  return chosen;
}

Status load_points(const std::vector<const LoadedModel*>& models, Engine& engine,
                   const MeasureOptions& options, std::vector<std::unique_ptr<StageRunner>>& runners,
                   std::vector<Point>& points) {
  for (const LoadedModel* model : models) {
    for (const LoadedVariant& variant : model->variants) {
      for (std::uint32_t stage = 0; stage < variant.stages.size(); ++stage) {
        const StageFile& file = variant.stages[stage];
        const std::uint32_t cap = file.spec.batch_is_free ? options.batch_size_max : 1;
        auto runner = engine.load(file.path, {cap, false});
        if (!runner) return runner.error();
        runners.push_back(std::move(*runner));
        std::vector<std::vector<std::byte>> inputs;
        for (std::size_t i = 0; i < file.spec.inputs.size(); ++i) {
          inputs.push_back(make_input(file.spec.inputs[i], i + 1));
        }
        for (const std::uint32_t n : batch_sizes(cap, options.quick)) {
          points.push_back({model, &variant, stage, n, runners.back().get(), inputs, {}, {}});
        }
      }
    }
  }
  return Unit{};
}

/// What a server runs between two batches of one stage: other stages, whose weights push this one's out of
/// the core's caches. Without them a small network is measured up to twice as fast as it is served.
class Others {
 public:
  explicit Others(const std::vector<Point>& points) {
    for (const Point& point : points) {
      if (point.batch_size == 1) lone_.push_back(&point);
    }
  }

  /// The next few that are not of `point`'s stage, by turns.
  Status run_before(const Point& point) {
    int ran = 0;
    for (std::size_t i = 0; i < lone_.size() && ran < kOthersBetween; ++i) {
      const Point& other = *lone_[next_];
      next_ = (next_ + 1) % lone_.size();
      if (other.runner == point.runner) continue;
      if (auto time = time_batch(other); !time) return time.error();
      ++ran;
    }
    return Unit{};
  }

 private:
  std::vector<const Point*> lone_;
  std::size_t next_ = 0;
};

/// Fills one point for `slice`; the first run ever is a warm-up and not counted.
Status sample_point(Point& point, Others& others, Duration slice) {
  if (point.samples.empty()) {
    if (auto warm = time_batch(point); !warm) return warm.error();
  }
  const Instant end = profile_clock_now() + slice;
  std::size_t taken = 0;
  while (point.samples.size() < kSamplesMax && (taken < 2 || profile_clock_now() < end)) {
    if (Status status = others.run_before(point); !status) return status.error();
    auto time = time_batch(point);
    if (!time) return time.error();
    point.samples.push_back(*time);
    ++taken;
  }
  return Unit{};
}

/// The first run after a pause, for the smallest batch only: what an executor sees between frames of a lone
/// camera.
Status sample_after_idle(Point& point) {
  for (std::size_t i = 0; i < kIdleSamples; ++i) {
    poll(nullptr, 0, kIdleMs);
    auto time = time_batch(point);
    if (!time) return time.error();
    point.after_idle.push_back(*time);
  }
  return Unit{};
}

}  // namespace

Result<Profile> measure(const Repository& repository, Engine& engine, const MachineInfo& machine,
                        const MeasureOptions& options,
                        const std::function<void(std::uint64_t, std::uint64_t, std::string_view)>& progress) {
  auto models = chosen_models(repository, options);
  if (!models) return models.error();
  Profile profile;
  profile.machine = machine;
  profile.made_at = now_utc();

  std::vector<std::unique_ptr<StageRunner>> runners;
  std::vector<Point> points;
  if (Status status = load_points(*models, engine, options, runners, points); !status) return status.error();
  const Duration budget = options.quick ? options.budget / 4 : options.budget;
  const Duration slice =
      budget / (kRounds * std::max<std::int64_t>(1, static_cast<std::int64_t>(points.size())));
  const std::uint64_t total = kRounds * points.size() + models->size() + 1;
  std::uint64_t done = 0;
  {
    const Pinned pinned(options.core);
    Others others(points);
    for (int round = 0; round < kRounds; ++round) {
      // Largest batch first: the engine's memory then grows once, not again for every size.
      for (Point& point : std::views::reverse(points)) {
        progress(done++, total,
                 point.model->name + "/" + point.variant->name + "/" + std::to_string(point.stage) +
                     " batch " + std::to_string(point.batch_size));
        if (Status status = sample_point(point, others, slice); !status) return status.error();
        if (round + 1 < kRounds || point.batch_size != 1) continue;
        if (Status status = sample_after_idle(point); !status) return status.error();
      }
    }
    for (const LoadedModel* model : *models) {
      progress(done++, total, model->name + " pictures");
      if (model->preprocess) {
        const auto given = options.pictures.find(model->name);
        const bool has_pictures = given != options.pictures.end() && !given->second.empty();
        const std::vector<std::vector<std::byte>> made = {
            make_sample_png(model->preprocess->width, model->preprocess->height, 1)};
        Status status = Unit{};
        const ExecutionTime time =
            measure_preprocess(*model, has_pictures ? given->second : made, slice * kRounds, status);
        if (!status) return status.error();
        profile.segments.push_back({model->name, SegmentKind::kPreprocess, time});
      }
      if (model->postprocess.kind != PostprocessSpec::Kind::kNone) {
        profile.segments.push_back(
            {model->name, SegmentKind::kPostprocess, measure_postprocess(*model, 20ms)});
      }
    }
  }
  progress(done++, total, "waking threads");
  const Percentiles wake = measure_wake(options.network_core, options.core, kWakeSamples);
  const Percentiles hand_over = measure_wake(options.core, options.core, kWakeSamples / 3);
  const Percentiles send = measure_send(kReplySize, kWakeSamples * 3);
  profile.overheads.dispatch = hand_over.p50;
  profile.overheads.wake_p99 = wake.p99;
  profile.wake_p50 = wake.p50;
  // An answer crosses to the network thread's core and is then written.
  profile.overheads.reply_p99 = measure_wake(options.core, options.network_core, kWakeSamples).p99 + send.p99;

  for (Point& point : points) {
    profile.execution.push_back({point.model->name, point.variant->name, point.stage,
                                 point.variant->stages[point.stage].spec.inputs[0].shape, point.batch_size,
                                 summary(std::move(point.samples), std::move(point.after_idle))});
  }
  return profile;
}

}  // namespace laxity
