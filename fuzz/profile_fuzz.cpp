// Profiles from hostile files: read or refused, and what was read can be written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "profile/profile_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto profile = laxity::parse_profile(text, "fuzz.json");
  if (!profile) return 0;
  const std::string written = laxity::to_json(*profile);
  const auto again = laxity::parse_profile(written, "again.json");
  LAXITY_CHECK(again.has_value() && laxity::to_json(*again) == written);
  return 0;
}
