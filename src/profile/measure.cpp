#include "profile/measure.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/nearest.h"
#include "base/rng.h"
#include "model/postprocess.h"
#include "model/preprocess.h"
#include "model/sample_picture.h"
#include "profile/profile_clock.h"
#include "profile/tail_estimate.h"
#include "profile/wake_cost.h"

namespace laxity {
namespace {

constexpr int kRounds = 24;  // a slow spell of a second falls on all points rather than on one
constexpr std::size_t kSegmentSamplesMin = 5;  // a round
constexpr std::size_t kSamplesMax = 2000;      // more tell nothing new
constexpr std::size_t kIdleSamples = 12;
constexpr int kOthersBetween = 4;
constexpr int kWarmUps = 2;        // an engine plans its memory in the first run and takes it in the second
constexpr int kWakeRounds = 6;     // threads are woken once in so many rounds
constexpr Duration kAwake = 50ms;  // of work after that: a core that slept is slow at first
constexpr int kIdleMs = 3;         // caches are cold and the core has gone to sleep
constexpr std::size_t kWakeSamples = 150;  // each time
constexpr std::size_t kSendSamples = 900;
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

/// `p99`: from elsewhere; none: of these samples.
ExecutionTime summary(std::vector<Duration> samples, std::vector<Duration> after_idle,
                      std::optional<Duration> p99) {
  ExecutionTime time;
  std::sort(samples.begin(), samples.end());
  std::sort(after_idle.begin(), after_idle.end());
  time.samples = samples.size();
  time.p50 = nearest_rank(samples, 50);
  time.p99 = std::max(p99.value_or(nearest_rank(samples, 99)), Duration(1));
  time.max = std::max(samples.back(), time.p99);
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

/// The CPU segments of one model, with their samples so far.
class Segments {
 public:
  Segments(const LoadedModel& model, const MeasureOptions& options) : model_(model) {
    if (model.preprocess) {
      const auto given = options.pictures.find(model.name);
      if (given != options.pictures.end()) pictures_ = given->second;
      if (pictures_.empty())
        pictures_ = {make_sample_png(model.preprocess->width, model.preprocess->height, 1)};
      std::size_t length = 1;
      for (const std::int64_t d : model.inputs[0].shape) length *= static_cast<std::size_t>(d);
      decoded_.resize(length);
    }
    if (model.postprocess.kind == PostprocessSpec::Kind::kNone) return;
    const TensorSpec& logits = model.outputs[model.postprocess.output];
    logits_.resize(logits.size_per_job() / sizeof(float));
    scratch_.resize(logits_.size());
    Rng rng(1);
    for (float& value : logits_) value = static_cast<float>(rng.unit() * 8 - 4);
  }

  Status sample(Duration slice) {
    Status status = Unit{};
    if (!pictures_.empty()) {
      fill(decoding_, slice, [&] {
        const auto& picture = pictures_[decoding_.size() % pictures_.size()];
        if (status) status = preprocessor_.run(*model_.preprocess, picture, decoded_);
      });
    }
    if (!logits_.empty()) {
      fill(concluding_, std::min<Duration>(slice, 1ms),
           [&] { exit_confidence(model_.postprocess, 0, logits_, scratch_); });
    }
    return status;
  }

  void append_to(std::vector<ProfiledSegment>& segments) && {
    if (!decoding_.empty()) {
      segments.push_back(
          {model_.name, SegmentKind::kPreprocess, summary(std::move(decoding_), {}, std::nullopt)});
    }
    if (!concluding_.empty()) {
      segments.push_back(
          {model_.name, SegmentKind::kPostprocess, summary(std::move(concluding_), {}, std::nullopt)});
    }
  }

 private:
  template <typename Run>
  static void fill(std::vector<Duration>& samples, Duration slice, const Run& run) {
    const Instant end = profile_clock_now() + slice;
    for (std::size_t taken = 0;
         samples.size() < kSamplesMax && (taken < kSegmentSamplesMin || profile_clock_now() < end); ++taken) {
      const Instant start = profile_clock_now();
      run();
      samples.push_back(std::max(profile_clock_now() - start, Duration(1)));
    }
  }

  const LoadedModel& model_;
  Preprocessor preprocessor_;
  std::vector<std::vector<std::byte>> pictures_;  // empty: there is nothing to decode
  std::vector<float> decoded_;
  std::vector<float> logits_, scratch_;  // empty: there is no confidence
  std::vector<Duration> decoding_, concluding_;
};

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

  /// All of them, by turns.
  Status run_for(Duration time) {
    for (const Instant end = profile_clock_now() + time; !lone_.empty() && profile_clock_now() < end;) {
      if (auto one = time_batch(*lone_[next_]); !one) return one.error();
      next_ = (next_ + 1) % lone_.size();
    }
    return Unit{};
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

/// Fills one point for `slice`; the first runs ever are warm-ups and not counted.
Status sample_point(Point& point, Others& others, Duration slice) {
  for (int warm_up = 0; point.samples.empty() && warm_up < kWarmUps; ++warm_up) {
    if (auto warm = time_batch(point); !warm) return warm.error();
  }
  const Instant end = profile_clock_now() + slice;
  std::size_t taken = 0;
  while (point.samples.size() < kSamplesMax && (taken == 0 || profile_clock_now() < end)) {
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

/// Points of one stage stand in order of batch size; a larger batch is never planned with less time.
void append_execution(std::vector<Point>& points, std::vector<ProfiledBatch>& execution) {
  std::vector<std::vector<Duration>> samples;
  for (Point& point : points) samples.push_back(std::move(point.samples));
  const std::vector<Duration> bounds = pooled_p99(samples);
  Duration bound{};
  for (std::size_t i = 0; i < points.size(); ++i) {
    Point& point = points[i];
    const bool is_first = i == 0 || points[i - 1].runner != point.runner;
    bound = is_first ? bounds[i] : std::max(bound, bounds[i]);
    execution.push_back({point.model->name, point.variant->name, point.stage,
                         point.variant->stages[point.stage].spec.inputs[0].shape, point.batch_size,
                         summary(std::move(samples[i]), std::move(point.after_idle), bound)});
  }
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
  std::vector<std::unique_ptr<Segments>> segments;
  for (const LoadedModel* model : *models) segments.push_back(std::make_unique<Segments>(*model, options));
  const std::uint64_t total = kRounds * points.size() + kRounds / kWakeRounds + 1;
  std::uint64_t done = 0;
  Others others(points);
  std::vector<Duration> wakes, hand_overs, answers;
  for (int round = 0; round < kRounds; ++round) {
    const bool is_last = round + 1 == kRounds;
    if (round % kWakeRounds == 0) {
      progress(done++, total, "waking threads");
      sample_wake(options.network_core, options.core, kWakeSamples, wakes);
      sample_wake(options.core, options.core, kWakeSamples / 5, hand_overs);
      sample_wake(options.core, options.network_core, kWakeSamples, answers);
    }
    {
      const Pinned pinned(options.core);
      if (round % kWakeRounds == 0) {
        if (Status status = others.run_for(std::min<Duration>(kAwake, budget / kRounds)); !status)
          return status.error();
      }
      // Largest batch first: the engine's memory then grows once, not again for every size. Later rounds
      // begin elsewhere, so that no point always follows the pause.
      const std::size_t first = points.size() * static_cast<std::size_t>(round) / kRounds;
      for (std::size_t i = 0; i < points.size(); ++i) {
        Point& point = points[points.size() - 1 - (first + i) % points.size()];
        progress(done++, total,
                 point.model->name + "/" + point.variant->name + "/" + std::to_string(point.stage) +
                     " batch " + std::to_string(point.batch_size));
        if (Status status = sample_point(point, others, slice); !status) return status.error();
        if (!is_last || point.batch_size != 1) continue;
        if (Status status = sample_after_idle(point); !status) return status.error();
      }
      for (const auto& of_model : segments) {
        if (Status status = of_model->sample(slice); !status) return status.error();
      }
    }
  }
  progress(done++, total, "sending answers");
  const Percentiles wake = percentiles(std::move(wakes));
  profile.overheads.dispatch = percentiles(std::move(hand_overs)).p50;
  profile.overheads.wake_p99 = wake.p99;
  profile.wake_p50 = wake.p50;
  // An answer crosses to the network thread's core and is then written.
  profile.overheads.reply_p99 =
      percentiles(std::move(answers)).p99 + measure_send(kReplySize, kSendSamples).p99;
  for (const auto& of_model : segments) std::move(*of_model).append_to(profile.segments);
  append_execution(points, profile.execution);
  return profile;
}

}  // namespace laxity
