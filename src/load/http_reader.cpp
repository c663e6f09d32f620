#include "load/http_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::size_t kReadSize = 4096;  // one small answer in one read
constexpr std::string_view kHeadEnd = "\r\n\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool read_size(std::string_view text, std::size_t& size) {
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, size);
  return !text.empty() && code == std::errc{} && stop == end;
}

}  // namespace

std::span<char> HttpReader::space() {
  std::size_t wanted = filled_ + kReadSize;
  if (has_head_ && has_length_) wanted = std::max(wanted, body_begin_ + body_size_);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  return std::span(buffer_).subspan(filled_);
}

HttpReader::State HttpReader::commit(std::size_t size) {
  LAXITY_CHECK(filled_ + size <= buffer_.size());
  filled_ += size;
  return advance();
}

HttpReader::State HttpReader::finish() {
  if (has_head_ && !has_length_ && !is_complete_) {
    body_size_ = filled_ - body_begin_;
    keeps_open_ = false;
    if (has_json_size_ && json_size_ > body_size_)
      return broken("its inference header is longer than its body");
    is_complete_ = true;
    return State::kComplete;
  }
  return broken("the connection ended inside it");
}

HttpReader::State HttpReader::next() {
  LAXITY_CHECK(is_complete_);
  const std::size_t used = body_begin_ + body_size_;
  const std::size_t rest = filled_ - used;
  std::memmove(buffer_.data(), buffer_.data() + used, rest);
  reset();
  filled_ = rest;
  return rest == 0 ? State::kNeedsMore : advance();
}

void HttpReader::reset() {
  filled_ = searched_ = body_begin_ = body_size_ = json_size_ = 0;
  has_head_ = has_length_ = is_complete_ = has_json_size_ = false;
  keeps_open_ = true;
  status_ = 0;
  problem_ = "";
}

std::string_view HttpReader::body() const noexcept { return {buffer_.data() + body_begin_, body_size_}; }

std::string_view HttpReader::json() const noexcept {
  return has_json_size_ ? body().substr(0, json_size_) : body();
}

HttpReader::State HttpReader::broken(const char* why) {
  problem_ = why;
  return State::kBroken;
}

HttpReader::State HttpReader::advance() {
  while (!has_head_) {
    const std::string_view text(buffer_.data(), filled_);
    const std::size_t end = text.find(kHeadEnd, searched_);
    if (end == std::string_view::npos) {
      if (filled_ > kHeadSizeMax) return broken("its head has no end");
      searched_ = filled_ - std::min(filled_, kHeadEnd.size() - 1);
      // Garbage should be found out at once, not when 64 KiB of it have come.
      constexpr std::string_view kStart = "HTTP/1.";
      const std::size_t known = std::min(filled_, kStart.size());
      if (text.substr(0, known) != kStart.substr(0, known)) return broken("it does not begin with HTTP/1.");
      return State::kNeedsMore;
    }
    if (end > kHeadSizeMax) return broken("its head is too long");
    if (!read_head(text.substr(0, end + 2))) return State::kBroken;
    body_begin_ = end + kHeadEnd.size();
    if (status_ >= 200) {
      has_head_ = true;
      if (status_ == 204 || status_ == 304) {  // these have no body, whatever the head says
        has_length_ = true;
        body_size_ = 0;
      }
      break;
    }
    const std::size_t rest = filled_ - body_begin_;
    std::memmove(buffer_.data(), buffer_.data() + body_begin_, rest);
    reset();
    filled_ = rest;
  }
  if (!has_length_) return State::kNeedsMore;
  if (body_size_ > body_size_max_) return broken("its body is too long");
  if (has_json_size_ && json_size_ > body_size_)
    return broken("its inference header is longer than its body");
  if (filled_ - body_begin_ < body_size_) return State::kNeedsMore;
  is_complete_ = true;
  return State::kComplete;
}

bool HttpReader::read_head(std::string_view head) {
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  // "HTTP/1.1 200 OK": the words behind the number may be missing.
  if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")) ||
      (line.size() > 12 && line[12] != ' ')) {
    broken("its first line is not an HTTP/1.1 status line");
    return false;
  }
  const auto [stop, code] = std::from_chars(line.data() + 9, line.data() + 12, status_);
  if (code != std::errc{} || stop != line.data() + 12 || status_ < 100) {
    broken("its status is not a number");
    return false;
  }
  keeps_open_ = line.starts_with("HTTP/1.1");
  std::string_view rest = head.substr(line_end + 2);
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view header = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const std::size_t colon = header.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      broken("a header line has no name");
      return false;
    }
    if (!read_header(header.substr(0, colon), trimmed(header.substr(colon + 1)))) return false;
  }
  return true;
}

bool HttpReader::read_header(std::string_view header, std::string_view value) {
  if (equals_ignoring_case(header, "content-length")) {
    std::size_t size = 0;
    if (!read_size(value, size) || (has_length_ && size != body_size_)) {
      broken("its Content-Length is wrong");
      return false;
    }
    body_size_ = size;
    has_length_ = true;
  } else if (equals_ignoring_case(header, "inference-header-content-length")) {
    has_json_size_ = true;
    if (!read_size(value, json_size_)) {
      broken("its Inference-Header-Content-Length is wrong");
      return false;
    }
  } else if (equals_ignoring_case(header, "connection")) {
    if (equals_ignoring_case(value, "close")) keeps_open_ = false;
    if (equals_ignoring_case(value, "keep-alive")) keeps_open_ = true;
  } else if (equals_ignoring_case(header, "transfer-encoding")) {
    broken("its body is chunked");
    return false;
  }
  return true;
}

}  // namespace laxity
