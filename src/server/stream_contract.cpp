#include "server/stream_contract.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/nearest.h"
#include "server/json_reading.h"

namespace laxity {
namespace {

namespace dom = simdjson::dom;

/// So many frames can be numbered.
constexpr std::uint64_t kFrameCountMax = std::uint64_t{1} << 32;

std::string milliseconds_text(Duration value) {
  char digits[32];
  const double ms = static_cast<double>(value.count()) / 1e6;
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, ms).ptr);
}

/// A number of milliseconds in [least, kStreamTimeMax].
Result<Duration> milliseconds_of(dom::element element, std::string_view key, Duration least) {
  const std::string what =
      "a number from " + milliseconds_text(least) + " to " + milliseconds_text(kStreamTimeMax) + " (a day)";
  double value = 0;
  if (element.get(value) != simdjson::SUCCESS) return expected(key, what, element);
  const double ns = std::round(value * 1e6);
  if (!std::isfinite(value) || ns < static_cast<double>(least.count()) ||
      ns > static_cast<double>(kStreamTimeMax.count())) {
    return invalid_argument(std::string(key) + ": expected " + what + ", found " + std::to_string(value));
  }
  return Duration(static_cast<std::int64_t>(ns));
}

template <typename T, std::size_t kCount>
Result<T> word_of(dom::element element, std::string_view key, const std::array<T, kCount>& known) {
  Result<std::string_view> text = string_of(element, key);
  if (!text) return text.error();
  std::array<std::string_view, kCount> names;
  for (std::size_t i = 0; i < kCount; ++i) {
    names[i] = name(known[i]);
    if (*text == names[i]) return known[i];
  }
  std::string list;
  for (const std::string_view one : names) list += (list.empty() ? "" : ", ") + std::string(one);
  return invalid_argument(std::string(key) + ": expected one of " + list + ", found " + quoted(*text) +
                          "; did you mean '" + nearest(*text, names) + "'?");
}

constexpr std::array kKinds = {JobKind::kFirm, JobKind::kSoft, JobKind::kBestEffort};
constexpr std::array kGuarantees = {Guarantee::kNone, Guarantee::kNominal, Guarantee::kPlanRolling,
                                    Guarantee::kPlan, Guarantee::kDemand};

}  // namespace

struct StreamDecoder::State {
  std::span<const std::unique_ptr<ModelCodec>> models;
  dom::parser parser;

  // Of the contract being decoded; absent: not said.
  struct Said {
    std::optional<std::string_view> model, variant;
    std::optional<Duration> period, jitter, deadline, start_in, response_time;
    std::optional<std::uint64_t> frames;
    std::optional<JobKind> kind;
    std::optional<Guarantee> guarantee;
  };

  Status read(std::string_view key, dom::element value, Said& said);
  Result<const ModelCodec*> find_model(const Said& said) const;
  static Result<std::uint32_t> find_variant(const LoadedModel& model, std::string_view variant);
  Result<StreamAsk> contract_of(const Said& said) const;
};

StreamDecoder::StreamDecoder(std::span<const std::unique_ptr<ModelCodec>> models)
    : state_(std::make_unique<State>()) {
  state_->models = models;
}
StreamDecoder::~StreamDecoder() = default;

Result<StreamAsk> StreamDecoder::decode(std::span<const std::byte> body) {
  const auto top = object_of(state_->parser, reinterpret_cast<const char*>(body.data()), body.size(), "body");
  if (!top) return top.error();
  State::Said said;
  for (const auto [key, value] : *top) {
    if (Status status = state_->read(key, value, said); !status) return status.error();
  }
  return state_->contract_of(said);
}

