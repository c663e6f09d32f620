// The engine alone, on one core: what a batch costs by its size, stage by stage, and what binding buffers
// once saves. Then what the emulated accelerator promises and how far it is off.
//
//   engine_bench [--models models,tests/data/models/small] [--core 1] [--batch-max 32] [--runs 300]
//
// Columns: p50 and p99 of a run in microseconds, p50 per job, p50 of a batch of one whose input lies in the
// caller's memory ("outside"), p50 of the same runs with tensors and names made anew each time ("unbound").
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/emulated_engine.h"
#include "engine/engine.h"
#include "model/repository.h"

namespace laxity::bench {
namespace {

std::vector<std::byte> random_input(const TensorSpec& spec) {
  std::vector<std::byte> bytes(spec.size_per_job());
  std::uint32_t state = 1;
  for (std::size_t i = 0; spec.type == DataType::kFp32 && i < bytes.size(); i += sizeof(float)) {
    state = state * 1664525U + 1013904223U;
    const float value = static_cast<float>(state >> 8U) / static_cast<float>(1U << 23U) - 1.0F;
    std::memcpy(&bytes[i], &value, sizeof value);
  }
  return bytes;
}

struct Samples {
  std::vector<double> bound, outside, unbound;
};

void fill(StageRunner& runner, const std::vector<std::vector<std::byte>>& inputs, std::size_t batch_size) {
  for (std::size_t job = 0; job < batch_size; ++job) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::memcpy(runner.input(i, job).data(), inputs[i].data(), inputs[i].size());
    }
  }
}

double time_us(StageRunner& runner, std::size_t batch_size) {
  const std::int64_t start = now_ns();
  const Status status = runner.run(batch_size);
  const std::int64_t end = now_ns();
  if (!status) {
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    std::exit(1);
  }
  return static_cast<double>(end - start) / 1e3;
}

/// The three ways take turns, so that a busy spell of the machine falls on all of them.
Samples sample(StageRunner& bound, StageRunner& unbound, std::size_t batch_size, int runs) {
  std::vector<std::vector<std::byte>> inputs;
  for (const TensorSpec& input : bound.spec().inputs) inputs.push_back(random_input(input));
  fill(bound, inputs, batch_size);
  fill(unbound, inputs, batch_size);
  Samples samples;
  for (int i = 0; i < runs; ++i) {
    samples.bound.push_back(time_us(bound, batch_size));
    samples.unbound.push_back(time_us(unbound, batch_size));
    if (batch_size > 1) continue;
    const std::int64_t start = now_ns();
    for (std::size_t k = 0; k < inputs.size(); ++k) bound.bind_single_input(k, inputs[k]);
    const double binding_us = static_cast<double>(now_ns() - start) / 1e3;
    samples.outside.push_back(binding_us + time_us(bound, 1));
  }
  return samples;
}

void measure_stage(Engine& engine, const StageFile& stage, const std::string& name, std::size_t cap,
                   int runs) {
  const auto bound = std::move(engine.load(stage.path, {cap, true, true})).value();
  const auto unbound = std::move(engine.load(stage.path, {cap, true, false})).value();
  const std::size_t batch_size_max = stage.spec.batch_is_free ? cap : 1;
  for (std::size_t n = 1; n <= batch_size_max; n *= 2) {
    Samples samples = sample(*bound, *unbound, n, std::max(20, runs / static_cast<int>(n)));
    const double p50 = percentile(samples.bound, 50);
    const std::string outside = n == 1 ? format("%9.1f", percentile(samples.outside, 50)) : "        -";
    std::printf("%-24s %5zu %10.1f %10.1f %10.1f %s %9.1f\n", name.c_str(), n, p50,
                percentile(samples.bound, 99), p50 / static_cast<double>(n), outside.c_str(),
                percentile(samples.unbound, 50));
  }
}

void measure_folder(Engine& engine, const std::string& folder, std::size_t cap, int runs) {
  const Result<Repository> repository =
      Repository::load(folder, engine, static_cast<std::uint32_t>(std::min<std::size_t>(cap, 64)));
  if (!repository) {
    std::fprintf(stderr, "%s\n", repository.error().message.c_str());
    std::exit(2);
  }
  for (std::size_t c = 0; c < repository->catalog().categories.size(); ++c) {
    const auto id = static_cast<CategoryId>(c);
    measure_stage(engine, repository->stage(id), repository->catalog().category_name(id), cap, runs);
  }
}

/// How late runs of a set length return: the table's time is what is promised, the rest is error.
void measure_emulated(int runs) {
  for (const Duration time : {Duration(200us), Duration(2ms)}) {
    EmulatedOptions options;
    options.device = "bench";
    options.table.set(CategoryId{0}, 1, {time, time, time, time, 1});
    options.stages = {{"stage", CategoryId{0}, {}}};
    const auto engine = make_emulated_engine(std::move(options));
    const auto runner = std::move(engine->load("stage", {})).value();
    std::vector<double> late_us;
    for (int i = 0; i < runs; ++i) {
      late_us.push_back(time_us(*runner, 1) - static_cast<double>(time.count()) / 1e3);
    }
    const double p50 = percentile(late_us, 50), p99 = percentile(late_us, 99);
    std::printf("emulated run of %6.0f us    late by p50 %.1f us   p99 %.1f us\n",
                static_cast<double>(time.count()) / 1e3, p50, p99);
  }
}

int run(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"--models", "=" LAXITY_SOURCE_DIR "/models," LAXITY_SOURCE_DIR
                                  "/tests/data/models/small folders of models, with commas between"},
                     {"--core", "=1 where to run; -1: anywhere"},
                     {"--batch-max", "=32 largest batch"},
                     {"--runs", "=300 runs of a batch of one; larger ones get fewer"}});
  print_machine(argc, argv);
  if (!pin_this_thread(static_cast<int>(flags.number("--core"))))
    std::printf("# not pinned: the core is refused\n");
  const auto engine = make_ort_engine();
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.error().message.c_str());
    return 3;
  }
  std::printf("# %s, one thread\n", std::string((*engine)->version()).c_str());
  std::printf("%-24s %5s %10s %10s %10s %9s %9s\n", "stage", "batch", "p50", "p99", "per job", "outside",
              "unbound");
  std::istringstream folders(flags.text("--models"));
  for (std::string folder; std::getline(folders, folder, ',');) {
    measure_folder(**engine, folder, static_cast<std::size_t>(flags.number("--batch-max")),
                   static_cast<int>(flags.number("--runs")));
  }
  measure_emulated(static_cast<int>(flags.number("--runs")));
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
