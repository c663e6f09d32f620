#include "analysis/drift_watch.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace laxity {
namespace {

constexpr CategoryId kFirst{0};

class DriftWatchTest : public ::testing::Test {
 protected:
  DriftWatchTest() : watch_(LatencyTable(), Catalog()) {
    Model model;
    model.name = "m";
    model.variants.push_back({"full", {}});
    catalog_.add_model(std::move(model), {1}, 4);
    set(1, 10ms);
    set(4, 20ms);
    watch_ = DriftWatch(table_, catalog_);
  }
  void set(std::uint32_t batch_size, Duration p99) {
    table_.set(kFirst, batch_size, {p99, p99, p99, p99, 1});
  }

  /// Batches that take their planned time and `excess(i)`, until the watch says something.
  template <typename Excess>
  std::optional<Duration> watch(int batches, std::uint32_t batch_size, Excess excess) {
    for (count_ = 1; count_ <= batches; ++count_) {
      if (const auto bound = watch_.observe(table_, kFirst, batch_size, excess(count_))) return bound;
    }
    return std::nullopt;
  }

  Catalog catalog_;
  LatencyTable table_;
  DriftWatch watch_;
  int count_ = 0;
};

TEST_F(DriftWatchTest, IsQuietWhileTheTableHolds) {
  Rng rng(3);
  int told = 0;
  for (int block = 0; block < 1000; ++block) {
    told +=
        watch(256, 1, [&](int) { return rng.chance(1, 100) ? Duration(1ms) : Duration(-1ms); }).has_value();
  }
  EXPECT_LE(told, 2);  // expected: fewer than 0.1
}

TEST_F(DriftWatchTest, TellsAfterElevenBatchesOverTheTable) {
  const auto bound = watch(300, 1, [](int i) { return i * 100us; });
  ASSERT_TRUE(bound);
  EXPECT_EQ(count_, 11);
  EXPECT_EQ(*bound, 10ms + 1ms);  // the 99th percentile of eleven is the tenth
}

TEST_F(DriftWatchTest, SizesThatWereNotMeasuredCountForTheOneTheyArePlannedWith) {
  const auto bound = watch(300, 3, [](int) { return 2ms; });
  ASSERT_TRUE(bound);
  EXPECT_EQ(*bound, 22ms);
  EXPECT_EQ(DriftWatch::point(table_, kFirst, 3), 4u);
  EXPECT_EQ(DriftWatch::point(table_, kFirst, 5), std::nullopt);
}

TEST_F(DriftWatchTest, GoesBackButNotBelowWhatWasProfiled) {
  EXPECT_FALSE(watch(1000, 1, [](int) { return -5ms; }));
  set(1, 15ms);
  auto bound = watch(256, 1, [](int) { return -3ms; });
  ASSERT_TRUE(bound);
  EXPECT_EQ(*bound, 12ms);
  set(1, *bound);
  bound = watch(256, 1, [](int) { return -8ms; });
  ASSERT_TRUE(bound);
  EXPECT_EQ(*bound, 10ms);
}

TEST_F(DriftWatchTest, SmallDifferencesAreNotWorthNewPlans) {
  set(1, 10400us);
  EXPECT_FALSE(watch(1000, 1, [](int) { return -400us; }));
}

}  // namespace
}  // namespace laxity
