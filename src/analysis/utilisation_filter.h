// DeepRT's phase 1: a fast filter that turns away what can never fit.  [Yang et al., SEC 2021]
//
// As published, per category with mean frames n_g = floor(Σ W_g / p_m) in a window: refuse if
// Σ E_g(n_g) / W_g > 1. The paper says that this never refuses what is feasible. It can, in two ways:
// execution times are concave, so windows of 2, 0, 2, 0 frames cost less than 1, 1, 1, 1; and a finite set
// may fit although its mean load is above one.
//
// Repaired (ours): no schedule can spend less than min over k of E_g(k) / k on a frame. Finite sets are
// refused if what is to be done, at that price, is more than the time that executors have until the last
// deadline; endless streams if their part costs more than all of the time for ever. Both are necessary
// conditions, so nothing that phase 2 accepts for ever is refused.
#pragma once

#include "analysis/batch_times.h"
#include "analysis/window_load.h"

namespace laxity {

/// True: pass on to phase 2. The mean of a window is exact up to 2^-40 of a frame, utilisations are rounded
/// down. Batches over the cap are charged as their parts. O(streams + lanes).
bool published_filter_passes(const WindowLoad& load, const BatchTimes& times);

/// True: pass on to phase 2. Necessary: false proves that some promised frame misses, whatever the order.
/// Only promised lanes count; all divisions round in favour of passing. O(streams + waiting + lanes · cap).
bool repaired_filter_passes(const WindowLoad& load, const BatchTimes& times);

}  // namespace laxity
