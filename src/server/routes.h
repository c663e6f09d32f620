// From a method and a path to what is asked for; everything that needs no job is answered here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/repository.h"
#include "server/oip_codec.h"

namespace laxity {

/// The first lines of a reply; the connection adds lengths.
struct ReplyHead {
  int status = 200;
  const char* content_type = "application/json";
  const char* allow = nullptr;  ///< With 405: the method that would do.
  bool retry_later = false;
  std::int64_t retry_after_s = 1;  ///< Said with `retry_later`.
};

struct Route {
  enum class Kind : std::uint8_t {
    kPage,         ///< `head` and `body` are the whole answer.
    kInfer,        ///< A job for `codec`.
    kState,        ///< The server's and the driver's state.
    kAskStream,    ///< A contract is in the body.
    kStreams,      ///< A page of them, from the one at place `page_begin`.
    kStream,       ///< What `stream` is like.
    kEvents,       ///< What happens to streams, as it happens.
    kLeaveStream,  ///< `stream` is to end.
  };
  Kind kind = Kind::kPage;
  const ModelCodec* codec = nullptr;
  ReplyHead head;
  std::string body;
  std::string stream;
  std::size_t page_begin = 0;
};

class Router {
 public:
  /// `models` must outlive this.
  explicit Router(std::span<const LoadedModel> models);

  /// `method` is "GET", "POST", …; HEAD counts as GET, the connection leaves the body out. Unknown paths and
  /// models give 404 with the nearest known name, a wrong method 405, `is_ready` false 503 where readiness is
  /// asked for. Allocates nothing for an infer path.
  Route find(std::string_view method, std::string_view target, bool is_ready) const;

  std::span<const std::unique_ptr<ModelCodec>> codecs() const noexcept { return codecs_; }

 private:
  static Route find_streams_route(std::string_view method, std::string_view path, std::string_view query);
  Route find_model_route(std::string_view method, std::string_view rest, bool is_ready) const;
  std::string index_json(bool is_ready) const;

  std::vector<std::unique_ptr<ModelCodec>> codecs_;
};

}  // namespace laxity
