// Profiles as JSON files, schema "laxity.profile/1" (docs/profile.md).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "profile/profile.h"

namespace laxity {

/// Same profile, same bytes.
std::string to_json(const Profile& profile);

/// Errors: kInvalidArgument: not JSON, another schema, a missing or wrong field; names file, field, expected,
/// found.
Result<Profile> parse_profile(std::string_view text, std::string_view origin);
/// Errors: kNotFound; as parse_profile.
Result<Profile> read_profile(const std::string& path);
/// Makes the folders that are missing; replaces the file in one step. Errors: kFailedPrecondition.
Status write_profile(const Profile& profile, const std::string& path);

}  // namespace laxity