Status StreamDecoder::State::read(std::string_view key, dom::element value, Said& said) {
  // A key that is said twice leaves open which one was meant.
  const auto put = [&](auto& target, auto result) -> Status {
    if (!result) return result.error();
    if (target) return invalid_argument(std::string(key) + ": expected once, found twice");
    target = *result;
    return Unit{};
  };
  if (key == "model") return put(said.model, string_of(value, key));
  if (key == "lowest_variant") return put(said.variant, string_of(value, key));
  if (key == "period_ms") return put(said.period, milliseconds_of(value, key, kStreamPeriodMin));
  if (key == "jitter_ms") return put(said.jitter, milliseconds_of(value, key, Duration::zero()));
  if (key == "deadline_ms") return put(said.deadline, milliseconds_of(value, key, Duration(1)));
  if (key == "response_time_ms") return put(said.response_time, milliseconds_of(value, key, Duration(1)));
  if (key == "start_in_ms") return put(said.start_in, milliseconds_of(value, key, Duration::zero()));
  if (key == "kind") return put(said.kind, word_of(value, key, kKinds));
  if (key == "guarantee") return put(said.guarantee, word_of(value, key, kGuarantees));
  if (key == "frames") {
    if (value.is_null()) return Unit{};  // as in our own answers: endless
    std::uint64_t count = 0;
    if (value.get(count) != simdjson::SUCCESS || count == 0 || count > kFrameCountMax) {
      return expected(key, "an integer from 1 to 4294967296, or null for an endless stream", value);
    }
    return put(said.frames, Result<std::uint64_t>(count));
  }
  return unknown_key("body", key,
                     {"model", "period_ms", "jitter_ms", "deadline_ms", "start_in_ms", "frames", "kind",
                      "lowest_variant", "guarantee", "response_time_ms"});
}

Result<const ModelCodec*> StreamDecoder::State::find_model(const Said& said) const {
  if (!said.model) return invalid_argument("body: expected the key 'model', found none");
  std::vector<std::string_view> names;
  for (const std::unique_ptr<ModelCodec>& codec : models) {
    if (codec->model().name == *said.model) return codec.get();
    names.push_back(codec->model().name);
  }
  std::string message = "model: no such model: " + quoted(*said.model);
  if (!names.empty()) message += "; did you mean '" + nearest(*said.model, names) + "'?";
  return not_found(std::move(message));
}

Result<std::uint32_t> StreamDecoder::State::find_variant(const LoadedModel& model, std::string_view variant) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    if (model.variants[i].name == variant) return static_cast<std::uint32_t>(i);
    names.push_back(model.variants[i].name);
  }
  return invalid_argument("lowest_variant: model '" + model.name + "' has no variant " + quoted(variant) +
                          "; did you mean '" + nearest(variant, names) + "'?");
}

Result<StreamAsk> StreamDecoder::State::contract_of(const Said& said) const {
  const auto codec = find_model(said);
  if (!codec) return codec.error();
  if (!said.period) return invalid_argument("body: expected the key 'period_ms', found none");
  StreamAsk ask;
  ask.codec = *codec;
  ask.start_in = said.start_in;
  Task& task = ask.task;
  task.model = ask.codec->model().id;
  task.lowest_variant = ask.codec->variant();
  if (said.variant) {
    const auto variant = find_variant(ask.codec->model(), *said.variant);
    if (!variant) return variant.error();
    task.lowest_variant = *variant;
  }
  task.kind = said.kind.value_or(JobKind::kFirm);
  task.min_inter_arrival = *said.period;
  task.release_jitter_max = said.jitter.value_or(*said.period / 10);
  task.relative_deadline = said.deadline.value_or(*said.period);
  // A shorter bound than the deadline is promised by keeping a shorter deadline.
  if (said.response_time) {
    if (*said.response_time > task.relative_deadline) {
      return invalid_argument("response_time_ms: expected at most the deadline, " +
                              milliseconds_text(task.relative_deadline) + ", found " +
                              milliseconds_text(*said.response_time));
    }
    task.relative_deadline = *said.response_time;
  }
  task.frame_count = said.frames;
  task.guarantee = said.guarantee.value_or(Guarantee::kNone);
  if (task.kind == JobKind::kBestEffort && task.guarantee != Guarantee::kNone) {
    return invalid_argument(std::string("guarantee: expected none for a best-effort stream, found ") +
                            name(task.guarantee));
  }
  return ask;
}

std::string stream_name(TaskId id) { return "s-" + std::to_string(static_cast<std::uint32_t>(id)); }

std::optional<TaskId> stream_id(std::string_view name) noexcept {
  if (!name.starts_with("s-")) return std::nullopt;
  name.remove_prefix(2);
  if (name.empty() || (name.size() > 1 && name.front() == '0')) return std::nullopt;
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return static_cast<TaskId>(id);
}

bool is_at_least(Guarantee given, Guarantee asked) noexcept {
  const auto strength = [](Guarantee guarantee) {
    for (std::size_t i = 0; i < kGuarantees.size(); ++i) {
      if (kGuarantees[i] == guarantee) return i;
    }
    return std::size_t{0};
  };
  return strength(given) >= strength(asked);
}

}  // namespace laxity
