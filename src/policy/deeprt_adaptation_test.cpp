// DeepRT's Adaptation Module, number by number.
#include "policy/deeprt_adaptation.h"

#include <gtest/gtest.h>

namespace laxity {
namespace {

using Reach = DeepRtAdaptation::Reach;
using Shape = DeepRtAdaptation::Shape;

/// Variants "small" (2 ms) and "large" (three stages of 4 ms, one mandatory); a batch of n takes n times
/// that.
SystemModel two_variants() {
  SystemModel system;
  Model model;
  model.name = "m";
  model.variants = {{"small", {}}, {"large", {}}};
  const ModelId id = system.catalog.add_model(std::move(model), {1, 3}, 4);
  const auto measure = [&](std::uint32_t variant, std::uint32_t n, Duration time) {
    for (const CategoryId stage : system.catalog.model(id).variants[variant].stages) {
      system.table.set(stage, n, {time, time, time, time, 1});
    }
  };
  for (std::uint32_t n = 1; n <= 4; ++n) {
    if (n <= 2) measure(0, n, n * 2ms);
    measure(1, n, n * 4ms);
  }
  system.executors.push_back({"cpu", ExecutorKind::kCpu, true, true});
  return system;
}

DeepRtAdaptation adaptation(const SystemModel& system, Reach reach) {
  return {system, reach, {system.catalog.models[0].variants[1].stages[0]}};
}

TEST(DeepRtAdaptation, AnOverrunTakesAnOptionalStageAwayUntilItsTimeIsPaidBack) {
  const SystemModel system = two_variants();
  DeepRtAdaptation module = adaptation(system, Reach::kStages);
  EXPECT_EQ(module.shape(0, 1), (Shape{1, 3}));
  module.batch_done(0, {1, 3}, 1, 0, 15ms);  // the table says 12
  EXPECT_EQ(module.penalty(0), 3ms);
  EXPECT_EQ(module.shape(0, 1), (Shape{1, 2}));
  module.batch_done(0, {1, 2}, 1, 0, 10ms);  // 8: 2 over, and 12 - 10 saved
  EXPECT_EQ(module.penalty(0), 3ms);
  EXPECT_EQ(module.shape(0, 1), (Shape{1, 1}));  // one step an overrun
  module.batch_done(0, {1, 1}, 1, 0, 4ms);       // 8 saved
  EXPECT_EQ(module.penalty(0), 0ms);
  EXPECT_EQ(module.shape(0, 1), (Shape{1, 3}));  // back to full at once
}

TEST(DeepRtAdaptation, AtTheTableOrBelowNothingChanges) {
  const SystemModel system = two_variants();
  DeepRtAdaptation module = adaptation(system, Reach::kVariants);
  module.batch_done(0, {1, 3}, 2, 0, 24ms);
  module.batch_done(0, {1, 3}, 2, 0, 1ms);
  EXPECT_EQ(module.shape(0, 2), (Shape{1, 3}));
  EXPECT_EQ(module.penalty(0), 0ms);
}

TEST(DeepRtAdaptation, CheaperVariantsFollowOnlyWhereTheyAreAllowed) {
  const SystemModel system = two_variants();
  for (const Reach reach : {Reach::kOff, Reach::kStages, Reach::kVariants}) {
    DeepRtAdaptation module = adaptation(system, reach);
    for (int i = 0; i < 5; ++i) module.batch_done(0, {1, 3}, 1, 0, 100ms);
    const Shape smallest = reach == Reach::kOff      ? Shape{1, 3}
                           : reach == Reach::kStages ? Shape{1, 1}
                                                     : Shape{0, 1};
    EXPECT_EQ(module.shape(0, 1), smallest);
  }
}

// The small variant was measured up to two frames: a batch of three takes the step before it.
TEST(DeepRtAdaptation, BatchThatIsTooLargeForTheStepTakesTheOneBefore) {
  const SystemModel system = two_variants();
  DeepRtAdaptation module = adaptation(system, Reach::kVariants);
  for (int i = 0; i < 5; ++i) module.batch_done(0, {1, 3}, 1, 0, 100ms);
  EXPECT_EQ(module.shape(0, 2), (Shape{0, 1}));
  EXPECT_EQ(module.shape(0, 3), (Shape{1, 1}));
}

TEST(DeepRtAdaptation, DispatchIsNoPartOfWhatIsCompared) {
  SystemModel system = two_variants();
  system.table.overheads.dispatch = 1ms;
  DeepRtAdaptation module = adaptation(system, Reach::kStages);
  module.batch_done(0, {1, 3}, 1, 0, 12ms);
  EXPECT_EQ(module.shape(0, 1), (Shape{1, 3}));
  module.batch_done(0, {1, 3}, 1, 0, 12ms + 1ns);
  EXPECT_EQ(module.penalty(0), 1ns);
  EXPECT_EQ(module.shape(0, 1), (Shape{1, 2}));
}

}  // namespace
}  // namespace laxity
