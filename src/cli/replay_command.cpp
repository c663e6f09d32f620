// laxity replay: feeds a recorded run to a fresh scheduler and compares every command.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/replay.h"

namespace laxity {
namespace {

void print_words(const std::string& path, const ReplayReport& report) {
  std::printf("%s: %s run under %s, %llu events, %llu commands: ", path.c_str(), report.driver.c_str(),
              report.policy.c_str(), static_cast<unsigned long long>(report.events),
              static_cast<unsigned long long>(report.commands));
  if (!report.difference) {
    std::printf("replayed to identical decisions\n");
  } else {
    std::printf("differs at line %llu\n  expected %s\n  found    %s\n",
                static_cast<unsigned long long>(report.difference->line), report.difference->expected.c_str(),
                report.difference->found.c_str());
  }
  if (report.plans > 0) {
    std::printf("%llu plans were computed again, with equal hashes\n",
                static_cast<unsigned long long>(report.plans));
  }
  if (!report.end) std::printf("the recording does not say how it ended; all of its lines were compared\n");
}

void print_json(const ReplayReport& report) {
  nlohmann::ordered_json document = {{"driver", report.driver}, {"policy", report.policy},
                                     {"events", report.events}, {"commands", report.commands},
                                     {"plans", report.plans},   {"identical", !report.difference},
                                     {"difference", nullptr}};
  if (report.difference) {
    document["difference"] = {{"line", report.difference->line},
                              {"expected", report.difference->expected},
                              {"found", report.difference->found}};
  }
  std::printf("%s\n",
              document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace

int run_replay(const std::string& path, bool json) {
  const auto replayed = replay_trace_file(path);
  if (!replayed) return report(replayed.error());
  json ? print_json(*replayed) : print_words(path, *replayed);
  return to_int(replayed->difference ? ExitStatus::kNo : ExitStatus::kDone);
}

}  // namespace laxity
