// Streams whose clock is not ours: an endless one is followed beyond what was promised, a finite one is not.
#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "policy/registry.h"
#include "sched/tiny_driver.h"

namespace laxity {
namespace {

using tiny::at;
using tiny::TinyDriver;
using tiny::toy_system;

constexpr Duration kPeriod = 20ms;
constexpr Duration kJitter = 2ms;
constexpr std::int64_t kFrames = 6000;

struct Watched {
  StreamEntry stream;
  std::uint64_t promised_and_missed = 0;
  std::uint64_t losses = 0;
  Duration least_interval = Duration::max();  // between r of two frames that follow each other
};

/// Two minutes of frames that come up to 1 ms after their time by a clock that is `ppm` slow.
Watched run(const std::string& policy, std::int64_t ppm, bool is_endless,
            Guarantee guarantee = Guarantee::kNone) {
  SystemModel system = toy_system({{{4ms}}, {{5ms}}});
  system.limits.plan_frames_max = 1000;
  TinyDriver driver(system, make_policy(policy, {}).value());
  Task task;
  task.id = TaskId{3};
  task.min_inter_arrival = kPeriod;
  task.release_jitter_max = kJitter;
  task.relative_deadline = 18ms;
  task.first_release = at(500ms);
  task.guarantee = guarantee;
  if (!is_endless) task.frame_count = kFrames;
  driver.post(at(0ms), TaskSubmitted{task});
  driver.post(at(kFrames * kPeriod + 2s), TaskRemoved{task.id});
  Watched outcome;
  Rng rng(5);
  std::vector<bool> is_late;
  std::optional<Instant> last_release;
  driver.on_event = [&](Instant, const Event& event) {
    if (std::holds_alternative<TaskRemoved>(event))
      outcome.stream = *driver.scheduler.books().stream(task.id);
    const auto* released = std::get_if<JobReleased>(&event);
    if (released == nullptr || !released->job.task) return;
    const StreamEntry& stream = *driver.scheduler.books().stream(task.id);
    const std::uint64_t k = *released->job.frame;
    is_late.push_back(stream.is_late(k, driver.now));
    if (last_release)
      outcome.least_interval = std::min(outcome.least_interval, stream.release(k) - *last_release);
    last_release = stream.release(k);
  };
  for (std::int64_t k = 0; k < kFrames; ++k) {
    const Duration nominal = k * kPeriod;
    const Instant sent =
        at(500ms) + nominal + nominal / 1'000'000 * ppm + Duration(rng.uniform(0, 1'000'000));
    Job frame;
    frame.task = task.id;
    frame.frame = static_cast<std::uint32_t>(k);
    frame.release = sent;
    driver.post(sent, JobReleased{frame});
    Job flood;  // something else is always waiting
    flood.model = ModelId{1};
    flood.kind = JobKind::kBestEffort;
    flood.release = sent;
    for (int i = 0; i < 3; ++i) driver.post(sent, JobReleased{flood});
  }
  driver.run();

  for (const auto& settled : driver.settled) {
    if (!settled.job.task || settled.command.outcome == Outcome::kOnTime) continue;
    outcome.promised_and_missed += !is_late.at(*settled.job.frame);
  }
  for (const auto& [when, command] : driver.log) {
    const auto* answer = std::get_if<AnswerTask>(&command);
    outcome.losses += answer != nullptr && answer->reason != Reason::kNone;
  }
  return outcome;
}

TEST(StreamClock, EndlessStreamsAreFollowed) {
  for (const std::string policy : {"edf", "laxity"}) {
    for (const std::int64_t ppm : {-1000, -200, 50, 200, 1000}) {
      const Watched outcome = run(policy, ppm, true);
      EXPECT_EQ(outcome.stream.frames, static_cast<std::uint64_t>(kFrames)) << policy << " " << ppm;
      EXPECT_LT(outcome.stream.late, 250u) << policy << " " << ppm;
      EXPECT_EQ(outcome.stream.too_fast, 0u) << policy << " " << ppm;
      EXPECT_GE(outcome.stream.reanchored, 1u) << policy << " " << ppm;
      EXPECT_EQ(outcome.losses, 0u) << policy << " " << ppm;
      if (policy == "laxity") {
        EXPECT_EQ(outcome.promised_and_missed, 0u) << ppm;
      }
    }
  }
}

// What the demand test counted stays true: the phase moves earlier by small steps only.
TEST(StreamClock, StreamsOfTheDemandTestAreFollowedGently) {
  for (const std::int64_t ppm : {-1000, -200, 50, 200, 1000}) {
    const Watched outcome = run("laxity", ppm, true, Guarantee::kDemand);
    EXPECT_EQ(outcome.stream.frames, static_cast<std::uint64_t>(kFrames)) << ppm;
    EXPECT_LT(outcome.stream.late, 250u) << ppm;
    EXPECT_EQ(outcome.stream.too_fast, 0u) << ppm;
    EXPECT_GE(outcome.stream.reanchored, 1u) << ppm;
    EXPECT_EQ(outcome.losses, 0u) << ppm;
    EXPECT_EQ(outcome.promised_and_missed, 0u) << ppm;
    EXPECT_GE(outcome.least_interval, PhaseTracker::least_period(kPeriod)) << ppm;
  }
}

TEST(StreamClock, AStreamThatKeepsTimeIsLeftAlone) {
  const Watched outcome = run("laxity", 0, true);
  EXPECT_EQ(outcome.stream.reanchored, 0u);
  EXPECT_EQ(outcome.stream.late, 0u);
  EXPECT_EQ(outcome.promised_and_missed, 0u);
}

// What was promised for life stands: a finite stream keeps its phase, and its frames come to be late.
TEST(StreamClock, Canary_FiniteStreamsAreNotFollowed) {
  const Watched outcome = run("laxity", 200, false);
  EXPECT_EQ(outcome.stream.reanchored, 0u);
  EXPECT_GT(outcome.stream.late, kFrames / 2);
}

}  // namespace
}  // namespace laxity
