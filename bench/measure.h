// Small tools that the measuring programs share: a clock, percentiles, placement, flags, lines of a report.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace laxity::bench {

/// Monotonic.
std::int64_t now_ns();
/// Processor time of the calling thread.
std::int64_t thread_cpu_ns();

/// Keeps the calling thread on `core` (negative: anywhere) with timers without slack. False: refused.
bool pin_this_thread(int core);

/// By nearest rank; 0 <= p <= 100. Sorts. Zero for no samples.
double percentile(std::vector<double>& samples, double p);
double median(std::vector<double>& samples);

/// `--name value` and `--name` flags. An unknown flag ends the program with the list of known ones.
class Flags {
 public:
  /// `known`: name to help text, "=DEFAULT" first for those that take a value: {"--minutes", "=10 how long"}.
  Flags(int argc, char** argv, const std::map<std::string, std::string>& known);
  std::string text(const std::string& name) const;
  double number(const std::string& name) const;
  bool has(const std::string& name) const { return given_.contains(name); }

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, std::string> given_;
};

/// Prints the machine and the command, as the first lines of every report.
void print_machine(int argc, char** argv);

/// One number asked for and what was reached, as a line that people and scripts read:
///   "asked  <= 30 us above echo + engine     reached 21.4 us     met"
void print_asked(std::string_view what, std::string_view asked, std::string_view reached, bool is_met);

/// snprintf into a string.
__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...);

}  // namespace laxity::bench
