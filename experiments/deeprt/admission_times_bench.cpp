#include <algorithm>
#include <chrono>

#include "analysis/edf_imitator.h"
#include "analysis/plan_maker.h"
#include "analysis/single_frame_edf.h"
#include "analysis/utilisation_filter.h"
#include "base/check.h"
#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

constexpr std::uint32_t kStreams = 10;
constexpr Duration kPeriod = 100ms, kDeadline = 250ms;  // all ten fit, so every frame is looked at
constexpr int kRepetitions = 7;

BatchTimes four_networks() { return planning_times(device({{0, {}}, {1, {}}, {3, {}}, {5, {}}}, 1, 1)); }

Duration phase_of(std::uint32_t stream) { return stream * 9ms; }

/// Milliseconds of one call, the median of a few.
template <typename Call>
double median_time_ms(Call call) {
  std::vector<double> times;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto before = std::chrono::steady_clock::now();
    call();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
  }
  std::nth_element(times.begin(), times.begin() + kRepetitions / 2, times.end());
  return times[kRepetitions / 2];
}

double deeprt_ms(const BatchTimes& times, std::uint64_t frames) {
  WindowLoad load;
  load.free_at = {load.now};
  for (CategoryIndex g = 0; g < times.category_count(); ++g) {
    WindowLane& lane = load.lanes.emplace_back(kStreams);
    lane.category = g;
    lane.cap = times.cap(g);
    lane.is_promised = lane.is_announced = true;
    for (std::uint32_t i = g; i < kStreams; i += static_cast<std::uint32_t>(times.category_count())) {
      const WindowStream stream{
          i, g, Instant::from_start(phase_of(i)), kPeriod, kDeadline, 0, frames / kStreams};
      lane.windows.stream_added(load.now, i, kDeadline, stream.arrival(frames / kStreams - 1));
      load.streams.push_back(stream);
    }
  }
  EdfImitator imitator(times.category_count(), kStreams, kStreams, 256);
  return median_time_ms([&] {
    const bool passes = repaired_filter_passes(load, times);
    const auto result = imitator.run(load, times, Instant::latest(), EdfImitator::Form::kRepaired);
    LAXITY_CHECK(passes && result.is_schedulable && result.frame_count == frames);
  });
}

double sedf_ms(const BatchTimes& times, std::uint64_t frames) {
  std::vector<EdfStream> streams;
  for (std::uint32_t i = 0; i < kStreams; ++i) {
    const auto g = static_cast<CategoryIndex>(i % times.category_count());
    streams.push_back(
        {Instant::from_start(phase_of(i)), kPeriod, kDeadline, times(g, 1), 0, frames / kStreams, i});
  }
  SingleFrameEdf imitator(0, kStreams, 1);
  const std::vector<Instant> free_at = {Instant()};
  return median_time_ms([&] {
    const auto miss = imitator.first_miss(free_at, {}, streams, Instant(), Instant::latest(), frames + 1);
    LAXITY_CHECK(!miss && imitator.frame_count() == frames);
  });
}

double laxity_ms(const BatchTimes& times, std::uint64_t frames) {
  PlanMaker maker(frames, times.category_count());
  Plan plan(frames);
  const auto fill = [&] {
    maker.frames().clear();
    for (std::uint32_t i = 0; i < kStreams; ++i) {
      PlannedStream stream;
      stream.id = i;
      stream.category = static_cast<CategoryIndex>(i % times.category_count());
      stream.phase.first = Instant::from_start(phase_of(i));
      stream.phase.period = kPeriod;
      stream.jitter = kPeriod / 10;
      stream.deadline = kDeadline;
      stream.end = frames / kStreams;
      Instant cut = Instant::latest();
      append_frames(stream, Instant::latest(), frames, maker.frames(), &cut);
    }
  };
  return median_time_ms([&] {
    fill();
    LAXITY_CHECK(maker.make(times, times, Instant(), 0, plan) && plan.frame_count() == frames);
  });
}

}  // namespace

Json admission_times(const Scale& scale) {
  const BatchTimes times = four_networks();
  Json rows = Json::array();
  for (std::uint64_t frames = 100; frames <= scale.frames_timed_max; frames *= 10) {
    rows.push_back({{"frames", frames},
                    {"deeprt_ms", deeprt_ms(times, frames)},
                    {"sedf_ms", sedf_ms(times, frames)},
                    {"laxity_ms", laxity_ms(times, frames)}});
  }
  return {{"streams", kStreams}, {"rows", rows}};
}

}  // namespace laxity::study
