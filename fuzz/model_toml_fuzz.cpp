// What a stranger's model folder says about itself: read within its limits, or refused with words.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/description.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto model = laxity::parse_model_toml(text, "model.toml", "fuzz");
  if (!model) {
    LAXITY_CHECK(!model.error().message.empty());
  } else {
    LAXITY_CHECK(laxity::check_model_name(model->name).has_value());
    for (const auto& variant : model->variants) {
      LAXITY_CHECK(!variant.stages.empty() && model->mandatory_count <= variant.stages.size());
    }
    for (const auto& input : model->inputs) LAXITY_CHECK(!laxity::text_of(input).empty());
  }
  (void)laxity::parse_labels(text, "labels.txt").has_value();
  if (const auto temperatures = laxity::parse_temperatures(text, "utility.json")) {
    for (const float temperature : *temperatures) LAXITY_CHECK(temperature > 0);
  }
  return 0;
}
