#include "supervisor/control/control_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <set>

#include "protocol/control.h"

namespace vsup::supervisor {
namespace {

namespace asio = boost::asio;
using Stream = asio::local::stream_protocol;
using boost::system::error_code;

constexpr auto kFarewell = std::chrono::milliseconds(500);
constexpr auto kAcceptPause = std::chrono::milliseconds(200);

void close_on_exec(int fd) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// Sockets of sessions that were killed: nobody listens, and the process is gone (one that is about to listen is not).
void remove_stale_sockets(const std::string& directory) {
  DIR* listing = opendir(directory.c_str());
  if (listing == nullptr) return;
  while (const dirent* entry = readdir(listing)) {
    char* end = nullptr;
    long pid = std::strtol(entry->d_name, &end, 10);
    if (pid <= 0 || std::strcmp(end, protocol::kSocketSuffix) != 0) continue;
    if (kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) continue;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = directory + "/" + entry->d_name;
    if (path.size() >= sizeof address.sun_path) continue;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused =
        connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
    ::close(fd);
    if (refused) unlink(path.c_str());
  }
  closedir(listing);
}

bool same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

}  // namespace

struct ControlServer::Impl : std::enable_shared_from_this<ControlServer::Impl> {
  class Client;

  Impl(asio::io_context& loop, CommandContext command_context)
      : io(loop), context(std::move(command_context)), acceptor(loop), timer(loop) {}

  void open();
  void accept();
  void close();

  asio::io_context& io;
  CommandContext context;
  Stream::acceptor acceptor;
  asio::steady_timer timer;
  std::set<std::shared_ptr<Client>> clients;
  std::string path;
  std::string error;
  bool closing = false;
};

class ControlServer::Impl::Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Impl& server, Stream::socket socket) : server_(server), socket_(std::move(socket)) {}

  void start() {
    std::weak_ptr<Client> weak = weak_from_this();
    conversation_ = Conversation::begin(server_.context, [weak](std::string line) {
      if (auto self = weak.lock()) self->send(std::move(line));
    });
    conversation_->say_hello();
    read();
  }

  // No further requests; gone once the queue is empty.
  void finish() {
    if (finishing_) return;
    finishing_ = true;
    if (conversation_) conversation_->end_session();
    error_code ignored;
    socket_.shutdown(Stream::socket::shutdown_receive, ignored);
    if (queue_.empty()) hang_up();
  }

  void hang_up() {
    conversation_.reset();
    error_code ignored;
    socket_.close(ignored);
    auto self = shared_from_this();
    server_.clients.erase(self);
    if (server_.closing && server_.clients.empty()) server_.timer.cancel();
  }

 private:
  void read() {
    reading_ = true;
    socket_.async_read_some(asio::buffer(bytes_), [self = shared_from_this()](error_code error, size_t count) {
      self->reading_ = false;
      if (!self->conversation_ || self->finishing_) return;
      if (error) return self->hang_up();
      self->conversation_->feed({self->bytes_, count});
      if (self->conversation_ && self->queued_bytes_ < protocol::kReadPauseBytes) self->read();
    });
  }

  void send(std::string line) {
    if (!socket_.is_open()) return;
    queued_bytes_ += line.size();
    if (queued_bytes_ > protocol::kMostQueuedBytes && queue_.size() > 1) {
      // Not at once: a conversation is on our stack.
      asio::post(server_.io, [self = shared_from_this()] {
        if (self->socket_.is_open()) self->hang_up();
      });
      return;
    }
    queue_.push_back(std::move(line));
    if (queue_.size() == 1) write();
  }

  void write() {
    asio::async_write(socket_, asio::buffer(queue_.front()), [self = shared_from_this()](error_code error, size_t) {
      if (!self->socket_.is_open()) return;
      if (error) return self->hang_up();
      self->queued_bytes_ -= self->queue_.front().size();
      self->queue_.pop_front();
      if (!self->queue_.empty()) {
        self->write();
      } else if (self->finishing_) {
        return self->hang_up();
      }
      bool listen = !self->reading_ && !self->finishing_ && self->conversation_ != nullptr;
      if (listen && self->queued_bytes_ < protocol::kReadPauseBytes) self->read();
    });
  }

  Impl& server_;
  Stream::socket socket_;
  std::shared_ptr<Conversation> conversation_;
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool reading_ = false;
  bool finishing_ = false;
  char bytes_[4096];
};

void ControlServer::Impl::open() {
  std::string directory = protocol::control_directory();
  if (directory.empty()) {
    error = "neither $XDG_RUNTIME_DIR/vsup nor /tmp/vsup-" + std::to_string(geteuid()) + " can be yours alone";
    return;
  }
  if (mkdir(directory.c_str(), 0700) != 0 && (errno != EEXIST || !protocol::control_directory_serves(directory))) {
    error = directory + ": " + std::strerror(errno);
    return;
  }
  remove_stale_sockets(directory);
  std::string name = directory + "/" + std::to_string(context.vsup_pid) + protocol::kSocketSuffix;
  unlink(name.c_str());
  error_code failure;
  acceptor.open(Stream(), failure);
  if (!failure) close_on_exec(acceptor.native_handle());
  if (!failure) acceptor.bind(Stream::endpoint(name), failure);
  if (!failure && chmod(name.c_str(), 0600) != 0) failure = error_code(errno, boost::system::system_category());
  if (!failure) acceptor.listen(static_cast<int>(protocol::kMostClients), failure);
  if (!failure) {
    path = name;
    return accept();
  }
  error = name + ": " + failure.message();
  error_code ignored;
  acceptor.close(ignored);
  unlink(name.c_str());
}

void ControlServer::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](error_code failure, Stream::socket socket) {
    if (self->closing) return;
    if (failure) {
      // Out of descriptors or the like: not in a hurry again.
      self->timer.expires_after(kAcceptPause);
      self->timer.async_wait([self](error_code stopped) {
        if (!stopped && !self->closing) self->accept();
      });
      return;
    }
    close_on_exec(socket.native_handle());
    if (same_user(socket.native_handle())) {
      if (self->clients.size() >= protocol::kMostClients) {
        error_code ignored;
        socket.non_blocking(true, ignored);
        std::string line = too_many_clients_line();
        send(socket.native_handle(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      } else {
        auto client = std::make_shared<Client>(*self, std::move(socket));
        self->clients.insert(client);
        client->start();
      }
    }
    self->accept();
  });
}

void ControlServer::Impl::close() {
  if (closing) return;
  closing = true;
  error_code ignored;
  acceptor.close(ignored);
  if (!path.empty()) unlink(path.c_str());
  auto open_clients = clients;
  for (const auto& client : open_clients) client->finish();
  if (clients.empty()) {
    timer.cancel();
    return;
  }
  timer.expires_after(kFarewell);
  timer.async_wait([self = shared_from_this()](error_code) {
    auto late = self->clients;
    for (const auto& client : late) client->hang_up();
  });
}

ControlServer::ControlServer(asio::io_context& io, CommandContext context)
    : impl_(std::make_shared<Impl>(io, std::move(context))) {
  impl_->open();
}

ControlServer::~ControlServer() {
  if (!impl_->path.empty() && !impl_->closing) unlink(impl_->path.c_str());
}

const std::string& ControlServer::path() const {
  return impl_->path;
}
const std::string& ControlServer::error() const {
  return impl_->error;
}
void ControlServer::close() {
  impl_->close();
}

}  // namespace vsup::supervisor
