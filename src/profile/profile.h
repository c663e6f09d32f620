// How long everything takes on one machine with one engine: the measured table and where it came from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/catalog.h"
#include "core/latency_table.h"
#include "core/slowdown_table.h"
#include "core/system_model.h"
#include "trace/results.h"

namespace laxity {

/// Execution time of one category at one batch size; names, so that a file outlives a catalog's numbering.
struct ProfiledBatch {
  std::string model, variant;
  std::uint32_t stage = 0;
  std::vector<std::int64_t> shape;  ///< Of the stage's first input, without the batch.
  std::uint32_t batch_size = 1;
  ExecutionTime time;
};
struct ProfiledSegment {
  std::string model;
  SegmentKind kind = SegmentKind::kPreprocess;
  ExecutionTime time;
};
struct ProfiledSlowdown {
  std::string of, beside;  ///< Category names, "cifar10/full/0".
  FactorPpm factor = kFactorOne;
};

struct Profile {
  MachineInfo machine;
  std::string made_at;              ///< Wall-clock time, ISO 8601, UTC.
  std::string source = "measured";  ///< Or where a table comes from: "DeepRT table 1 and figure 2".
  Overheads overheads;
  Duration wake_p50{};  ///< Typical cost of waking another core; `overheads.wake_p99` is its bound.
  std::vector<ProfiledBatch> execution;
  std::vector<ProfiledSegment> segments;
  std::vector<ProfiledSlowdown> slowdown;
};

/// Errors: kFailedPrecondition: measured on another machine or with another engine; says which and what to
/// do. Tables that were not measured (`source`) are for emulated accelerators and fit any machine.
Status check_machine(const Profile& profile, const MachineInfo& machine);

/// What of the profile concerns the catalog. Entries of models that are not in the catalog are left out.
/// Errors: kFailedPrecondition: a category of the catalog has no entry: the profile is of other networks.
Result<LatencyTable> to_table(const Profile& profile, const Catalog& catalog);
SlowdownTable to_slowdown(const Profile& profile, const Catalog& catalog);

/// The networks that the profile names, on one emulated device that runs one batch at a time: no files and no
/// tensors, for planning and simulation. Models and variants in order of appearance; the first stage is the
/// mandatory one. Errors: kInvalidArgument: it names no network, or a stage whose predecessor is missing.
Result<SystemModel> emulated_system(const Profile& profile, const std::string& device);

/// Where this machine's profile of these networks is kept: "$XDG_CACHE_HOME/laxity/profile-<hash>.json" (or
/// ~/.cache). The hash covers machine, engine and the networks' names, sizes and times of change.
std::string default_profile_path(const MachineInfo& machine, const std::vector<std::string>& graph_files);

}  // namespace laxity
