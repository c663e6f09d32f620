// The parts that policies are made of, each against something slow and obvious; and the registry.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "base/rng.h"
#include "policy/category_queues.h"
#include "policy/job_heaps.h"
#include "policy/job_queue.h"
#include "policy/registry.h"

namespace laxity {
namespace {

struct Key {
  std::int64_t value = 0;
  JobIndex job = 0;
  auto operator<=>(const Key&) const = default;
};

TEST(JobHeaps, AgreesWithOrderedSetsUnderRandomUse) {
  constexpr std::uint32_t kSlots = 50;
  constexpr std::size_t kHeaps = 3;
  Rng rng(1);
  JobHeaps<Key> heaps(kSlots, kHeaps);
  std::vector<std::set<Key>> sets(kHeaps);
  std::map<JobIndex, std::pair<std::size_t, Key>> where;
  for (int step = 0; step < 200'000; ++step) {
    const auto job = static_cast<JobIndex>(rng.uniform(0, kSlots - 1));
    if (const auto found = where.find(job); found != where.end()) {
      ASSERT_TRUE(heaps.contains(job));
      heaps.erase(job);
      sets[found->second.first].erase(found->second.second);
      where.erase(found);
    } else {
      const auto heap = static_cast<std::size_t>(rng.uniform(0, kHeaps - 1));
      const Key key{rng.uniform(0, 20), job};
      heaps.push(job, key, heap);
      sets[heap].insert(key);
      where[job] = {heap, key};
    }
    for (std::size_t heap = 0; heap < kHeaps; ++heap) {
      ASSERT_EQ(heaps.size(heap), sets[heap].size());
      if (sets[heap].empty()) continue;
      ASSERT_EQ(heaps.top_key(heap), *sets[heap].begin());
    }
  }
}

TEST(JobQueue, AgreesWithAnOrderedSetUnderRandomUse) {
  constexpr std::uint32_t kSlots = 300;
  Rng rng(1);
  JobQueue<Key> queue(kSlots);
  std::set<Key> set;
  for (int step = 0; step < 200'000; ++step) {
    const auto job = static_cast<JobIndex>(rng.uniform(0, kSlots - 1));
    if (queue.contains(job)) {
      ASSERT_EQ(set.erase(queue.key(job)), 1u);
      queue.erase(job);
    } else {
      const Key key{rng.uniform(0, 50), job};
      queue.push(job, key);
      set.insert(key);
    }
    ASSERT_EQ(queue.size(), set.size());
    if (set.empty()) continue;
    ASSERT_EQ(queue.top_key(), *set.begin());
    ASSERT_EQ(queue.top(), set.begin()->job);
  }
}

TEST(JobQueue, PushingTwiceAndTakingFromEmptyAreBugs) {
  JobQueue<Key> queue(4);
  EXPECT_DEATH(queue.top(), "check failed");
  EXPECT_DEATH(queue.erase(2), "check failed");
  queue.push(2, {1, 2});
  EXPECT_DEATH(queue.push(2, {1, 2}), "check failed");
}

TEST(JobHeaps, AscendingAndDescendingInsertionsLeaveInOrder) {
  for (const bool ascending : {true, false}) {
    JobHeaps<Key> heap(1000, 1);
    for (JobIndex i = 0; i < 1000; ++i) heap.push(i, {ascending ? i : 1000 - i, i});
    std::int64_t last = -1;
    while (!heap.empty()) {
      ASSERT_GT(heap.top_key().value, last);
      last = heap.top_key().value;
      heap.pop();
    }
  }
}

TEST(JobHeaps, PushingTwiceAndTakingFromEmptyAreBugs) {
  JobHeaps<Key> heap(4, 1);
  EXPECT_DEATH(heap.top(), "check failed");
  EXPECT_DEATH(heap.erase(2), "check failed");
  heap.push(2, {1, 2});
  EXPECT_DEATH(heap.push(2, {1, 2}), "check failed");
}

TEST(CategoryQueues, KnowsTheFirstOverallAndElsewhere) {
  CategoryQueues<Key> queues(8, 3);
  EXPECT_EQ(queues.top_key_elsewhere(CategoryId{0}), std::nullopt);
  queues.push(0, {5, 0}, CategoryId{0});
  queues.push(1, {3, 1}, CategoryId{0});
  queues.push(2, {4, 2}, CategoryId{2});
  EXPECT_EQ(queues.top(), 1u);
  EXPECT_EQ(queues.top_key_elsewhere(CategoryId{0})->value, 4);
  EXPECT_EQ(queues.top_key_elsewhere(CategoryId{1})->value, 3);
  queues.erase(1);
  EXPECT_EQ(queues.top(), 2u);
  EXPECT_EQ(queues.top(CategoryId{0}), 0u);
  queues.erase(2);
  EXPECT_EQ(queues.top_key_elsewhere(CategoryId{0}), std::nullopt);
  EXPECT_EQ(queues.top(), 0u);
}

TEST(Registry, MakesEachPolicyThatItLists) {
  EXPECT_GE(policies().size(), 5u);
  for (const PolicyInfo& info : policies()) {
    auto made = make_policy(info.name, {});
    ASSERT_TRUE(made) << info.name;
    EXPECT_EQ((*made)->name(), info.name);
    EXPECT_FALSE(info.summary.empty() || info.source.empty() || info.cost.empty());
    for (const PolicyOption& option : info.options) {
      EXPECT_TRUE(option.minimum <= option.default_value && option.default_value <= option.maximum)
          << option.name;
      EXPECT_TRUE(make_policy(info.name, {{std::string(option.name), option.maximum}})) << option.name;
    }
  }
}

TEST(Registry, UnknownPolicyNamesTheNearest) {
  const auto made = make_policy("depert", {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kNotFound);
  EXPECT_NE(made.error().message.find("did you mean 'deeprt'"), std::string::npos) << made.error().message;
}

TEST(Registry, UnknownOptionNamesTheNearest) {
  const auto made = make_policy("deeprt", {{"early_baching", 1}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kNotFound);
  EXPECT_NE(made.error().message.find("did you mean 'early_batching'"), std::string::npos)
      << made.error().message;
}

TEST(Registry, ValueOutOfRangeSaysTheRange) {
  const auto made = make_policy("deeprt", {{"early_batching", 3}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(made.error().message.find("expected 0 to 2, found 3"), std::string::npos) << made.error().message;
}

TEST(Registry, OptionOfAPolicyWithoutAny) {
  const auto made = make_policy("fifo", {{"size", 3}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace laxity
