// The policies of this build: what each file offers to the registry. Drivers see policy/registry.h only.
#pragma once

#include <memory>

#include "policy/policy.h"
#include "policy/registry.h"

namespace laxity {

/// A policy file's offer. `make` gets every option of `info`, defaults filled in and ranges checked.
struct BuiltinPolicy {
  PolicyInfo info;
  std::unique_ptr<Policy> (*make)(const PolicyOptions& options) = nullptr;
};

BuiltinPolicy laxity_policy();
BuiltinPolicy fifo_policy();
BuiltinPolicy edf_policy();
BuiltinPolicy deeprt_policy();
BuiltinPolicy batch_policy();
BuiltinPolicy batch_delay_policy();
BuiltinPolicy aimd_policy();
BuiltinPolicy sedf_policy();

/// The value of an option that `BuiltinPolicy::make` was promised.
inline std::int64_t option(const PolicyOptions& options, std::string_view name) {
  const auto found = options.find(name);
  LAXITY_CHECK(found != options.end());
  return found->second;
}

}  // namespace laxity
