// Random sequences of streams, and how many of them each admission takes before it refuses one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/stream_frames.h"
#include "base/rng.h"
#include "core/system_model.h"
#include "policy/registry.h"

namespace laxity::study {

struct CandidateStream {
  std::size_t category = 0;
  Duration phase{};
  Duration period{};
  Duration deadline{};
  Duration jitter{};
};

enum class Periods : std::uint8_t { kGamma, kCameras };

struct Workload {
  std::string name;
  Periods periods = Periods::kGamma;
  Duration mean_period = 150ms;
  double deadline_over_period = 1;
  double jitter_share = 0.1;
};

/// One that every policy could serve, were it alone: D - J >= E(1), and D / 2 >= E(1) for DeepRT's windows.
/// Others say nothing about an admission.
CandidateStream draw_stream(Rng& rng, const Workload& workload, const BatchTimes& times);

/// Frames released before `horizon` of one candidate.
PlannedStream planned(const CandidateStream& stream, std::uint32_t id);
/// Those of the first `count` candidates, unsorted.
std::vector<PlanFrame> frames_of(const std::vector<CandidateStream>& streams, std::size_t count,
                                 Duration horizon);

/// Streams before the first refusal under a production policy, asked in order at time 0, phases known.
/// `guess`: about how many; only the time that it takes depends on it.
/// `misses`, when given: admitted frames that were then late, executions uniform in (0, table].
std::size_t admitted_by_policy(const SystemModel& system, const std::vector<CandidateStream>& streams,
                               std::string_view policy, const PolicyOptions& options, Duration horizon,
                               std::uint64_t seed, std::size_t guess, std::uint64_t* misses);

/// The first n of `streams` for which `fits(n + 1)` is false.
template <typename Fits>
std::size_t until_first_refusal(std::size_t stream_count, Fits fits) {
  std::size_t n = 0;
  while (n < stream_count && fits(n + 1)) ++n;
  return n;
}

}  // namespace laxity::study
