#include "server/routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/sample_model.h"

namespace laxity {
namespace {

class RoutesTest : public ::testing::Test {
 protected:
  std::vector<LoadedModel> models_ = {testing::two_input_model(), testing::picture_model()};
  Router router_{models_};
};

TEST_F(RoutesTest, PagesAndTheirStatus) {
  struct Row {
    const char* method;
    const char* target;
    int status;
    const char* said;
  };
  const Row rows[] = {
      {"GET", "/", 200, "/v2/models"},
      {"GET", "/v2", 200, "binary_tensor_data"},
      {"HEAD", "/v2", 200, ""},
      {"GET", "/v2/health/live", 200, ""},
      {"GET", "/v2/health/ready", 200, ""},
      {"GET", "/v2/health/ready?verbose=1", 200, ""},
      {"GET", "/v2/models", 200, "picture"},
      {"POST", "/v2/repository/index", 200, "READY"},
      {"GET", "/v2/models/two", 200, "INT32"},
      {"GET", "/v2/models/t%77o", 200, "INT32"},
      {"GET", "/v2/models/two/versions/1", 200, "INT32"},
      {"GET", "/v2/models/two/ready", 200, "true"},
      {"GET", "/v2/models/two/versions/1/ready", 200, "true"},
      {"GET", "/v2/models/tow", 404, "did you mean 'two'"},
      {"GET", "/v2/models/%00%zz%", 404, "no such model"},
      {"GET", "/v2/models/", 404, "no such model"},
      {"GET", "/v2/models/two/versions/2", 404, "version 1 only, found '2'"},
      {"GET", "/v2/models/two/versions/", 404, "version 1 only"},
      {"GET", "/v2/models/two/stats", 404, "/stats"},
      {"GET", "/v3", 404, "'/v3'"},
      {"GET", "/v2/models/two/infer", 405, "expected POST, found GET"},
      {"DELETE", "/v2/models/two", 405, "expected GET, found DELETE"},
      {"POST", "/v2/health/live", 405, "expected GET"},
      {"GET", "/v2/repository/index", 405, "expected POST"},
      {"PUT", "/v2/streams", 405, "expected GET, POST, found PUT"},
      {"DELETE", "/v2/streams", 405, "expected GET, POST"},
      {"POST", "/v2/streams/s-1", 405, "expected GET, DELETE"},
      {"GET", "/v2/streams?from=-1", 400, "expected the number of a place, found '-1'"},
      {"GET", "/v2/streams?from=99999999999999999999999", 400, "expected the number of a place"},
  };
  for (const Row& row : rows) {
    const Route route = router_.find(row.method, row.target, true);
    EXPECT_EQ(route.kind, Route::Kind::kPage) << row.target;
    EXPECT_EQ(route.head.status, row.status) << row.target;
    EXPECT_NE(route.body.find(row.said), std::string::npos) << row.target << ": " << route.body;
    EXPECT_EQ(route.head.allow != nullptr, row.status == 405) << row.target;
    if (row.target != std::string("/")) {
      EXPECT_TRUE(nlohmann::json::accept(route.body)) << route.body;
    }
  }
}

TEST_F(RoutesTest, Infer) {
  for (const char* target : {"/v2/models/picture/infer", "/v2/models/picture/versions/1/infer"}) {
    const Route route = router_.find("POST", target, true);
    ASSERT_EQ(route.kind, Route::Kind::kInfer);
    EXPECT_EQ(route.codec->model().name, "picture");
  }
  EXPECT_EQ(router_.find("GET", "/v2/laxity/state", true).kind, Route::Kind::kState);
  EXPECT_EQ(router_.find("GET", "/v2/laxity/events", true).kind, Route::Kind::kEvents);
}

TEST_F(RoutesTest, Streams) {
  struct Row {
    const char* method;
    const char* target;
    Route::Kind kind;
    const char* stream;
    std::size_t page_begin;
  };
  const Row rows[] = {
      {"POST", "/v2/streams", Route::Kind::kAskStream, "", 0},
      {"GET", "/v2/streams", Route::Kind::kStreams, "", 0},
      {"HEAD", "/v2/streams", Route::Kind::kStreams, "", 0},
      {"GET", "/v2/streams/", Route::Kind::kStreams, "", 0},
      {"GET", "/v2/streams?from=256", Route::Kind::kStreams, "", 256},
      {"GET", "/v2/streams/s-17", Route::Kind::kStream, "s-17", 0},
      {"GET", "/v2/streams/s-17?verbose=1", Route::Kind::kStream, "s-17", 0},
      {"DELETE", "/v2/streams/s-17", Route::Kind::kLeaveStream, "s-17", 0},
      {"GET", "/v2/streams/a/b", Route::Kind::kStream, "a/b", 0},
  };
  for (const Row& row : rows) {
    const Route route = router_.find(row.method, row.target, true);
    EXPECT_EQ(route.kind, row.kind) << row.method << " " << row.target;
    EXPECT_EQ(route.stream, row.stream) << row.target;
    EXPECT_EQ(route.page_begin, row.page_begin) << row.target;
    EXPECT_EQ(route.head.status, 200) << row.target;
  }
}

TEST_F(RoutesTest, NotReadyWhileStopping) {
  EXPECT_EQ(router_.find("GET", "/v2/health/live", false).head.status, 200);
  EXPECT_EQ(router_.find("GET", "/v2/health/ready", false).head.status, 503);
  EXPECT_EQ(router_.find("GET", "/v2/models/two/ready", false).head.status, 503);
}

}  // namespace
}  // namespace laxity
