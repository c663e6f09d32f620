#include "load/sample_set.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace laxity {
namespace {

namespace fs = std::filesystem;

std::optional<std::vector<std::byte>> read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return std::nullopt;
  std::vector<std::byte> bytes(text.size());
  std::transform(text.begin(), text.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

std::vector<std::string> split_fields(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  return fields;
}

Result<std::vector<Sample>> read_listed(const fs::path& folder, const fs::path& list) {
  std::ifstream file(list);
  std::string line;
  if (!file || !std::getline(file, line)) return not_found(list.string() + ": cannot be read");
  const std::vector<std::string> columns = split_fields(line);
  const auto column = [&columns](std::string_view wanted) {
    return static_cast<std::size_t>(std::find(columns.begin(), columns.end(), wanted) - columns.begin());
  };
  const std::size_t file_column = column("file");
  const std::size_t label_column = column("label");
  if (file_column == columns.size() || label_column == columns.size()) {
    return invalid_argument(list.string() + ":1: expected columns 'file' and 'label', found '" + line + "'");
  }
  std::vector<Sample> samples;
  for (std::size_t number = 2; std::getline(file, line); ++number) {
    if (line.empty() || line == "\r") continue;
    const std::vector<std::string> fields = split_fields(line);
    const std::string where = list.string() + ":" + std::to_string(number) + ": ";
    if (fields.size() != columns.size()) {
      return invalid_argument(where + "expected " + std::to_string(columns.size()) + " fields, found " +
                              std::to_string(fields.size()));
    }
    const std::string& text = fields[label_column];
    Sample sample;
    std::uint32_t label = 0;
    const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), label);
    if (code != std::errc{} || stop != text.data() + text.size()) {
      return invalid_argument(where + "expected a class index as label, found '" + text + "'");
    }
    sample.label = label;
    std::optional<std::vector<std::byte>> bytes = read_bytes(folder / fields[file_column]);
    if (!bytes) return not_found(where + "picture '" + fields[file_column] + "' cannot be read");
    sample.bytes = std::move(*bytes);
    samples.push_back(std::move(sample));
  }
  return samples;
}

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

Result<std::vector<Sample>> read_all(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    if (is_picture(entry->path())) paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Sample> samples;
  for (const fs::path& path : paths) {
    std::optional<std::vector<std::byte>> bytes = read_bytes(path);
    if (!bytes) return not_found(path.string() + ": cannot be read");
    samples.push_back({std::move(*bytes), std::nullopt});
  }
  return samples;
}

}  // namespace

Result<SampleSet> read_sample_set(std::string_view input, const std::string& samples_folder) {
  std::error_code code;
  fs::path folder = fs::path(samples_folder) / input;
  if (!fs::is_directory(folder, code)) folder = fs::path(input);
  if (!fs::is_directory(folder, code)) {
    return not_found("input '" + std::string(input) + "': expected \"random\", a sample set under " +
                     samples_folder + ", or a folder of pictures; found none of them");
  }
  const fs::path list = folder / "labels.csv";
  Result<std::vector<Sample>> samples = fs::exists(list, code) ? read_listed(folder, list) : read_all(folder);
  if (!samples) return samples.error();
  if (samples->empty()) return not_found(folder.string() + ": expected PNG or JPEG pictures, found none");
  return SampleSet{std::string(input), true, std::move(*samples)};
}

}  // namespace laxity
