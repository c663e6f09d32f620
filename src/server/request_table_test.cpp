#include "server/request_table.h"

#include <gtest/gtest.h>

#include <thread>

#include "server/sample_model.h"

namespace laxity {
namespace {

const LoadedModel kTwo = testing::two_input_model();

class RequestTableTest : public ::testing::Test {
 protected:
  RequestTableTest() {
    limits_.queue_length_max = 4;
    table_.emplace(limits_, std::size_t{1} << 20, [this] { ++wakes_; });
  }

  /// A request of `batch_size` jobs that is ready to be admitted.
  Request& make_request(std::size_t batch_size) {
    Request* request = table_->acquire();
    request->codec = &codec_;
    request->client = this;
    request->decoded.batch_size = batch_size;
    request->decoded.inputs.assign(batch_size * 2, {});
    return *request;
  }
  void settle(JobId id, Outcome outcome, bool is_last = true) {
    SettleJob settled;
    settled.job = id;
    settled.outcome = outcome;
    settled.is_last = is_last;
    table_->settle(settled);
  }
  /// What the network thread does, noting who was answered.
  void take() {
    table_->set_awake(false);
    table_->take_settled([this](Request& request) {
      answered_.push_back(&request);
      request.client = nullptr;
    });
  }

  Limits limits_;
  int wakes_ = 0;
  ModelCodec codec_{kTwo};
  std::optional<RequestTable> table_;
  std::vector<Request*> answered_;
};

TEST_F(RequestTableTest, OneJobFromAdmissionToItsReply) {
  Request& request = make_request(1);
  const float value = 3;
  request.decoded.inputs[0] = std::as_bytes(std::span(&value, 1));
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(request, refusal));
  EXPECT_EQ(table_->living_count(), 1U);
  const JobId id = request.jobs[0];
  EXPECT_EQ(table_->inputs(id).size(), 2U);
  EXPECT_EQ(table_->inputs(id)[0].data(), request.decoded.inputs[0].data());
  const JobBytes out = table_->output(id, 0);
  EXPECT_EQ(out.size(), 12U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(out.data()) % 64, 0U);
  settle(id, Outcome::kOnTime);
  take();
  EXPECT_EQ(answered_, std::vector<Request*>{&request});
  EXPECT_EQ(table_->living_count(), 0U);
}

TEST_F(RequestTableTest, AReplyWaitsForTheLastOfItsJobs) {
  Request& request = make_request(3);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(request, refusal));
  settle(request.jobs[2], Outcome::kLate);
  settle(request.jobs[0], Outcome::kOnTime);
  take();
  EXPECT_TRUE(answered_.empty());
  settle(request.jobs[1], Outcome::kDropped);
  take();
  ASSERT_EQ(answered_.size(), 1U);
  EXPECT_EQ(request.settled[0].outcome, Outcome::kOnTime);
  EXPECT_EQ(request.settled[1].outcome, Outcome::kDropped);
  EXPECT_EQ(request.settled[2].outcome, Outcome::kLate);
}

TEST_F(RequestTableTest, AFullTableRefusesAndTakesNothing) {
  Request& first = make_request(3);
  Request& second = make_request(2);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(first, refusal));
  EXPECT_FALSE(table_->admit(second, refusal));
  EXPECT_EQ(refusal, Reason::kQueueFull);
  EXPECT_EQ(table_->living_count(), 3U);
  settle(first.jobs[0], Outcome::kOnTime);
  take();
  EXPECT_TRUE(table_->admit(second, refusal)) << "a settled job's slot is free at once";
}

TEST_F(RequestTableTest, MemoryOfAZombieOutlivesItsReply) {
  Request& request = make_request(1);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(request, refusal));
  const JobId id = request.jobs[0];
  settle(id, Outcome::kDropped, false);
  take();
  ASSERT_EQ(answered_.size(), 1U);
  EXPECT_EQ(table_->living_count(), 1U);
  EXPECT_EQ(table_->inputs(id).size(), 2U) << "its batch still reads";
  EXPECT_NE(table_->acquire(), &request) << "not handed out again yet";
  table_->forget(id);
  take();
  EXPECT_EQ(table_->living_count(), 0U);
  EXPECT_EQ(table_->acquire(), &request);
  EXPECT_EQ(answered_.size(), 1U) << "answered once";
}

TEST_F(RequestTableTest, JobsThatWereNeverReleasedAreRetracted) {
  Request& request = make_request(3);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(request, refusal));
  table_->retract(request, 1, Outcome::kRejected, Reason::kOverloaded);
  EXPECT_EQ(table_->living_count(), 1U);
  EXPECT_EQ(request.unsettled_count, 1U);
  EXPECT_EQ(request.settled[2].reason, Reason::kOverloaded);
  settle(request.jobs[0], Outcome::kOnTime);
  take();
  EXPECT_EQ(answered_.size(), 1U);
}

