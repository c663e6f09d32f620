#include "live/mailbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace laxity {
namespace {

TEST(BoundedQueue, ValuesLeaveInOrder) {
  BoundedQueue<int> queue(4);
  EXPECT_EQ(queue.front(), nullptr);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.try_push(10 * round + i));
    for (int i = 0; i < 3; ++i) {
      ASSERT_NE(queue.front(), nullptr);
      EXPECT_EQ(*queue.front(), 10 * round + i);
      queue.pop();
    }
  }
  EXPECT_EQ(queue.front(), nullptr);
}

TEST(BoundedQueue, FullQueue_Refuses) {
  BoundedQueue<int> queue(3);
  ASSERT_EQ(queue.capacity(), 4U);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(queue.try_push(i));
  EXPECT_FALSE(queue.try_push(4));
  queue.pop();
  EXPECT_TRUE(queue.try_push(4));
  EXPECT_EQ(*queue.front(), 1);
}

TEST(BoundedQueue, ManyWriters_LoseNothingAndKeepTheirOwnOrder) {
  constexpr int kWriters = 3, kEach = 5'000;
  BoundedQueue<int> queue(16);
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&queue, w] {
      for (int i = 0; i < kEach; ++i) {
        while (!queue.try_push(w * kEach + i)) std::this_thread::yield();
      }
    });
  }
  std::vector<int> next(kWriters, 0);
  for (int taken = 0; taken < kWriters * kEach;) {
    const int* value = queue.front();
    if (value == nullptr) {
      std::this_thread::yield();
      continue;
    }
    const auto writer = static_cast<std::size_t>(*value / kEach);
    ASSERT_EQ(*value % kEach, next[writer]);
    ++next[writer];
    queue.pop();
    ++taken;
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(queue.front(), nullptr);
}

TEST(Doorbell, RingBeforeWaiting_IsNotLost) {
  Doorbell bell;
  EXPECT_FALSE(bell.ring(1));
  EXPECT_FALSE(bell.ring(4));
  EXPECT_EQ(bell.wait(), 5U);
  EXPECT_EQ(bell.take(), 0U);
}

TEST(Doorbell, TimeInThePast_ReturnsWithoutARing) {
  Doorbell bell;
  EXPECT_EQ(bell.wait(1), 0U);
  EXPECT_EQ(bell.wait(-5), 0U);
}

TEST(Doorbell, Spin_EndsByTheClock) {
  struct Ticking final : Clock {
    Instant now() const noexcept override { return Instant::from_start(Duration(++ticks)); }
    mutable std::int64_t ticks = 0;
  } clock;
  Doorbell bell;
  EXPECT_EQ(bell.spin(clock, 10ns), 0U);
  EXPECT_LE(clock.ticks, 12);
  (void)bell.ring(2);
  EXPECT_EQ(bell.spin(clock, 1s), 2U);
}

TEST(Doorbell, EveryRoundTrip_Wakes) {
  Doorbell there, back;
  std::thread echo([&] {
    for (;;) {
      const Doorbell::Bits bits = there.wait();
      if (bits == 2) return;
      if (bits == 1) (void)back.ring(1);
    }
  });
  for (int i = 0; i < 2'000; ++i) {
    (void)there.ring(1);
    while (back.wait() == 0) {
    }
  }
  (void)there.ring(2);
  echo.join();
}

}  // namespace
}  // namespace laxity
