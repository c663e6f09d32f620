// laxity policies: what each policy is, which paper, which options.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "policy/registry.h"

namespace laxity {
namespace {

void print_table() {
  for (const PolicyInfo& policy : policies()) {
    std::printf("%.*s\n  %.*s\n  source: %.*s\n  cost of a decision: %.*s\n",
                static_cast<int>(policy.name.size()), policy.name.data(),
                static_cast<int>(policy.summary.size()), policy.summary.data(),
                static_cast<int>(policy.source.size()), policy.source.data(),
                static_cast<int>(policy.cost.size()), policy.cost.data());
    for (const PolicyOption& option : policy.options) {
      std::printf("  option %.*s = %lld  [%lld … %lld]  %.*s\n", static_cast<int>(option.name.size()),
                  option.name.data(), static_cast<long long>(option.default_value),
                  static_cast<long long>(option.minimum), static_cast<long long>(option.maximum),
                  static_cast<int>(option.meaning.size()), option.meaning.data());
    }
    std::printf("\n");
  }
}

void print_json() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const PolicyInfo& policy : policies()) {
    nlohmann::ordered_json options = nlohmann::ordered_json::array();
    for (const PolicyOption& option : policy.options) {
      options.push_back({{"name", option.name},
                         {"default", option.default_value},
                         {"minimum", option.minimum},
                         {"maximum", option.maximum},
                         {"meaning", option.meaning}});
    }
    list.push_back({{"name", policy.name},
                    {"summary", policy.summary},
                    {"source", policy.source},
                    {"cost", policy.cost},
                    {"options", options}});
  }
  std::printf("%s\n", nlohmann::ordered_json{{"policies", list}}.dump().c_str());
}

}  // namespace

int run_policies(bool json) {
  json ? print_json() : print_table();
  return to_int(ExitStatus::kDone);
}

}  // namespace laxity
