#include "server/stream_mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace laxity {
namespace {

AnswerTask answer(std::uint32_t id, bool admitted, Reason reason = Reason::kNone) {
  AnswerTask made;
  made.task = TaskId{id};
  made.admitted = admitted;
  made.reason = reason;
  return made;
}

std::vector<StreamNews> take(StreamMailbox& mailbox) {
  std::vector<StreamNews> taken;
  mailbox.take([&](const StreamNews& news) { taken.push_back(news); });
  return taken;
}

TEST(StreamMailbox, AVerdictComesOnce) {
  StreamMailbox mailbox(4);
  EXPECT_FALSE(mailbox.has_news());
  mailbox.put(answer(2, true));
  EXPECT_TRUE(mailbox.has_news());
  const auto news = take(mailbox);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].verdict, answer(2, true));
  EXPECT_EQ(news[0].latest, answer(2, true));
  EXPECT_EQ(news[0].loss_count, 0U);
  EXPECT_FALSE(mailbox.has_news());
  EXPECT_TRUE(take(mailbox).empty());
}

TEST(StreamMailbox, ManyAnswersBeforeALookAreOneWithAllThatCounts) {
  StreamMailbox mailbox(4);
  mailbox.put(answer(1, true));
  mailbox.put(answer(1, true, Reason::kAdmissionPlan));
  mailbox.put(answer(1, true));
  mailbox.put(answer(1, true, Reason::kExecutorLost));
  const auto news = take(mailbox);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].verdict.reason, Reason::kNone);
  EXPECT_EQ(news[0].latest.reason, Reason::kExecutorLost);
  EXPECT_EQ(news[0].loss_count, 2U);
  EXPECT_EQ(news[0].return_count, 1U);
  EXPECT_EQ(news[0].last_loss, Reason::kExecutorLost);
  mailbox.put(answer(1, true));
  const auto later = take(mailbox);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].return_count, 2U) << "counts go on";
  EXPECT_EQ(later[0].last_loss, Reason::kExecutorLost) << "what is over is still known";
}

TEST(StreamMailbox, InOrderOfTheFirstAnswer) {
  StreamMailbox mailbox(8);
  for (const std::uint32_t id : {5U, 2U, 7U, 0U}) mailbox.put(answer(id, true));
  mailbox.put(answer(5, true, Reason::kAdmissionPlan));
  std::vector<std::uint32_t> order;
  mailbox.take(
      [&](const StreamNews& news) { order.push_back(static_cast<std::uint32_t>(news.latest.task)); });
  EXPECT_EQ(order, (std::vector<std::uint32_t>{5, 2, 7, 0}));
}

TEST(StreamMailbox, ANewStreamInAnOldSlotStartsAnew) {
  StreamMailbox mailbox(4);
  mailbox.put(answer(1, true));
  mailbox.put(answer(1, true, Reason::kAdmissionPlan));
  mailbox.put(answer(5, false, Reason::kAdmissionPlan));
  const auto news = take(mailbox);
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].verdict.task, TaskId{5});
  EXPECT_FALSE(news[0].verdict.admitted);
  EXPECT_EQ(news[0].loss_count, 0U) << "a refusal takes no promise away";
}

// The strand puts while the network thread takes: the newest answer of each stream always arrives, no copy is
// torn, and counts never go back.
TEST(StreamMailbox, PutAndTakenAtTheSameTime) {
  constexpr std::uint32_t kSlots = 4;
  constexpr std::uint64_t kRounds = 60'000;
  StreamMailbox mailbox(kSlots);
  std::atomic<bool> is_done{false};
  std::thread strand([&] {
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      AnswerTask put = answer(static_cast<std::uint32_t>(round % kSlots), true,
                              round / kSlots % 2 == 1 ? Reason::kAdmissionPlan : Reason::kNone);
      put.response_time_bound = Duration(round);
      put.deadline_offer = put.period_offer = Duration(round);
      mailbox.put(put);
    }
    is_done = true;
  });
  std::vector<std::int64_t> last(kSlots, 0);
  std::vector<std::uint32_t> losses(kSlots, 0);
  const auto look = [&] {
    mailbox.take([&](const StreamNews& news) {
      const auto slot = static_cast<std::size_t>(news.latest.task);
      const std::int64_t value = news.latest.response_time_bound->count();
      ASSERT_EQ(news.latest.period_offer->count(), value) << "torn";
      ASSERT_EQ(news.latest.deadline_offer->count(), value) << "torn";
      ASSERT_GT(value, last[slot]) << "older than what was taken before";
      ASSERT_GE(news.loss_count, losses[slot]);
      last[slot] = value;
      losses[slot] = news.loss_count;
    });
  };
  while (!is_done) look();
  strand.join();
  look();
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    const std::uint64_t newest = kRounds - (kRounds + kSlots - slot) % kSlots;
    EXPECT_EQ(last[slot], static_cast<std::int64_t>(newest)) << slot;
  }
  EXPECT_FALSE(mailbox.has_news());
}

}  // namespace
}  // namespace laxity
