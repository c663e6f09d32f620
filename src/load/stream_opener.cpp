#include "load/stream_opener.h"

#include <algorithm>
#include <utility>

#include "load/http_connection.h"
#include "sim/contract.h"

namespace laxity {
namespace {

constexpr Duration kPatience = 10s;      // for one verdict: searches take their time on a busy machine
constexpr Duration kHeadStartMin = 2ms;  // from now to a first frame that can still be promised

/// Begins the stream with the first frame that is still to come.
void skip_passed_frames(TaskSpec& spec, Instant now) {
  const Duration behind = now + kHeadStartMin - first_release(spec);
  if (behind <= Duration::zero()) return;
  const std::int64_t passed = (behind + spec.period - 1ns) / spec.period;
  spec.phase += passed * spec.period;
  if (spec.frames) *spec.frames -= std::min(*spec.frames, static_cast<std::uint64_t>(passed));
}

}  // namespace

StreamOpener::~StreamOpener() { close_all(); }

Result<StreamReply> StreamOpener::ask(TaskSpec& spec, Duration duration) {
  StreamWish wish;
  wish.model = spec.model;
  wish.lowest_variant = spec.lowest_variant;
  wish.kind = spec.kind;
  wish.guarantee = spec.guarantee;
  wish.period = spec.period;
  wish.jitter = spec.jitter + margin_;
  wish.deadline = spec.deadline->minimum - margin_;
  if (wish.deadline <= Duration::zero()) {
    return invalid_argument("task '" + spec.name + "': expected a deadline beyond the client's margin of " +
                            std::to_string(margin_ / 1us) + " us, found less");
  }
  if (spec.arrival == Arrival::kPeriodic) {
    skip_passed_frames(spec, clock_.now());
    wish.start_in = first_release(spec) - clock_.now();
  }
  if (spec.frames) wish.frames = frames_within(spec, duration);
  if (wish.frames == 0u) return StreamReply{};  // nothing is left to send
  auto answer = http_call(endpoint_, "POST", "/v2/streams", stream_wish_json(wish), kPatience);
  if (!answer) return answer.error();
  auto reply = read_stream_reply(answer->status, answer->body);
  if (!reply) return Error{reply.error().code, "task '" + spec.name + "': " + reply.error().message};
  if (reply->is_admitted) open_.push_back(reply->stream);
  return reply;
}

Result<OpenedStream> StreamOpener::open(const TaskSpec& asked, Duration duration) {
  OpenedStream opened;
  opened.spec = asked;
  auto reply = ask(opened.spec, duration);
  if (!reply) return reply.error();
  TaskVerdict& verdict = opened.verdict;
  // What was offered is asked for a little later, when the server may be fuller: then what it offers next is.
  for (int taken = 0; !reply->is_admitted; ++taken) {
    verdict.refusal = reply->reason;
    // An offer that gives no more time than was asked for is none, whatever the server means by it.
    const bool is_later =
        reply->deadline_offer && *reply->deadline_offer + margin_ > opened.spec.deadline->minimum;
    const bool is_slower = reply->period_offer && *reply->period_offer > opened.spec.period;
    verdict.deadline_offer = is_later ? std::optional(*reply->deadline_offer + margin_) : std::nullopt;
    verdict.period_offer = is_slower ? reply->period_offer : std::nullopt;
    if (asked.on_refusal != OnRefusal::kTakeOffer || taken == kOffersTakenMax ||
        !take_offer(opened.spec, verdict.deadline_offer, verdict.period_offer)) {
      break;
    }
    verdict.took_offer = true;
    reply = ask(opened.spec, duration);
    if (!reply) return reply.error();
  }
  verdict.took_offer = verdict.took_offer && reply->is_admitted;
  verdict.answer = reply->is_admitted ? TaskAnswer::kAdmitted : TaskAnswer::kRefused;
  verdict.guarantee = reply->guarantee;
  if (reply->response_time_bound) verdict.response_time_bound = *reply->response_time_bound + margin_;
  opened.stream = reply->stream;
  return opened;
}

StreamTally StreamOpener::close_all() {
  StreamTally sum;
  for (const std::string& stream : std::exchange(open_, {})) {
    const auto answer = http_call(endpoint_, "DELETE", "/v2/streams/" + stream, "", kPatience);
    if (!answer || answer->status != 200) continue;
    const StreamTally one = read_stream_tally(answer->body);
    sum.breaches += one.breaches;
    sum.too_fast += one.too_fast;
    sum.promises_lost += one.promises_lost;
  }
  return sum;
}

}  // namespace laxity
