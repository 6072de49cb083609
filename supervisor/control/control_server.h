// Purpose: the control socket of a session.
// Assumes: everything on the event loop's thread. Promises: only processes of the same user are answered; no client can
// block the loop, make it grow without bound or end the session.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "supervisor/control/commands.h"

namespace vsup::supervisor {

class ControlServer {
 public:
  // Opens the socket. When no directory serves, there is none, path() is empty and error() says why.
  ControlServer(boost::asio::io_context& io, CommandContext context);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  const std::string& path() const;
  const std::string& error() const;

  // Takes no more requests, removes the socket, and leaves clients a moment to read what is queued for them; after that
  // the loop has no work of the server's.
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace vsup::supervisor
