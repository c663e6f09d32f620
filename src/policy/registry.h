// Policies by name: what `laxity policies` prints and `--policy` accepts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"

namespace laxity {

/// One option of a policy, with its default.
struct PolicyOption {
  std::string_view name;
  std::int64_t default_value = 0;
  std::int64_t minimum = 0;
  std::int64_t maximum = 0;
  std::string_view meaning;
};

struct PolicyInfo {
  std::string_view name;
  std::string_view summary;  ///< One sentence: what it does and where its guarantee ends.
  std::string_view source;   ///< The paper, or "baseline".
  std::string_view cost;     ///< Bound of one decision.
  std::span<const PolicyOption> options;
};

/// Option values by name; durations are integer microseconds with `_us` at the end of the name, switches 0 or
/// 1.
using PolicyOptions = std::map<std::string, std::int64_t, std::less<>>;

std::span<const PolicyInfo> policies();

/// Errors: kNotFound (unknown policy or option: the message names the nearest), kInvalidArgument (out of
/// range).
Result<std::unique_ptr<Policy>> make_policy(std::string_view name, const PolicyOptions& options);

}  // namespace laxity
