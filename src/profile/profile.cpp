#include "profile/profile.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace laxity {
namespace {

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3u;  // FNV-1a
  }
  return (hash ^ 0xffu) * 0x100000001b3u;  // so that "ab","c" and "a","bc" differ
}

}  // namespace

Status check_machine(const Profile& profile, const MachineInfo& machine) {
  if (profile.source != "measured") return Unit{};
  const MachineInfo& then = profile.machine;
  if (then.cpu != machine.cpu || then.cores != machine.cores) {
    return failed_precondition("the profile was measured on '" + then.cpu + "' with " +
                               std::to_string(then.cores) + " cores, this machine is '" + machine.cpu +
                               "' with " + std::to_string(machine.cores) +
                               ": make one here with `laxity profile`");
  }
  if (then.engine != machine.engine) {
    return failed_precondition("the profile was measured with " + then.engine + ", this engine is " +
                               machine.engine + ": make one anew with `laxity profile`");
  }
  return Unit{};
}

Result<LatencyTable> to_table(const Profile& profile, const Catalog& catalog) {
  LatencyTable table;
  table.overheads = profile.overheads;
  for (const ProfiledBatch& entry : profile.execution) {
    const auto category =
        catalog.find_category(entry.model + "/" + entry.variant + "/" + std::to_string(entry.stage));
    if (category) table.set(*category, entry.batch_size, entry.time);
  }
  for (const ProfiledSegment& entry : profile.segments) {
    if (const auto model = catalog.find_model(entry.model)) table.set_segment(*model, entry.kind, entry.time);
  }
  for (std::size_t i = 0; i < catalog.categories.size(); ++i) {
    const auto id = static_cast<CategoryId>(i);
    if (table.batch_size_max(id) == 0) {
      return failed_precondition("the profile holds no time for " + catalog.category_name(id) +
                                 ": make one of these networks with `laxity profile`");
    }
  }
  return table;
}

SlowdownTable to_slowdown(const Profile& profile, const Catalog& catalog) {
  SlowdownTable table;
  for (const ProfiledSlowdown& entry : profile.slowdown) {
    const auto of = catalog.find_category(entry.of), beside = catalog.find_category(entry.beside);
    if (of && beside) table.set(*of, *beside, entry.factor);
  }
  return table;
}

Result<SystemModel> emulated_system(const Profile& profile, const std::string& device) {
  struct Sketch {
    Model model;
    std::vector<std::uint32_t> stage_counts;  // by variant
    std::uint32_t batch_size_max = 1;
  };
  std::vector<Sketch> sketches;
  for (const ProfiledBatch& entry : profile.execution) {
    auto sketch = std::find_if(sketches.begin(), sketches.end(),
                               [&](const Sketch& one) { return one.model.name == entry.model; });
    if (sketch == sketches.end()) {
      sketch = sketches.insert(sketch, Sketch{});
      sketch->model.name = entry.model;
    }
    auto& variants = sketch->model.variants;
    const auto variant = std::find_if(variants.begin(), variants.end(),
                                      [&](const Variant& one) { return one.name == entry.variant; });
    const auto place = static_cast<std::size_t>(variant - variants.begin());
    if (variant == variants.end()) {
      variants.push_back({entry.variant, {}});
      sketch->stage_counts.push_back(0);
    }
    std::uint32_t& count = sketch->stage_counts[place];
    if (entry.stage > count) {
      return invalid_argument("the profile holds stage " + std::to_string(entry.stage) + " of " +
                              entry.model + "/" + entry.variant + ": expected stage " +
                              std::to_string(count) + " before it");
    }
    count = std::max(count, entry.stage + 1);
    sketch->batch_size_max = std::max(sketch->batch_size_max, entry.batch_size);
  }
  if (sketches.empty()) return invalid_argument("expected execution times of some network, found none");
  SystemModel system;
  for (Sketch& sketch : sketches) {
    for (const ProfiledSegment& segment : profile.segments) {
      const bool is_decoding = segment.kind == SegmentKind::kPreprocess;
      if (is_decoding && segment.model == sketch.model.name) sketch.model.has_preprocess = true;
    }
    system.catalog.add_model(std::move(sketch.model), sketch.stage_counts, sketch.batch_size_max);
  }
  auto table = to_table(profile, system.catalog);
  if (!table) return table.error();
  system.table = std::move(*table);
  system.executors.push_back({device, ExecutorKind::kEmulated, true, true});
  return system;
}

std::string default_profile_path(const MachineInfo& machine, const std::vector<std::string>& graph_files) {
  std::uint64_t hash = mix(mix(0xcbf29ce484222325u, machine.cpu), machine.engine);
  hash = mix(hash, std::to_string(machine.cores));
  for (const std::string& file : graph_files) {
    struct stat info {};
    if (stat(file.c_str(), &info) != 0) info = {};
    hash = mix(hash, file);
    hash = mix(hash, std::to_string(info.st_size) + " " + std::to_string(info.st_mtim.tv_sec));
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (cache != nullptr && *cache != '\0') {
    folder = cache;
  } else if (home != nullptr && *home != '\0') {
    folder = std::string(home) + "/.cache";
  } else {
    folder = "/tmp";  // no home: nothing better is known to be writable
  }
  char name[64];
  std::snprintf(name, sizeof name, "/laxity/profile-%016llx.json", static_cast<unsigned long long>(hash));
  return folder + name;
}

}  // namespace laxity
