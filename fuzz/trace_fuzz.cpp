// Any bytes as a trace: they are refused with words, or replayed. A line that decodes encodes to bytes that
// decode to the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "cli/replay.h"
#include "trace/codec.h"

namespace {

void check_round_trip(std::string_view line) {
  auto decoded = laxity::decode_trace_line(line);
  if (!decoded) {
    if (decoded.error().message.empty()) std::abort();
    return;
  }
  const auto* entry = std::get_if<laxity::TraceEntry>(&*decoded);
  if (entry == nullptr) return;
  std::string again;
  laxity::TraceEncoder(4).entry(entry->at, entry->event, entry->commands, again);
  again.pop_back();
  auto twice = laxity::decode_trace_line(again);
  if (!twice || !(std::get<laxity::TraceEntry>(*twice) == *entry)) std::abort();
}

// Tables are sized by the header; a gigabyte of them finds nothing that a few kilobytes do not.
bool is_small(const std::string& text) {
  auto first = laxity::decode_trace_line(std::string_view(text).substr(0, text.find('\n')));
  if (!first) return true;
  const auto* header = std::get_if<laxity::TraceHeader>(&*first);
  if (header == nullptr) return true;
  const laxity::Limits& limits = header->system.limits;
  return limits.queue_length_max <= 256 && limits.streams_max <= 256 && limits.plan_frames_max <= 4096;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) check_round_trip(line);
  if (!is_small(text)) return 0;
  std::istringstream trace(text);
  const auto report = laxity::replay_trace(trace, "input");
  if (!report && report.error().message.empty()) std::abort();
  return 0;
}
