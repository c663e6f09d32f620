#include "cli/config.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/nearest.h"
#include "base/toml_reader.h"

namespace laxity {
namespace {

constexpr std::uint32_t kSlotsMax = 16;

/// Assigns `*value` to `target` when the key was there.
template <typename Target, typename Value>
void take(Target& target, const std::optional<Value>& value) {
  if (value) target = static_cast<Target>(*value);
}

void read_http(TomlTable& root, ServeConfig::Http& http) {
  TomlTable* table = root.table("http");
  if (table == nullptr) return;
  take(http.address, table->string("address"));
  take(http.port, table->integer("port", 0, 65535));
  take(http.body_size_max_mb, table->integer("body_size_max_mb", 1, 4096));
  take(http.connections_max, table->integer("connections_max", 1, 65536));
}

void read_limits(TomlTable& root, ServeConfig& config) {
  TomlTable* table = root.table("limits");
  if (table == nullptr) return;
  take(config.limits.queue_length_max, table->integer("queue_length_max", 1, 1 << 20));
  take(config.limits.batch_size_max, table->integer("batch_size_max", 1, kBatchSizeMax));
  take(config.limits.streams_max, table->integer("streams_max", 1, 65536));
  take(config.limits.plan_frames_max, table->integer("plan_frames_max", 1, 1 << 22));
  take(config.stream_idle_s, table->integer("stream_idle_s", 1, 86'400));
  take(config.trace_size_max_mb, table->integer("trace_size_max_mb", 1, 1 << 20));
}

void read_threads(TomlTable& root, ServeConfig::Threads& threads) {
  TomlTable* table = root.table("threads");
  if (table == nullptr) return;
  take(threads.busy_poll, table->boolean("busy_poll"));
  take(threads.executor_spin_us, table->integer("executor_spin_us", 0, 1'000'000));
  take(threads.inline_execution_max_us, table->integer("inline_execution_max_us", 0, 1'000'000));
  take(threads.realtime_priority, table->integer("realtime_priority", 0, 99));
  take(threads.network_core, table->integer("network_core", -1, 4095));
}

void read_policy_options(TomlTable& root, PolicyOptions& options) {
  TomlTable* table = root.table("policy_options");
  if (table == nullptr) return;
  for (const std::string& key : table->keys()) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (const auto value = table->integer(key, -kMax, kMax)) options[key] = *value;
  }
}

ExecutorConfig read_executor(TomlTable& table, std::size_t number) {
  ExecutorConfig executor;
  executor.name = table.string("name").value_or("executor" + std::to_string(number));
  const std::string kind = table.string("kind").value_or("cpu");
  constexpr std::string_view kKinds[] = {"cpu", "cuda", "emulated"};
  const auto* known = std::find(std::begin(kKinds), std::end(kKinds), kind);
  if (known == std::end(kKinds)) {
    table.complain("kind", "expected cpu, cuda or emulated, found '" + kind + "'; did you mean '" +
                               nearest(kind, kKinds) + "'?");
  } else {
    executor.kind = static_cast<ExecutorKind>(known - std::begin(kKinds));
  }
  for (const std::int64_t core : table.integers("cores", 0, 4095))
    executor.cores.push_back(static_cast<int>(core));
  take(executor.slots, table.integer("slots", 1, kSlotsMax));
  take(executor.segments_only, table.boolean("segments_only"));
  take(executor.table, table.string("table"));
  if (executor.kind == ExecutorKind::kEmulated && executor.table.empty()) {
    table.complain("kind", "an emulated executor needs `table`, the profile whose times it takes");
  }
  if (executor.kind != ExecutorKind::kEmulated && !executor.table.empty()) {
    table.complain("table", "only an emulated executor takes its times from a table; this one is " + kind);
  }
  return executor;
}

}  // namespace

ServeConfig default_config(std::uint32_t core_count) {
  ServeConfig config;
  const std::uint32_t executors = std::max(1U, core_count > 1 ? core_count - 1 : 1U);
  for (std::uint32_t i = 0; i < executors; ++i) {
    ExecutorConfig executor;
    executor.name = "cpu" + std::to_string(i);
    executor.cores = {core_count > 1 ? static_cast<int>(i + 1) : 0};
    config.executors.push_back(std::move(executor));
  }
  return config;
}

Result<ServeConfig> parse_config(std::string_view text, std::string_view origin, std::uint32_t core_count) {
  auto parsed = TomlTable::parse(text, origin);
  if (!parsed) return parsed.error();
  TomlTable& root = *parsed;

  ServeConfig config = default_config(core_count);
  config.origin = std::string(origin);
  take(config.models, root.string("models"));
  take(config.policy, root.string("policy"));
  take(config.profile, root.string("profile"));
  if (const auto bound = root.string("planning_bound")) {
    if (*bound == "max") {
      config.planning_bound = PlanningBound::kMax;
    } else if (*bound != "p99") {
      root.complain("planning_bound", "expected \"p99\" or \"max\", found \"" + *bound + "\"");
    }
  }
  read_http(root, config.http);
  read_limits(root, config);
  read_threads(root, config.threads);
  read_policy_options(root, config.policy_options);
  const std::vector<TomlTable*> executors = root.tables("executor");
  if (!executors.empty()) config.executors.clear();
  for (TomlTable* table : executors)
    config.executors.push_back(read_executor(*table, config.executors.size()));
  const bool runs_batches = std::any_of(config.executors.begin(), config.executors.end(),
                                        [](const ExecutorConfig& e) { return !e.segments_only; });
  if (!runs_batches)
    root.complain("executor", "expected at least one executor that runs batches, found only segments_only");

  if (Status status = root.finish(); !status) return status.error();
  if (auto policy = make_policy(config.policy, config.policy_options); !policy) {
    return Error{policy.error().code, std::string(origin) + ": " + policy.error().message};
  }
  return config;
}

Result<ServeConfig> read_config(const std::string& path, std::uint32_t core_count) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": cannot be read; give an existing file with --config");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_config(text.str(), path, core_count);
}

}  // namespace laxity
