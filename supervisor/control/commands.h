// Purpose: the control protocol without sockets: bytes of a client in, lines for it out. protocol/control.h says what
// the lines mean.
// Assumes: one thread; bytes may be anything. Promises: no byte sequence throws, ends the session or makes more than a
// line of kLongestLine be kept.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/session/controller.h"
#include "supervisor/session/tool_report.h"
#include "supervisor/symbols/thread_stacks.h"

namespace vsup::supervisor {

// What the requests work on. Outlives the conversations.
struct CommandContext {
  Controller& controller;
  // The stacks of one process, once they are known; none if it is gone.
  std::function<void(pid_t, std::function<void(std::vector<ThreadStack>)>)> collect_stacks;
  pid_t vsup_pid = 0;
  std::string session_directory;
  std::string tool;
  std::vector<std::string> command;
  double started_seconds = 0;
  ToolReport* report = nullptr;  // the tool's: answers what the session does not know; may be null
};

// One client's side. Answers that come after the conversation is gone are dropped.
class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  // `send` takes whole lines, each with its newline.
  static std::shared_ptr<Conversation> begin(CommandContext& context, std::function<void(std::string)> send);

  // The first line of all.
  void say_hello();
  void feed(std::string_view bytes);
  // Answers what is still open with session-ended.
  void end_session();
  size_t pending() const { return open_.size(); }

 private:
  struct Request;
  struct ToolJob;

  Conversation(CommandContext& context, std::function<void(std::string)> send);
  void handle_line(std::string_view line);
  void handle(Request& request);
  uint64_t open_request(const Request& request);
  void answer_ok(uint64_t number, const std::string& result);
  void answer_error(const std::string& id, const char* code, const std::string& message);
  void collect_next_stacks(uint64_t number, const std::shared_ptr<std::vector<ProcessSummary>>& processes, size_t next,
                           const std::shared_ptr<std::string>& rows);
  void ask_tool(uint64_t number, const std::shared_ptr<ToolJob>& job);

  CommandContext& context_;
  std::function<void(std::string)> send_;
  std::string buffer_;
  bool skipping_ = false;  // the rest of a line that was too long
  uint64_t next_number_ = 1;
  std::map<uint64_t, std::string> open_;  // requests under way: our number to the client's id as JSON
};

// For a client that is one too many.
std::string too_many_clients_line();

}  // namespace vsup::supervisor
