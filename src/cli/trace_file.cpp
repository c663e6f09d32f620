#include "cli/trace_file.h"

#include <cstdio>
#include <string_view>

#include "live/steady_clock.h"

namespace laxity {

Result<TraceFile> open_trace(const std::string& path, const char* driver, const SystemModel& system,
                             const std::string& policy, const PolicyOptions& options,
                             const MachineInfo& machine, std::uint32_t size_max_mb) {
  TraceFile file;
  if (path.empty()) return file;
  const bool is_live = std::string_view(driver) == "live";
  TraceHeader header;
  header.driver = driver;
  header.machine = machine;
  // A simulation's bytes depend on its seed alone.
  header.wall_clock_zero_ns = is_live ? SteadyClock().wall_clock_zero_ns() : 0;
  header.policy = policy;
  header.policy_options = options;
  header.system = system;
  JsonlSinkOptions sink_options;
  sink_options.path = path;
  sink_options.size_max = std::uint64_t{size_max_mb} << 20;
  sink_options.synchronous = !is_live;
  auto sink = JsonlSink::open(sink_options, header);
  if (!sink) return sink.error();
  file.sink_ = std::move(*sink);
  file.path_ = path;
  return file;
}

Status TraceFile::close() {
  if (!sink_) return Unit{};
  const TraceCounters counters = sink_->close();
  sink_.reset();
  if (counters.has_write_error) {
    return failed_precondition(path_ + ": could not be written to the end (disk full?); " +
                               std::to_string(counters.dropped) + " events are missing");
  }
  if (counters.dropped > 0) {
    std::fprintf(stderr, "laxity: %s: %llu events were dropped; it cannot be replayed\n", path_.c_str(),
                 static_cast<unsigned long long>(counters.dropped));
  }
  return Unit{};
}

}  // namespace laxity
