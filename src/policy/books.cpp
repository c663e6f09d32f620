#include "policy/books.h"

namespace laxity {

Duration Books::remaining(const JobEntry& entry, std::uint32_t up_to) const noexcept {
  const Variant& variant = system_.catalog.models[index(entry.job.model)].variants[entry.job.variant];
  Duration total{};
  for (std::uint32_t stage = entry.stages_done; stage < up_to; ++stage) {
    total += system_.planned(variant.stages[stage], 1, 0);
  }
  if (entry.encoded) total += system_.table.segment(entry.job.model, SegmentKind::kPreprocess).p99;
  return total;
}

}  // namespace laxity
