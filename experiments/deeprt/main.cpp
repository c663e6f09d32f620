// Prints the study's numbers as one JSON object; experiments/deeprt/run.sh makes the page of them.
//
//   deeprt_study [--seeds N] [--scale full|quick|tiny] [--shapes FILE] [--part NAME]…
//   deeprt_study --profile FILE      the emulated RTX 2080 as a profile, instead of the study
//
// --shapes: arrivals a second of a real request stream, one stretch a line; without it they are synthetic.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "experiments/deeprt/study.h"
#include "profile/profile_file.h"

namespace laxity::study {
namespace {

struct Part {
  const char* name;
  Json (*make)(const Scale& scale);
};
constexpr Part kParts[] = {
    {"device", [](const Scale&) { return device_check(); }},
    {"comparison", &comparison},
    {"comparison_variants", &comparison_variants},
    {"promises", &promises},
    {"imitator_errors", &imitator_errors},
    {"overruns", &overruns},
    {"first_refusals", &first_refusals},
    {"small_optima", &small_optima},
    {"admission_times", &admission_times},
};

int fail(const std::string& message) {
  std::cerr << "deeprt_study: " << message << "\n";
  return 2;
}

std::optional<Scale> scale_named(const std::string& name) {
  Scale scale;
  if (name == "full") return scale;
  if (name == "quick") {
    scale.seeds = 4;
    scale.frames_timed_max = 10'000;
    scale.optimum_seeds = 30;
    return scale;
  }
  if (name == "tiny") {
    scale.seeds = 2;
    scale.frames_per_video = 20;
    scale.frames_timed_max = 1'000;
    scale.optimum_seeds = 5;
    scale.horizon_s = 0.5;
    return scale;
  }
  return std::nullopt;
}

std::optional<ArrivalShapes> read_shapes(const std::string& path) {
  std::ifstream file(path);
  ArrivalShapes shapes;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::vector<double> counts;
    double total = 0;
    for (double count = 0; words >> count; total += count) counts.push_back(count);
    if (!words.eof() || !(total > 0)) return std::nullopt;
    shapes.push_back(std::move(counts));
  }
  if (shapes.empty()) return std::nullopt;
  return shapes;
}

int main_with(const std::vector<std::string>& arguments) {
  Scale scale;
  std::optional<std::uint64_t> seeds;
  std::set<std::string> parts;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) return fail("expected a value after '" + name + "'");
    const std::string& value = arguments[i + 1];
    if (name == "--scale") {
      const auto named = scale_named(value);
      if (!named) return fail("--scale: expected full, quick or tiny, found '" + value + "'");
      scale = *named;
    } else if (name == "--seeds") {
      std::uint64_t count = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
      if (error != std::errc() || end != value.data() + value.size() || count < 1 || count > 10'000)
        return fail("--seeds: expected a number from 1 to 10000, found '" + value + "'");
      seeds = count;
    } else if (name == "--shapes") {
      const auto shapes = read_shapes(value);
      if (!shapes) return fail("--shapes: expected lines of non-negative numbers in '" + value + "'");
      scale.shapes = *shapes;
    } else if (name == "--part") {
      const bool is_known = std::any_of(std::begin(kParts), std::end(kParts),
                                        [&](const Part& part) { return value == part.name; });
      if (!is_known) return fail("--part: expected a part of the study, found '" + value + "'");
      parts.insert(value);
    } else if (name == "--profile") {
      const Status written = write_profile(rtx2080_profile(), value);
      return written ? 0 : fail(written.error().message);
    } else {
      return fail("expected --scale, --seeds, --shapes, --part or --profile, found '" + name + "'");
    }
  }
  if (seeds) scale.seeds = *seeds;
  Json result = {{"schema", "laxity.deeprt-study/1"},
                 {"seeds", scale.seeds},
                 {"optimum_seeds", scale.optimum_seeds},
                 {"frames_per_video", scale.frames_per_video},
                 {"horizon_s", scale.horizon_s},
                 {"arrival_shapes", scale.shapes.empty() ? "synthetic" : "trace"}};
  for (const Part& part : kParts) {
    if (!parts.empty() && !parts.contains(part.name)) continue;
    std::cerr << "deeprt_study: " << part.name << "\n";
    result[part.name] = part.make(scale);
  }
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace laxity::study

int main(int argc, char** argv) {
  return laxity::study::main_with(std::vector<std::string>(argv + 1, argv + argc));
}
