#include "live/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "live/feature_pool.h"

namespace laxity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Cores = std::vector<int>;

Placement placed(const Cores& cores, const std::vector<Cores>& wanted) {
  auto placement = place_threads(cores, wanted);
  EXPECT_TRUE(placement);
  return std::move(placement).value();
}

TEST(Placement, TwoCores_MessengersShareTheFirst) {
  const Placement p = placed({0, 1}, {{}});
  EXPECT_THAT(p.executors, ElementsAre(ElementsAre(1)));
  for (const Cores& cores : {p.network, p.timer, p.planner, p.flusher}) EXPECT_THAT(cores, ElementsAre(0));
  EXPECT_TRUE(p.executor_is_alone(0));
  EXPECT_FALSE(p.timer_is_alone());
}

TEST(Placement, OneCore_IsSharedByAllAndNobodyMaySpin) {
  const Placement p = placed({3}, {{}});
  EXPECT_THAT(p.executors, ElementsAre(ElementsAre(3)));
  EXPECT_FALSE(p.executor_is_alone(0));
}

TEST(Placement, MoreExecutorsThanCores_TakeTurns) {
  const Placement p = placed({0, 1, 2}, {{}, {}, {}});
  EXPECT_THAT(p.executors, ElementsAre(ElementsAre(1), ElementsAre(2), ElementsAre(1)));
  EXPECT_FALSE(p.executor_is_alone(0));
  EXPECT_TRUE(p.executor_is_alone(1));
}

TEST(Placement, SpareCores_GoToTimerAndBackground) {
  const Placement p = placed({0, 1, 2, 3}, {{}});
  EXPECT_THAT(p.executors, ElementsAre(ElementsAre(1)));
  EXPECT_THAT(p.network, ElementsAre(0));
  EXPECT_THAT(p.timer, ElementsAre(2));
  EXPECT_THAT(p.planner, ElementsAre(3));
  EXPECT_TRUE(p.timer_is_alone());
  EXPECT_TRUE(p.executor_is_alone(0));
}

TEST(Placement, ConfiguredCores_AreKeptAndAvoidedByOthers) {
  const Placement p = placed({0, 1}, {{0}});
  EXPECT_THAT(p.executors, ElementsAre(ElementsAre(0)));
  EXPECT_THAT(p.network, ElementsAre(1));
  const Placement all = placed({0, 1}, {{0, 1}});
  EXPECT_THAT(all.network, ElementsAre(0));
  EXPECT_FALSE(all.executor_is_alone(0));
}

TEST(Placement, UnknownCore_IsRefused) {
  const auto placement = place_threads(Cores{0, 1}, std::vector<Cores>{{1, 7}});
  ASSERT_FALSE(placement);
  EXPECT_THAT(placement.error().message, HasSubstr("expected cores out of 0, 1, found 7"));
}

// Whether it is permitted depends on who runs the test; the answer must fit what happens.
TEST(Placement, RealTimePriority_IsGivenOrSaidWhyNot) {
  std::thread([] {
    const Status permitted = may_raise_threads(1);
    const Status raised = raise_this_thread(1);
    EXPECT_EQ(permitted.has_value(), raised.has_value());
    EXPECT_EQ(::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, raised ? SCHED_FIFO : SCHED_OTHER);
    unraise_this_thread();
    EXPECT_EQ(::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
    if (!raised) {
      EXPECT_THAT(raised.error().message, HasSubstr("CAP_SYS_NICE"));
    }
  }).join();
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
}

TEST(FeaturePool, LastGivenBack_IsNextTaken) {
  auto pool = FeaturePool::reserve(3, 100).value();
  const auto a = pool.take(), b = pool.take();
  pool.bytes(a)[0] = std::byte{7};
  EXPECT_GE(pool.bytes(a).size(), 100U);
  EXPECT_NE(pool.bytes(a).data(), pool.bytes(b).data());
  pool.give_back(a);
  EXPECT_EQ(pool.take(), a);
  pool.give_back(FeaturePool::kNone);
  EXPECT_EQ(pool.free_count(), 1U);
}

TEST(FeaturePool, MoreThanTheAddressSpace_IsAnError) {
  const auto pool = FeaturePool::reserve(std::size_t{1} << 40, std::size_t{1} << 40);
  ASSERT_FALSE(pool);
  EXPECT_THAT(pool.error().message, HasSubstr("queue_length_max"));
}

}  // namespace
}  // namespace laxity
