// DeepRT's admission beside the scheduler: a snapshot goes in, a verdict with counter-offers comes out.
//
// The policy fills `load` while it has the scheduler's strand; compute() then runs on any one thread and
// touches nothing but this object; what it leaves is read when the strand is told that it is ready.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/edf_imitator.h"
#include "analysis/test_horizon.h"
#include "analysis/window_load.h"
#include "base/time.h"
#include "core/outcome.h"

namespace laxity {

class DeepRtWorkshop {
 public:
  enum class Question : std::uint8_t {
    kAdmit,   ///< Does all that is admitted still meet its deadlines together with `candidate`?
    kRetest,  ///< Does all that is admitted, and may windows grow where a stream has left?
  };
  /// A stream that asks: it would begin at `load.now`.
  struct Candidate {
    WindowStream stream;
    std::uint32_t window_id = 0;
    Duration jitter{};
    /// Until when its windows last; none: endless.
    std::optional<Instant> last_arrival() const {
      if (!stream.end) return std::nullopt;
      return *stream.end == 0 ? stream.first : stream.arrival(*stream.end - 1) + jitter;
    }
  };
  /// A stream that has left, whose window length still holds.
  struct Leaver {
    std::uint32_t lane = 0;
    std::uint32_t window_id = 0;
    Duration deadline{};
    std::optional<Instant> last_arrival;
  };

  DeepRtWorkshop(std::size_t lanes_max, std::size_t streams_max, std::size_t batches_max);

  // The question.
  Question question = Question::kAdmit;
  EdfImitator::Form form = EdfImitator::Form::kRepaired;  ///< Of both phases.
  std::uint64_t frames_max = 0;                           ///< Played in one test.
  WindowLoad load;
  BatchTimes times;
  std::optional<Candidate> candidate;
  bool wants_offers = true;
  std::vector<Leaver> leavers;  ///< One a lane at most.

  /// At most 25 tests of `frames_max` frames each. Does not allocate. Returns a hash of what was found.
  std::uint64_t compute();

  // The answer.
  bool passes() const noexcept { return reason_ == Reason::kNone; }
  Reason reason() const noexcept { return reason_; }
  /// kRetest: it passes also without the leavers, so that windows may grow.
  bool may_grow() const noexcept { return may_grow_; }
  const TestHorizon& horizon() const noexcept { return horizon_; }
  const EdfImitator::Result& evidence() const noexcept { return evidence_; }
  /// kRetest that does not pass: lanes with late batches.
  const std::vector<std::uint8_t>& late_lanes() const noexcept { return late_lanes_; }
  std::optional<Duration> deadline_offer() const noexcept { return deadline_offer_; }
  std::optional<Duration> period_offer() const noexcept { return period_offer_; }

 private:
  Reason test();
  Reason test_with(const Candidate& tried);
  void admit();
  void retest();

  EdfImitator imitator_;
  BatchWindows saved_;
  Reason reason_ = Reason::kNone;
  bool is_offer_ = false;  // what is tested is to be offered
  bool may_grow_ = false;
  TestHorizon horizon_;
  EdfImitator::Result evidence_;
  std::vector<std::uint8_t> late_lanes_;
  std::optional<Duration> deadline_offer_, period_offer_;
};

}  // namespace laxity
