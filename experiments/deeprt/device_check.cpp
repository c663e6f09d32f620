#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

// Figure 3 of the paper, read by eye: four frames in flight as one batch (C1B4) and as four instances of the
// network (C4B1), milliseconds.
constexpr double kOneBatchOfFour[] = {8.0, 12.5, 17.2, 13.5, 15.9, 14.7};
constexpr double kFourInstances[] = {12.5, 23.7, 34, 16.3, 19.3, 31};

}  // namespace

Json device_check() {
  Json networks = Json::array();
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const double alone = table1_ms(i, std::nullopt);
    const double beside_itself = table1_ms(i, i) / alone;
    networks.push_back({{"network", network_name(i)},
                        {"alone_ms", alone},
                        {"batch4_model_ms", median_ms(i, {}, 4)},
                        {"batch4_paper_ms", kOneBatchOfFour[i]},
                        {"batch16_ms", median_ms(i, {}, 16)},
                        {"four_instances_sum_ms", alone * (1 + 3 * (beside_itself - 1))},
                        {"four_instances_product_ms", alone * beside_itself * beside_itself * beside_itself},
                        {"four_instances_paper_ms", kFourInstances[i]},
                        {"at_480x854_ms", median_ms(i, {480, 854}, 1)},
                        {"at_1080x1920_ms", median_ms(i, {1080, 1920}, 1)}});
  }
  return {{"networks", networks}, {"tx2_factor", kTx2OverRtx}};
}

}  // namespace laxity::study
