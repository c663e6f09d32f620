#include "policy/registry.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/nearest.h"
#include "policy/builtin.h"

namespace laxity {
namespace {

const auto& builtins() {
  static const std::array kBuiltins = {laxity_policy(), edf_policy(),   deeprt_policy(),      sedf_policy(),
                                       fifo_policy(),   batch_policy(), batch_delay_policy(), aimd_policy()};
  return kBuiltins;
}

std::string known_names(std::span<const std::string_view> names) {
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list.empty() ? "none" : list;
}

std::string unknown(std::string_view what, std::string_view found, std::span<const std::string_view> known) {
  std::string message =
      "expected " + std::string(what) + " (" + known_names(known) + "), found '" + std::string(found) + "'";
  if (const std::string near = nearest(found, known); !near.empty())
    message += "; did you mean '" + near + "'?";
  return message;
}

Result<PolicyOptions> complete(const PolicyInfo& info, const PolicyOptions& given) {
  std::vector<std::string_view> names;
  PolicyOptions all;
  for (const PolicyOption& option : info.options) {
    names.push_back(option.name);
    all.emplace(option.name, option.default_value);
  }
  for (const auto& [name, value] : given) {
    const auto known = std::find_if(info.options.begin(), info.options.end(),
                                    [&](const PolicyOption& option) { return option.name == name; });
    if (known == info.options.end()) {
      return not_found("policy '" + std::string(info.name) + "': " + unknown("an option", name, names));
    }
    if (value < known->minimum || value > known->maximum) {
      return invalid_argument("policy '" + std::string(info.name) + "', option '" + name + "': expected " +
                              std::to_string(known->minimum) + " to " + std::to_string(known->maximum) +
                              ", found " + std::to_string(value));
    }
    all[name] = value;
  }
  return all;
}

}  // namespace

std::span<const PolicyInfo> policies() {
  static const std::vector<PolicyInfo> kInfos = [] {
    std::vector<PolicyInfo> infos;
    for (const BuiltinPolicy& builtin : builtins()) infos.push_back(builtin.info);
    return infos;
  }();
  return kInfos;
}

Result<std::unique_ptr<Policy>> make_policy(std::string_view name, const PolicyOptions& options) {
  std::vector<std::string_view> names;
  for (const BuiltinPolicy& builtin : builtins()) {
    if (builtin.info.name == name) {
      Result<PolicyOptions> all = complete(builtin.info, options);
      if (!all) return all.error();
      return builtin.make(*all);
    }
    names.push_back(builtin.info.name);
  }
  return not_found(unknown("a policy", name, names));
}

}  // namespace laxity
