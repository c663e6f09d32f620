// A bare Boost.Beast server that gives back every body: what a round trip costs before any of our work.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace laxity::bench {

/// One connection at a time, one thread; serves from construction to destruction. Any free port of loopback.
class EchoServer {
 public:
  EchoServer() : acceptor_(loop_, {boost::asio::ip::address_v4::loopback(), 0}) {
    accept();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~EchoServer() {
    loop_.stop();
    thread_.join();
  }
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  using Tcp = boost::asio::ip::tcp;
  using Socket = boost::asio::basic_stream_socket<Tcp, boost::asio::io_context::executor_type>;
  using Acceptor = boost::asio::basic_socket_acceptor<Tcp, boost::asio::io_context::executor_type>;
  using Parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;
  using Code = boost::system::error_code;

  void accept() {
    acceptor_.async_accept([this](Code error, Socket socket) {
      if (error) return;
      socket_.emplace(std::move(socket));
      socket_->set_option(Tcp::no_delay(true));
      buffer_.clear();
      buffer_.reserve(16 * 1024);
      read_head();
    });
  }
  void read_head() {
    parser_.emplace();
    parser_->body_limit(boost::none);
    boost::beast::http::async_read_header(*socket_, buffer_, *parser_, [this](Code error, std::size_t) {
      if (error) return accept();
      read_body(static_cast<std::size_t>(parser_->content_length().value_or(0)));
    });
  }
  void read_body(std::size_t size) {
    body_.resize(size);
    const std::size_t at_hand = std::min(size, buffer_.size());
    std::memcpy(body_.data(), buffer_.data().data(), at_hand);
    buffer_.consume(at_hand);
    if (at_hand == size) return reply();
    boost::asio::async_read(*socket_, boost::asio::buffer(body_.data() + at_hand, size - at_hand),
                            [this](Code error, std::size_t) { error ? accept() : reply(); });
  }
  void reply() {
    head_ = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body_.size()) + "\r\n\r\n";
    const std::array<boost::asio::const_buffer, 2> parts = {boost::asio::buffer(head_),
                                                            boost::asio::buffer(body_)};
    Code error;
    boost::asio::write(*socket_, parts, error);
    error ? accept() : read_head();
  }

  boost::asio::io_context loop_{1};
  Acceptor acceptor_;
  std::optional<Socket> socket_;
  std::optional<Parser> parser_;
  boost::beast::flat_buffer buffer_;
  std::string body_, head_;
  std::thread thread_;
};

}  // namespace laxity::bench
