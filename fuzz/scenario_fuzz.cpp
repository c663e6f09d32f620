// Scenarios from hostile files, in both forms. What was read is within its bounds; short text ones are run.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sim/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A folder that does not exist: trace files are another input, not this one's.
  const auto scenario = laxity::parse_scenario(text, "fuzz.scenario", "no-such-folder/");
  if (!scenario) {
    LAXITY_CHECK(!scenario.error().message.empty());
    return 0;
  }
  if (const auto* toml = std::get_if<laxity::Scenario>(&*scenario)) {
    LAXITY_CHECK(toml->tasks.size() <= laxity::kScenarioTasksMax);
    LAXITY_CHECK(toml->duration >= laxity::Duration::zero());
    return 0;
  }
  const auto& timed = std::get<laxity::TextScenario>(*scenario);
  if (timed.jobs.size() > 32) return 0;  // an input should take microseconds
  const auto found = laxity::run_text_scenario(timed);
  if (found) (void)laxity::updated(timed, *found);
  return 0;
}