TEST_F(RequestTableTest, ABurstOfSettlementsWakesOnce) {
  Request& request = make_request(4);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(request, refusal));
  for (const JobId id : request.jobs) settle(id, Outcome::kOnTime);
  EXPECT_EQ(wakes_, 1);
  take();
  EXPECT_EQ(answered_.size(), 1U);
  Request& next = make_request(1);
  ASSERT_TRUE(table_->admit(next, refusal));
  table_->set_awake(true);  // as around a release that may run inline
  settle(next.jobs[0], Outcome::kOnTime);
  EXPECT_EQ(wakes_, 1) << "the network thread is awake: it looks by itself";
  take();
  EXPECT_EQ(answered_.size(), 2U);
}

TEST_F(RequestTableTest, TheEnginesWordsTravelWithAFailedJobOnly) {
  Request& failed = make_request(1);
  Request& fine = make_request(1);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(failed, refusal));
  ASSERT_TRUE(table_->admit(fine, refusal));
  const std::string words(1000, 'w');
  table_->note_error(failed.jobs[0], words);
  table_->note_error(fine.jobs[0], "of no importance");
  settle(failed.jobs[0], Outcome::kFailed);
  settle(fine.jobs[0], Outcome::kLate);
  std::vector<std::string> said;
  table_->take_settled([&](Request& request) {
    said.push_back(request.words);
    request.client = nullptr;
  });
  ASSERT_EQ(said.size(), 2U);
  EXPECT_FALSE(said[0].empty());
  EXPECT_EQ(words.substr(0, said[0].size()), said[0]);
  EXPECT_EQ(said[1], "");
}

TEST_F(RequestTableTest, ARequestWhoseClientHasGoneIsReusedWhenItsJobsEnd) {
  Request& request = make_request(2);
  Reason refusal = Reason::kNone;
  ASSERT_TRUE(table_->admit(request, refusal));
  request.client = nullptr;
  for (const JobId id : request.jobs) settle(id, Outcome::kCancelled);
  take();
  EXPECT_TRUE(answered_.empty());
  EXPECT_EQ(table_->acquire(), &request);
}

TEST_F(RequestTableTest, MemoryKeptByIdleRequestsIsBounded) {
  Request& request = make_request(1);
  ASSERT_TRUE(request.body.reserve(4096));
  table_->recycle(&request);
  EXPECT_EQ(table_->budget().used(), 4096U) << "a small one is kept";
  RequestTable large(limits_, std::size_t{100} << 20, [] {});
  Request* big = large.acquire();
  ASSERT_TRUE(big->body.reserve(std::size_t{5} << 20));
  large.recycle(big);
  EXPECT_EQ(large.budget().used(), 0U) << "a large one goes back";
  EXPECT_FALSE(large.acquire()->body.reserve(std::size_t{101} << 20)) << "beyond the budget";
}

// Settlements come from other threads while the network thread takes them: none is lost, none comes twice.
TEST_F(RequestTableTest, SettlementsFromAnotherThread) {
  constexpr int kRounds = 20000;
  Limits limits;
  limits.queue_length_max = 8;
  std::atomic<std::uint64_t> posted{0}, stop{0};
  RequestTable table(limits, std::size_t{1} << 20, [] {});
  table.set_awake(true);
  std::thread strand([&] {
    std::uint64_t last = 0;
    while (stop.load() == 0) {
      const std::uint64_t id = posted.load(std::memory_order_acquire);
      if (id == last) {
        std::this_thread::yield();
        continue;
      }
      last = id;
      SettleJob settled;
      settled.job = static_cast<JobId>(id);
      settled.is_last = (id >> kJobSlotBits) % 3 != 0;
      table.settle(settled);
      if (!settled.is_last) table.forget(settled.job);
    }
  });
  int answered = 0;
  Reason refusal = Reason::kNone;
  for (int round = 0; round < kRounds; ++round) {
    Request* request = table.acquire();
    request->codec = &codec_;
    request->client = this;
    request->decoded.batch_size = 1;
    request->decoded.inputs.assign(2, {});
    ASSERT_TRUE(table.admit(*request, refusal));
    posted.store(static_cast<std::uint64_t>(request->jobs[0]), std::memory_order_release);
    const int before = answered;
    while (answered == before || table.living_count() > 0) {
      table.take_settled([&](Request& done) {
        EXPECT_EQ(&done, request);
        done.client = nullptr;
        ++answered;
      });
      std::this_thread::yield();
    }
  }
  stop = 1;
  strand.join();
  EXPECT_EQ(answered, kRounds);
}

}  // namespace
}  // namespace laxity
