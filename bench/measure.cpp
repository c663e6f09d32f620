#include "bench/measure.h"

#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "trace/results.h"

namespace laxity::bench {
namespace {

std::int64_t read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

std::int64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }
std::int64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

bool pin_this_thread(int core) {
  prctl(PR_SET_TIMERSLACK, 1UL);
  if (core < 0) return true;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  return sched_setaffinity(0, sizeof cores, &cores) == 0;
}

double percentile(std::vector<double>& samples, double p) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const double rank = std::ceil(p / 100 * static_cast<double>(samples.size()));
  const auto place = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return samples[std::min(place, samples.size() - 1)];
}

double median(std::vector<double>& samples) { return percentile(samples, 50); }

Flags::Flags(int argc, char** argv, const std::map<std::string, std::string>& known) {
  const auto complain = [&](const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", argv[0], what.c_str());
    for (const auto& [name, help] : known) std::fprintf(stderr, "  %s %s\n", name.c_str(), help.c_str());
    std::exit(2);
  };
  for (const auto& [name, help] : known) {
    if (help.starts_with('=')) values_[name] = help.substr(1, help.find(' ') - 1);
  }
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (!known.contains(name)) complain("unknown flag '" + name + "'; known are");
    if (!values_.contains(name)) {
      given_[name] = "";
      continue;
    }
    if (++i == argc) complain(name + ": expected a value, found none; flags are");
    given_[name] = values_[name] = argv[i];
  }
}

std::string Flags::text(const std::string& name) const { return values_.at(name); }

double Flags::number(const std::string& name) const {
  const std::string& value = values_.at(name);
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (end == value.c_str() || *end != '\0') {
    std::fprintf(stderr, "%s: expected a number, found '%s'\n", name.c_str(), value.c_str());
    std::exit(2);
  }
  return number;
}

void print_machine(int argc, char** argv) {
  const MachineInfo machine = this_machine();
  std::string command;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    command += (i == 0 ? word.substr(word.rfind('/') + 1) : " " + word);
  }
  std::printf("# %s\n# %s, %u cores\n", command.c_str(), machine.cpu.c_str(), machine.cores);
  std::fflush(stdout);
}

void print_asked(std::string_view what, std::string_view asked, std::string_view reached, bool is_met) {
  std::printf("%-58.*s asked %-22.*s reached %-22.*s %s\n", static_cast<int>(what.size()), what.data(),
              static_cast<int>(asked.size()), asked.data(), static_cast<int>(reached.size()), reached.data(),
              is_met ? "met" : "NOT MET");
  std::fflush(stdout);
}

std::string format(const char* pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  char text[512];
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

}  // namespace laxity::bench
