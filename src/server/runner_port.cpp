// The live driver as the server's event port: its state for people.
#include "server/runner_port.h"

#include "server/json_writer.h"

namespace laxity {
namespace {

void append_key(std::string& out, std::string_view key) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += key;
  out += "\":";
}

template <typename T>
void append_count(std::string& out, std::string_view key, T value) {
  append_key(out, key);
  append_json_number(out, value);
}

void append_time(std::string& out, std::string_view key, std::optional<Instant> at) {
  if (!at) return;
  append_key(out, key);
  append_json_milliseconds(out, at->since_start());
}

void append_executor(std::string& out, const Executor& executor, const LiveState::ExecutorState& state,
                     const Catalog& catalog) {
  out += '{';
  append_key(out, "name");
  append_json_string(out, executor.name);
  append_key(out, "kind");
  append_json_string(out, name(executor.kind));
  append_key(out, "state");
  out += state.is_lost ? "\"lost\"" : state.batch ? "\"running\"" : "\"idle\"";
  if (state.batch) append_count(out, "batch", static_cast<std::uint64_t>(*state.batch));
  if (state.category) {
    append_key(out, "category");
    append_json_string(out, catalog.category_name(*state.category));
  }
  if (state.batch) append_count(out, "jobs", state.job_count);
  append_time(out, "start_ms", state.start);
  append_time(out, "planned_finish_ms", state.planned_finish);
  out += '}';
}

}  // namespace

std::string RunnerPort::state_json() {
  const LiveState state = runner_.state();
  std::string out = "{";
  append_time(out, "now_ms", state.now);
  append_key(out, "policy");
  append_json_string(out, state.policy);
  append_count(out, "jobs", state.job_count);
  append_count(out, "waiting_for_segment", state.waiting_for_segment);
  append_key(out, "ready");
  out += '{';
  for (std::size_t i = 0; i < state.ready.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, system_.catalog.category_name(static_cast<CategoryId>(i)));
    out += ':';
    append_json_number(out, state.ready[i]);
  }
  out += '}';
  append_key(out, "executors");
  out += '[';
  for (std::size_t i = 0; i < state.executors.size() && i < system_.executors.size(); ++i) {
    if (i > 0) out += ',';
    append_executor(out, system_.executors[i], state.executors[i], system_.catalog);
  }
  out += ']';
  append_time(out, "timer_ms", state.timer);
  append_count(out, "released", state.scheduler.released);
  append_key(out, "settled");
  out += '{';
  for (int i = 0; i < kOutcomeCount; ++i) {
    append_count(out, name(static_cast<Outcome>(i)), state.scheduler.settled[i]);
  }
  out += '}';
  append_count(out, "events", state.scheduler.events);
  append_count(out, "batches", state.scheduler.batches);
  append_count(out, "batch_jobs", state.scheduler.batch_jobs);
  append_count(out, "refused", state.refused);
  append_count(out, "inline_batches", state.inline_batches);
  append_count(out, "executor_wakes", state.executor_wakes);
  append_count(out, "timer_wakes", state.timer_wakes);
  out += '}';
  return out;
}

}  // namespace laxity
