// --trace FILE of serve and simulate: an optional trace file with its header.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "core/system_model.h"
#include "policy/registry.h"
#include "trace/jsonl_sink.h"

namespace laxity {

class TraceFile {
 public:
  /// Null when no trace was asked for.
  TraceSink* sink() noexcept { return sink_.get(); }

  /// Writes what is left and says on standard error what was dropped. Errors: kFailedPrecondition: the disk
  /// was full.
  Status close();

 private:
  friend Result<TraceFile> open_trace(const std::string&, const char*, const SystemModel&, const std::string&,
                                      const PolicyOptions&, const MachineInfo&, std::uint32_t);
  std::unique_ptr<JsonlSink> sink_;
  std::string path_;
};

/// `path` empty: no trace. `driver`: "live" or "sim"; a simulation is recorded without dropping.
/// Errors: kFailedPrecondition: the file cannot be opened.
Result<TraceFile> open_trace(const std::string& path, const char* driver, const SystemModel& system,
                             const std::string& policy, const PolicyOptions& options,
                             const MachineInfo& machine, std::uint32_t size_max_mb);

}  // namespace laxity
