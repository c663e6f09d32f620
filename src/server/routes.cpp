// From a method and a path to what is asked for.
#include "server/routes.h"

#include <charconv>
#include <optional>

#include "base/nearest.h"
#include "server/json_writer.h"

#ifndef LAXITY_VERSION
#define LAXITY_VERSION "0.1.0"
#endif

namespace laxity {
namespace {

constexpr const char* kWelcome =
    "Laxity: a real-time inference server. It speaks the Open Inference Protocol (V2) over HTTP.\n"
    "\n"
    "  GET  /v2                          who this is\n"
    "  GET  /v2/health/ready             whether requests are taken\n"
    "  GET  /v2/models                   which models there are\n"
    "  GET  /v2/models/<name>            what a model takes and gives\n"
    "  POST /v2/models/<name>/infer      an answer, before `deadline_ms`\n"
    "  POST /v2/streams                  ask that a stream of frames be promised its deadlines\n"
    "  GET  /v2/streams                  the streams there are; /v2/streams/<name> for one, DELETE ends it\n"
    "  GET  /v2/laxity/state             queues, streams and executors\n"
    "  GET  /v2/laxity/events            what happens to streams, as it happens\n";

Route page(int status, std::string body) {
  Route route;
  route.head.status = status;
  route.body = std::move(body);
  return route;
}

Route missing(std::string message) { return page(404, error_json(message, "not_found")); }

Route wrong_method(std::string_view path, const char* allowed, std::string_view found) {
  Route route = page(
      405, error_json("'" + std::string(path) + "': expected " + allowed + ", found " + std::string(found),
                      "method_not_allowed"));
  route.head.allow = allowed;
  return route;
}

bool skip_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// `text` with %xx resolved; what is no escape stays.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool has_room = text[i] == '%' && i + 2 < text.size();
    const std::optional<unsigned> high = has_room ? hex_digit(text[i + 1]) : std::nullopt;
    const std::optional<unsigned> low = has_room ? hex_digit(text[i + 2]) : std::nullopt;
    if (high && low) {
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Router::Router(std::span<const LoadedModel> models) {
  for (const LoadedModel& model : models) codecs_.push_back(std::make_unique<ModelCodec>(model));
}

Route Router::find(std::string_view method, std::string_view target, bool is_ready) const {
  const std::string_view path = target.substr(0, target.find('?'));
  std::string_view rest = path;
  if (skip_prefix(rest, "/v2/models/")) return find_model_route(method, rest, is_ready);

  if (path == "/v2/streams" || path.starts_with("/v2/streams/")) {
    return find_streams_route(method, path, target.substr(path.size()));
  }

  const bool is_get = method == "GET" || method == "HEAD";
  const auto get_only = [&](Route route) {
    return is_get ? std::move(route) : wrong_method(path, "GET", method);
  };
  if (path == "/") {
    Route route = page(200, kWelcome);
    route.head.content_type = "text/plain; charset=utf-8";
    return get_only(std::move(route));
  }
  if (path == "/v2" || path == "/v2/") {
    return get_only(page(200, "{\"name\":\"laxity\",\"version\":\"" LAXITY_VERSION
                              "\",\"extensions\":[\"binary_tensor_data\",\"model_repository\"]}"));
  }
  if (path == "/v2/health/live") return get_only(page(200, "{\"live\":true}"));
  if (path == "/v2/health/ready") {
    return get_only(is_ready ? page(200, "{\"ready\":true}")
                             : page(503, error_json("the server is not ready", "not_ready")));
  }
  if (path == "/v2/models") return get_only(page(200, index_json(is_ready)));
  if (path == "/v2/repository/index") {
    return method == "POST" ? page(200, index_json(is_ready)) : wrong_method(path, "POST", method);
  }
  if (path == "/v2/laxity/state") {
    Route route;
    route.kind = Route::Kind::kState;
    return get_only(std::move(route));
  }
  if (path == "/v2/laxity/events") {
    Route route;
    route.kind = Route::Kind::kEvents;
    return get_only(std::move(route));
  }
  return missing("no such path: '" + std::string(path) + "'; GET / lists those there are");
}

Route Router::find_model_route(std::string_view method, std::string_view rest, bool is_ready) const {
  const std::size_t name_end = rest.find('/');
  std::string_view model_name = rest.substr(0, name_end);
  std::string_view action = name_end == std::string_view::npos ? std::string_view() : rest.substr(name_end);
  std::string decoded;
  if (model_name.find('%') != std::string_view::npos) model_name = decoded = percent_decoded(model_name);

  const ModelCodec* codec = nullptr;
  for (const std::unique_ptr<ModelCodec>& candidate : codecs_) {
    if (candidate->model().name == model_name) codec = candidate.get();
  }
  if (codec == nullptr) {
    std::vector<std::string_view> names;
    for (const std::unique_ptr<ModelCodec>& candidate : codecs_) names.push_back(candidate->model().name);
    std::string message = "no such model: '" + std::string(model_name) + "'";
    if (!names.empty()) message += "; did you mean '" + nearest(model_name, names) + "'?";
    return missing(std::move(message));
  }
  if (skip_prefix(action, "/versions/")) {
    const std::size_t version_end = action.find('/');
    const std::string_view version = action.substr(0, version_end);
    if (version != "1") {
      return missing("model '" + codec->model().name + "' has version 1 only, found '" +
                     std::string(version) + "'");
    }
    action = version_end == std::string_view::npos ? std::string_view() : action.substr(version_end);
  }

  const bool is_get = method == "GET" || method == "HEAD";
  if (action == "/infer") {
    if (method != "POST") return wrong_method(action, "POST", method);
    Route route;
    route.kind = Route::Kind::kInfer;
    route.codec = codec;
    return route;
  }
  if (action.empty()) {
    return is_get ? page(200, codec->metadata_json()) : wrong_method(model_name, "GET", method);
  }
  if (action == "/ready") {
    if (!is_get) return wrong_method(action, "GET", method);
    std::string body = "{\"name\":";
    append_json_string(body, codec->model().name);
    body += ",\"ready\":true}";
    return is_ready ? page(200, std::move(body))
                    : page(503, error_json("the server is not ready", "not_ready"));
  }
  return missing("no such path below model '" + codec->model().name + "': '" + std::string(action) +
                 "'; there are /infer, /ready and /versions/1");
}

Route Router::find_streams_route(std::string_view method, std::string_view path, std::string_view query) {
  const bool is_get = method == "GET" || method == "HEAD";
  Route route;
  std::string_view rest = path;
  if (skip_prefix(rest, "/v2/streams/") && !rest.empty()) {
    if (!is_get && method != "DELETE") return wrong_method(path, "GET, DELETE", method);
    route.kind = is_get ? Route::Kind::kStream : Route::Kind::kLeaveStream;
    route.stream = rest;
    return route;
  }
  if (method == "POST") {
    route.kind = Route::Kind::kAskStream;
    return route;
  }
  if (!is_get) return wrong_method(path, "GET, POST", method);
  route.kind = Route::Kind::kStreams;
  if (skip_prefix(query, "?from=")) {
    const auto [end, error] = std::from_chars(query.data(), query.data() + query.size(), route.page_begin);
    if (error != std::errc{} || end != query.data() + query.size()) {
      return page(400, error_json("from: expected the number of a place, found '" +
                                      std::string(query.substr(0, 40)) + "'",
                                  "invalid_argument"));
    }
  }
  return route;
}

std::string Router::index_json(bool is_ready) const {
  std::string out = "[";
  for (const std::unique_ptr<ModelCodec>& codec : codecs_) {
    if (out.size() > 1) out += ',';
    out += "{\"name\":";
    append_json_string(out, codec->model().name);
    out += ",\"version\":\"1\",\"state\":\"";
    out += is_ready ? "READY" : "UNAVAILABLE";
    out += "\",\"reason\":\"\"}";
  }
  return out + "]";
}

}  // namespace laxity
