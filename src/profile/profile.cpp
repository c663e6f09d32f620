#include "profile/profile.h"

#include <sys/stat.h>

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
