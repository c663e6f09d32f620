#include "sim/command_hash.h"

namespace laxity {
namespace {

std::uint64_t bits(Duration d) { return static_cast<std::uint64_t>(d.count()); }
template <typename Id>
std::uint64_t bits_of(Id id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace

void CommandHash::add(Instant now, const Command& command) noexcept {
  word(bits(now.since_start()));
  word(command.index());
  std::visit([this](const auto& c) { fold(c); }, command);
}

void CommandHash::fold(const AnswerTask& c) noexcept {
  word(bits_of(c.task));
  word(c.admitted);
  word(bits_of(c.reason));
  word(bits(c.response_time_bound.value_or(Duration(-1))));
  word(bits_of(c.guarantee));
  word(c.guaranteed_until ? bits(c.guaranteed_until->since_start()) : 1);
  word(c.is_provisional);
  word(c.failing_task ? bits_of(*c.failing_task) : ~std::uint64_t{0});
  word(c.failing_at ? bits(c.failing_at->since_start()) : 1);
  word(bits(c.deadline_offer.value_or(Duration(-1))));
  word(bits(c.period_offer.value_or(Duration(-1))));
}
void CommandHash::fold(const StartSegment& c) noexcept {
  word(bits_of(c.job));
  word(bits_of(c.executor));
}
void CommandHash::fold(const StartBatch& c) noexcept {
  word(bits_of(c.batch));
  word(bits_of(c.executor));
  word(bits_of(c.category));
  word(bits(c.planned));
  for (const JobId job : c.jobs) word(bits_of(job));
}
void CommandHash::fold(const TerminateBatch& c) noexcept {
  word(bits_of(c.batch));
  word(bits_of(c.executor));
}
void CommandHash::fold(const SettleJob& c) noexcept {
  word(bits_of(c.job));
  word(bits_of(c.outcome));
  word(bits_of(c.reason));
  word(c.exit_count);
  word(c.confidence);
  word(bits(c.queue_time));
  word(bits(c.execution_time));
  word(c.batch_size);
  word(bits(c.slack.value_or(Duration::max())));
  word(c.is_last);
  if (c.frame) word(*c.frame);
  if (c.variant) word(std::uint64_t{*c.variant} + (std::uint64_t{1} << 32));  // never a frame's number
}
void CommandHash::fold(const ForgetJob& c) noexcept { word(bits_of(c.job)); }
void CommandHash::fold(const SetTimer& c) noexcept { word(bits(c.at.since_start())); }
void CommandHash::fold(const ComputePlan& c) noexcept {
  word(bits_of(c.plan));
  word(c.node_budget);
}

}  // namespace laxity
