#include "experiments/deeprt/exact_optimum.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace laxity::study {

bool any_schedule_exists(const BatchTimes& times, const std::vector<PlanFrame>& frames) {
  LAXITY_CHECK(frames.size() <= kExactFramesMax);
  const std::uint32_t all = (std::uint32_t{1} << frames.size()) - 1;
  std::vector<std::uint32_t> of_category(times.category_count(), 0);
  for (std::size_t i = 0; i < frames.size(); ++i) of_category[frames[i].category] |= std::uint32_t{1} << i;

  // Of every set that could be a batch: when its last frame comes and its first is due.
  std::vector<Instant> arrival(all + 1), deadline(all + 1, Instant::latest());
  for (const std::uint32_t mine : of_category) {
    for (std::uint32_t batch = mine; batch > 0; batch = (batch - 1) & mine) {
      Instant latest = Instant::from_start(Duration::zero());
      Instant earliest = Instant::latest();
      for (std::uint32_t rest = batch; rest > 0; rest &= rest - 1) {
        const PlanFrame& frame = frames[static_cast<std::size_t>(std::countr_zero(rest))];
        latest = std::max(latest, frame.arrival);
        earliest = std::min(earliest, frame.deadline);
      }
      arrival[batch] = latest;
      deadline[batch] = earliest;
    }
  }

  std::vector<Instant> done_at(all + 1, Instant::latest());
  done_at[0] = Instant::from_start(Duration::zero());
  for (std::uint32_t served = 0; served < all; ++served) {
    if (done_at[served] == Instant::latest()) continue;
    for (CategoryIndex g = 0; g < of_category.size(); ++g) {
      const std::uint32_t left = of_category[g] & ~served;
      for (std::uint32_t batch = left; batch > 0; batch = (batch - 1) & left) {
        const auto size = static_cast<std::uint32_t>(std::popcount(batch));
        if (size > times.cap(g)) continue;
        const Instant finish = std::max(done_at[served], arrival[batch]) + times(g, size);
        if (finish > deadline[batch]) continue;
        done_at[served | batch] = std::min(done_at[served | batch], finish);
      }
    }
  }
  return done_at[all] != Instant::latest();
}

}  // namespace laxity::study
