// What DeepRT's admission test costs: phase 2's time against the frames that it plays.
//
//   build/release/bin/admission_bench [runs, default 31]
//
// Streams are drawn as in the paper's evaluation (period and deadline from Gamma(2, 5), scaled to mean
// 150 ms, here from a table of quantiles so that the set is always the same), four categories with the batch
// curves of an RTX 2080 as its figure 2 shows them, until the test has refused eight. Of what was
// admitted the first 10^2 to 10^5 frames are played. Also: the whole of a refusal with its counter-offers,
// which is up to 25 tests.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "analysis/edf_imitator.h"
#include "analysis/test_horizon.h"
#include "analysis/utilisation_filter.h"
#include "policy/deeprt_workshop.h"

namespace laxity {
namespace {

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// Ninths of Gamma(2, 5) over its mean.
constexpr std::int64_t kQuantilesPpm[] = {265'000,   420'000,   570'000,   730'000,  905'000,
                                          1'110'000, 1'370'000, 1'770'000, 2'600'000};
constexpr Duration kMean = 150ms;
constexpr std::uint32_t kLanes = 4;
constexpr std::size_t kStreamsMax = 64;
constexpr std::size_t kBatchesMax = 4096;
constexpr std::uint64_t kFramesMax = 100'000;

struct Set {
  WindowLoad load;
  BatchTimes times;
};

// ResNet-50, -101, -152 and VGG-16: E(1) and E(16) in ms, read off the paper's figure.
Set empty_set() {
  Set set;
  constexpr std::int64_t kCurves[kLanes][2] = {
      {3'000, 25'000}, {6'000, 42'000}, {8'000, 58'000}, {4'000, 46'000}};
  set.load.free_at = {Instant{}};
  for (const auto& curve : kCurves) {
    std::vector<Duration> row;
    for (std::int64_t n = 0; n < 16; ++n) {
      row.push_back(std::chrono::microseconds(curve[0] + (curve[1] - curve[0]) * n / 15));
    }
    WindowLane& lane = set.load.lanes.emplace_back(kStreamsMax + 2);
    lane.category = set.times.add_category(std::move(row));
    lane.cap = 16;
    lane.is_promised = lane.is_announced = true;
  }
  return set;
}

WindowStream drawn(std::uint32_t i, std::uint64_t frames) {
  const auto scaled = [](std::int64_t ppm) { return kMean * ppm / 1'000'000; };
  return {i,
          i % kLanes,
          Instant::from_start(Duration(i) * 7'900'001),
          scaled(kQuantilesPpm[i * 5 % 9]),
          scaled(kQuantilesPpm[(i * 7 + 3) % 9]),
          0,
          frames};
}

void add(Set& set, WindowStream stream) {
  set.load.lanes[stream.lane].windows.stream_added(set.load.now, stream.id, stream.deadline,
                                                   stream.arrival(*stream.end - 1));
  const auto place =
      std::upper_bound(set.load.streams.begin(), set.load.streams.end(), stream.lane,
                       [](std::uint32_t lane, const WindowStream& s) { return lane < s.lane; });
  set.load.streams.insert(place, stream);
}

Set set_of(const std::vector<std::uint32_t>& ids, std::uint64_t frames) {
  Set set = empty_set();
  for (const std::uint32_t id : ids) add(set, drawn(id, frames));
  return set;
}

std::vector<std::uint32_t> admitted_ids(EdfImitator& imitator) {
  std::vector<std::uint32_t> ids;
  int refused = 0;
  for (std::uint32_t i = 0; refused < 8 && ids.size() < kStreamsMax; ++i) {
    ids.push_back(i);
    const Set set = set_of(ids, kFramesMax / ids.size());
    const bool passes =
        repaired_filter_passes(set.load, set.times) &&
        imitator.run(set.load, set.times, Instant::latest(), EdfImitator::Form::kRepaired).is_schedulable;
    if (passes) continue;
    ids.pop_back();
    ++refused;
  }
  return ids;
}

template <typename Work>
std::int64_t median_ns(int runs, Work work) {
  std::vector<std::int64_t> samples;
  for (int i = 0; i < runs; ++i) {
    const std::int64_t begin = now_ns();
    work();
    samples.push_back(now_ns() - begin);
  }
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

int run(int argc, char** argv) {
  const long runs = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 31;
  if (runs < 1 || runs > 100'000) {
    std::fprintf(stderr, "expected 1 to 100000 runs, found '%s'\n", argv[1]);
    return 2;
  }
  EdfImitator imitator(kLanes, kStreamsMax + 1, kStreamsMax + 2, kBatchesMax);
  const std::vector<std::uint32_t> ids = admitted_ids(imitator);
  std::printf("%zu streams in 4 categories, mean period and deadline 150 ms; median of %ld runs\n\n",
              ids.size(), runs);
  std::printf("%10s %12s %14s %14s\n", "frames", "phase 1", "phase 2", "ns a frame");
  const Set full = set_of(ids, kFramesMax / ids.size());
  for (const std::uint64_t frames : {100u, 300u, 1'000u, 3'000u, 10'000u, 30'000u, 100'000u}) {
    const Instant horizon = test_horizon(full.load, frames, true).end;
    EdfImitator::Result result;
    const std::int64_t phase2 = median_ns(static_cast<int>(runs), [&] {
      result = imitator.run(full.load, full.times, horizon, EdfImitator::Form::kRepaired);
    });
    bool passes = false;
    const std::int64_t phase1 =
        median_ns(static_cast<int>(runs), [&] { passes = repaired_filter_passes(full.load, full.times); });
    std::printf("%10llu %9.1f us %11.3f ms %14.1f%s\n", static_cast<unsigned long long>(result.frame_count),
                static_cast<double>(phase1) / 1e3, static_cast<double>(phase2) / 1e6,
                static_cast<double>(phase2) / static_cast<double>(result.frame_count),
                passes && result.is_schedulable ? "" : "  refused");
  }

  DeepRtWorkshop workshop(kLanes, kStreamsMax, kBatchesMax);
  Set set = set_of(ids, kFramesMax / ids.size());
  workshop.load.streams.assign(set.load.streams.begin(), set.load.streams.end());
  workshop.load.free_at = set.load.free_at;
  workshop.load.lanes = set.load.lanes;
  workshop.times = set.times;
  workshop.frames_max = kFramesMax;
  WindowStream asked = drawn(1'000'003, 10'000);
  asked.deadline = 20ms;
  workshop.candidate = DeepRtWorkshop::Candidate{asked, 1'000'003, Duration::zero()};
  const std::int64_t refusal =
      median_ns(std::max(1, static_cast<int>(runs) / 10), [&] { workshop.compute(); });
  std::printf("\na stream with a deadline of 20 ms: %s (%s); verdict and counter-offers %.1f ms\n",
              workshop.passes() ? "admitted" : "refused", name(workshop.reason()),
              static_cast<double>(refusal) / 1e6);
  std::printf(
      "asked: phase 2 at most 1 ms at 10^4 frames and 15 ms at 10^5 (the paper: about 150 ms, 1.5 s)\n");
  return 0;
}

}  // namespace
}  // namespace laxity

int main(int argc, char** argv) { return laxity::run(argc, argv); }
