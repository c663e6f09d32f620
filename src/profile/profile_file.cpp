#include "profile/profile_file.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/limits.h"

namespace laxity {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "laxity.profile/1";
constexpr double kMicrosecondsMax = 3.6e9;  // an hour: nothing that is longer is a batch
constexpr std::uint64_t kEntriesMax = 100'000;

double microseconds(Duration d) { return static_cast<double>(d.count()) / 1000.0; }

Json batch_json(const ProfiledBatch& e) {
  return {{"model", e.model},
          {"variant", e.variant},
          {"stage", e.stage},
          {"shape", e.shape},
          {"batch", e.batch_size},
          {"p50_us", microseconds(e.time.p50)},
          {"p99_us", microseconds(e.time.p99)},
          {"max_us", microseconds(e.time.max)},
          {"samples", e.time.samples},
          {"after_idle_p99_us", microseconds(e.time.after_idle_p99)}};
}

/// Reads fields and keeps the first complaint, so that a reader can be written straight through.
class Fields {
 public:
  Fields(const Json& json, std::string where, Error& error)
      : json_(json), where_(std::move(where)), error_(error) {
    if (!json_.is_object()) complain("expected an object, found " + std::string(json_.type_name()));
  }

  std::string text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return complain(expected("a string", key, *value)), std::string();
    return value->get<std::string>();
  }
  /// Missing is zero unless `required`.
  Duration time_us(const char* key, bool required) {
    const Json* value = find(key, required);
    if (value == nullptr) return {};
    if (!value->is_number()) return complain(expected("a number of microseconds", key, *value)), Duration{};
    const double us = value->get<double>();
    if (!(us >= 0 && us <= kMicrosecondsMax)) {
      return complain(expected("microseconds from 0 to 3.6e9", key, *value)), Duration{};
    }
    return Duration(static_cast<std::int64_t>(std::ceil(us * 1000.0 - 1e-6)));  // costs round up
  }
  std::uint64_t count(const char* key, std::uint64_t minimum, std::uint64_t maximum, bool required = true) {
    const Json* value = find(key, required);
    if (value == nullptr) return minimum;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < minimum ||
        value->get<std::uint64_t>() > maximum) {
      complain(expected("an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum), key,
                        *value));
      return minimum;
    }
    return value->get<std::uint64_t>();
  }
  const Json* find(const char* key, bool required = true) {
    if (json_.is_object()) {
      if (const auto it = json_.find(key); it != json_.end()) return &*it;
    }
    if (required) complain("expected the field '" + std::string(key) + "', found none");
    return nullptr;
  }
  void complain(const std::string& message) {
    if (error_.message.empty()) error_ = invalid_argument(where_ + ": " + message);
  }

 private:
  static std::string expected(const std::string& what, const char* key, const Json& found) {
    return "expected " + what + " for '" + key + "', found " +
           found.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 64);
  }

  const Json& json_;
  std::string where_;
  Error& error_;
};

ExecutionTime read_time(Fields& fields) {
  ExecutionTime time;
  time.p50 = fields.time_us("p50_us", true);
  time.p99 = fields.time_us("p99_us", true);
  time.max = fields.time_us("max_us", false);
  time.after_idle_p99 = fields.time_us("after_idle_p99_us", false);
  time.samples = fields.count("samples", 0, UINT64_MAX / 2, false);
  if (time.p99 <= Duration::zero() || time.p50 > time.p99) {
    fields.complain("expected 0 < p99_us and p50_us <= p99_us, found p50 " +
                    std::to_string(microseconds(time.p50)) + ", p99 " +
                    std::to_string(microseconds(time.p99)));
  }
  time.max = std::max(time.max, time.p99);
  return time;
}

/// Calls `read(fields, element)` for each element of the array under `key`; missing counts as empty.
template <typename Read>
void each(Fields& root, const char* key, std::string_view origin, Error& error, bool required, Read&& read) {
  const Json* list = root.find(key, required);
  if (list == nullptr) return;
  if (!list->is_array() || list->size() > kEntriesMax) {
    root.complain("expected '" + std::string(key) + "' to be an array of at most " +
                  std::to_string(kEntriesMax));
    return;
  }
  std::size_t i = 0;
  for (const Json& element : *list) {
    Fields fields(element, std::string(origin) + ": " + key + "[" + std::to_string(i++) + "]", error);
    if (!error.message.empty()) return;
    read(fields, element);
  }
}

}  // namespace

