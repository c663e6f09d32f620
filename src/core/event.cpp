#include "core/event.h"

namespace laxity {
namespace {

struct TieRank {
  int operator()(const BatchFinished&) const { return 0; }
  int operator()(const SegmentFinished&) const { return 0; }
  int operator()(const JobCancelled&) const { return 1; }
  int operator()(const ExecutorLost&) const { return 2; }
  int operator()(const ExecutorBack&) const { return 2; }
  int operator()(const TablesChanged&) const { return 2; }
  int operator()(const TaskSubmitted&) const { return 2; }
  int operator()(const TaskRemoved&) const { return 2; }
  int operator()(const PlanReady&) const { return 2; }
  int operator()(const ShutdownStarted&) const { return 2; }
  int operator()(const JobReleased&) const { return 3; }
  int operator()(const TimerFired&) const { return 4; }
};

}  // namespace

int tie_rank(const Event& event) noexcept { return std::visit(TieRank{}, event); }

}  // namespace laxity
