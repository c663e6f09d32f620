// The small tools of the ground floor: random numbers, near names, vectors of fixed capacity, results, time.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

#include "base/check.h"
#include "base/fixed_vector.h"
#include "base/nearest.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"

namespace laxity {
namespace {

TEST(Rng, SameSeedSameNumbers) {
  Rng a(7);
  Rng b(7);
  Rng other(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t draw = a.next();
    EXPECT_EQ(draw, b.next());
    differs |= draw != other.next();
  }
  EXPECT_TRUE(differs);
}

// The byte-for-byte promise of `same seed, same results` rests on these not changing.
TEST(Rng, FirstNumbersAreFixed) {
  Rng rng(1);
  const std::array<std::uint64_t, 3> first = {rng.next(), rng.next(), rng.next()};
  EXPECT_EQ(first,
            (std::array<std::uint64_t, 3>{0xb3f2af6d0fc710c5u, 0x853b559647364ceau, 0x92f89756082a4514u}));
}

TEST(Rng, UniformStaysInRangeAndReachesBothEnds) {
  Rng rng(3);
  std::set<std::int64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(rng.uniform(-2, 3));
  EXPECT_EQ(seen, (std::set<std::int64_t>{-2, -1, 0, 1, 2, 3}));
  EXPECT_EQ(rng.uniform(5, 5), 5);
}

TEST(Rng, UniformOverTheWholeRangeDoesNotHang) {
  Rng rng(3);
  bool negative = false;
  for (int i = 0; i < 64; ++i) negative |= rng.uniform(INT64_MIN, INT64_MAX) < 0;
  EXPECT_TRUE(negative);
}

TEST(Rng, UnitIsInHalfOpenInterval) {
  Rng rng(11);
  for (int i = 0; i < 10'000; ++i) {
    const double draw = rng.unit();
    ASSERT_GE(draw, 0.0);
    ASSERT_LT(draw, 1.0);
  }
}

TEST(Rng, ChanceIsCertainAtItsEnds) {
  Rng rng(11);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(rng.chance(0, 3));
    EXPECT_TRUE(rng.chance(3, 3));
  }
}

TEST(Rng, SplitStreamsDifferAndLeaveTheParentAlone) {
  const Rng parent(5);
  Rng first = parent.split(0);
  Rng again = parent.split(0);
  Rng second = parent.split(1);
  const std::uint64_t draw = first.next();
  EXPECT_EQ(draw, again.next());
  EXPECT_NE(draw, second.next());
}

TEST(Nearest, FindsTheIntendedName) {
  constexpr std::array<std::string_view, 4> kNames = {"policy", "profile", "models", "http"};
  EXPECT_EQ(nearest("polcy", kNames), "policy");
  EXPECT_EQ(nearest("htpt", kNames), "http");  // neighbours swapped: one edit
  EXPECT_EQ(nearest("", kNames), "http");      // the shortest
  EXPECT_EQ(nearest("model", kNames), "models");
  EXPECT_EQ(nearest("anything", {}), "");
}

TEST(Nearest, TiesGoToTheFirst) {
  constexpr std::array<std::string_view, 2> kNames = {"ab", "ac"};
  EXPECT_EQ(nearest("ad", kNames), "ab");
}

TEST(FixedVector, HoldsUpToItsCapacity) {
  FixedVector<int, 2> items;
  EXPECT_TRUE(items.empty());
  items.push_back(1);
  items.push_back(2);
  EXPECT_TRUE(items.full());
  EXPECT_EQ(items.back(), 2);
  EXPECT_DEATH(items.push_back(3), "check failed");
}

TEST(FixedVector, EraseKeepsOrder) {
  FixedVector<int, 4> items;
  for (const int item : {1, 2, 3}) items.push_back(item);
  items.erase_at(0);
  FixedVector<int, 4> expected;
  for (const int item : {2, 3}) expected.push_back(item);
  EXPECT_EQ(items, expected);
  EXPECT_DEATH(items.erase_at(2), "check failed");
}

TEST(FixedVector, EqualityIgnoresWhatWasRemoved) {
  FixedVector<int, 4> a;
  FixedVector<int, 4> b;
  a.push_back(9);
  a.clear();
  EXPECT_EQ(a, b);
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 3;
  const Result<int> bad = not_found("no such thing");
  EXPECT_TRUE(good.has_value());
  EXPECT_EQ(*good, 3);
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(bad.error().message, "no such thing");
  EXPECT_DEATH((void)bad.value(), "check failed");
  EXPECT_DEATH((void)good.error(), "check failed");
}

TEST(Result, CodesHaveTheirWireNames) {
  EXPECT_STREQ(name(ErrorCode::kInvalidArgument), "invalid_argument");
  EXPECT_STREQ(name(ErrorCode::kFailedPrecondition), "failed_precondition");
}

TEST(Instant, SubtractsToDurations) {
  const Instant a = Instant::from_start(5ms);
  const Instant b = Instant::from_start(7ms);
  EXPECT_EQ(b - a, 2ms);
  EXPECT_EQ(a - b, -2ms);
  EXPECT_EQ(a + 2ms, b);
  EXPECT_LT(a, b);
  EXPECT_LT(b, Instant::latest());
}

TEST(Check, PrintsItsContextOnce) {
  EXPECT_DEATH(
      {
        set_check_context([] { LAXITY_CHECK(!"inside the printer"); });
        LAXITY_CHECK(1 == 2);
      },
      "1 == 2");
}

}  // namespace
}  // namespace laxity