std::string to_json(const Profile& profile) {
  Json execution = Json::array(), segments = Json::array(), slowdown = Json::array();
  for (const ProfiledBatch& e : profile.execution) execution.push_back(batch_json(e));
  for (const ProfiledSegment& e : profile.segments) {
    segments.push_back({{"model", e.model},
                        {"segment", name(e.kind)},
                        {"p50_us", microseconds(e.time.p50)},
                        {"p99_us", microseconds(e.time.p99)},
                        {"max_us", microseconds(e.time.max)},
                        {"samples", e.time.samples}});
  }
  for (const ProfiledSlowdown& e : profile.slowdown) {
    slowdown.push_back({{"of", e.of}, {"beside", e.beside}, {"factor", static_cast<double>(e.factor) / 1e6}});
  }
  const Json document = {{"schema", kSchema},
                         {"machine", {{"cpu", profile.machine.cpu}, {"cores", profile.machine.cores}}},
                         {"engine", profile.machine.engine},
                         {"made_at", profile.made_at},
                         {"source", profile.source},
                         {"overheads_us",
                          {{"dispatch", microseconds(profile.overheads.dispatch)},
                           {"wake_p50", microseconds(profile.wake_p50)},
                           {"wake_p99", microseconds(profile.overheads.wake_p99)},
                           {"reply_p99", microseconds(profile.overheads.reply_p99)}}},
                         {"execution", execution},
                         {"segments", segments},
                         {"slowdown", slowdown}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Profile> parse_profile(std::string_view text, std::string_view origin) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded())
    return invalid_argument(std::string(origin) + ": expected a JSON profile, found no JSON");
  Error error{ErrorCode::kInvalidArgument, {}};
  Fields root(json, std::string(origin), error);
  const std::string schema = root.text("schema");
  if (error.message.empty() && schema != kSchema) {
    root.complain("expected schema '" + std::string(kSchema) + "', found '" + schema + "'");
  }
  Profile profile;
  if (const Json* machine = root.find("machine")) {
    Fields fields(*machine, std::string(origin) + ": machine", error);
    profile.machine.cpu = fields.text("cpu");
    profile.machine.cores = static_cast<std::uint32_t>(fields.count("cores", 0, 65536));
  }
  profile.machine.engine = root.text("engine");
  profile.made_at = root.text("made_at");
  profile.source = root.text("source");
  profile.machine.emulated = profile.source != "measured";
  if (const Json* overheads = root.find("overheads_us")) {
    Fields fields(*overheads, std::string(origin) + ": overheads_us", error);
    profile.overheads.dispatch = fields.time_us("dispatch", true);
    profile.overheads.wake_p99 = fields.time_us("wake_p99", true);
    profile.overheads.reply_p99 = fields.time_us("reply_p99", true);
    profile.wake_p50 = fields.time_us("wake_p50", false);
  }
  each(root, "execution", origin, error, true, [&](Fields& fields, const Json& element) {
    ProfiledBatch e;
    e.model = fields.text("model");
    e.variant = fields.text("variant");
    e.stage = static_cast<std::uint32_t>(fields.count("stage", 0, 1024));
    e.batch_size = static_cast<std::uint32_t>(fields.count("batch", 1, kBatchSizeMax));
    if (const auto shape = element.find("shape"); shape != element.end() && shape->is_array()) {
      for (const Json& d : *shape) {
        if (d.is_number_integer()) e.shape.push_back(d.get<std::int64_t>());
      }
    }
    e.time = read_time(fields);
    profile.execution.push_back(std::move(e));
  });
  each(root, "segments", origin, error, false, [&](Fields& fields, const Json&) {
    ProfiledSegment e;
    e.model = fields.text("model");
    const std::string kind = fields.text("segment");
    if (kind != "preprocess" && kind != "postprocess") {
      fields.complain("expected segment 'preprocess' or 'postprocess', found '" + kind + "'");
    }
    e.kind = kind == "postprocess" ? SegmentKind::kPostprocess : SegmentKind::kPreprocess;
    e.time = read_time(fields);
    profile.segments.push_back(std::move(e));
  });
  each(root, "slowdown", origin, error, false, [&](Fields& fields, const Json& element) {
    ProfiledSlowdown e{fields.text("of"), fields.text("beside"), kFactorOne};
    const auto factor = element.find("factor");
    if (factor == element.end() || !factor->is_number() ||
        !(factor->get<double>() >= 1 && factor->get<double>() <= 1000)) {
      fields.complain("expected a 'factor' from 1 to 1000");
    } else {
      e.factor = static_cast<FactorPpm>(std::ceil(factor->get<double>() * 1e6 - 1e-3));
    }
    profile.slowdown.push_back(std::move(e));
  });
  if (!error.message.empty()) return error;
  return profile;
}

Result<Profile> read_profile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return not_found(path + ": cannot be read; make a profile with `laxity profile --out " + path + "`");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_profile(text.str(), path);
}

Status write_profile(const Profile& profile, const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path target(path);
  if (target.has_parent_path()) std::filesystem::create_directories(target.parent_path(), ignored);
  const std::string temporary = path + ".part" + std::to_string(getpid());
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << to_json(profile);
    if (!file.flush()) return failed_precondition(path + ": the profile cannot be written");
  }
  std::error_code failure;
  std::filesystem::rename(temporary, target, failure);
  if (failure) return failed_precondition(path + ": the profile cannot be written: " + failure.message());
  return Unit{};
}

}  // namespace laxity
