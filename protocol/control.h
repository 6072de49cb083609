// Purpose: the control protocol between vctl and a running vsup: names, limits and where the socket is.
// Assumes: hosted (both ends are ordinary programs). Promises: header-only; includes nothing of ours.
//
// A Unix stream socket, <vsup pid>.sock in control_directory(), which is closed to others; session.json has its path.
// vsup talks to processes of its own user only. One JSON object a line, UTF-8.
//
// vsup says first:  {"hello": "vsup", "protocol": 1, "version": "0.1.0", "pid": N, "session": "/directory"}
// or, and hangs up: {"error": {"code": "too-many-clients", "message": "..."}}
//
// The client asks:  {"id": 1, "request": "toggle", "on": true, "targets": [1234, "python3"]}
// vsup answers:     {"id": 1, "ok": true, "result": {...}}
//              or:  {"id": 1, "ok": false, "error": {"code": "no-such-process", "message": "..."}}
// before that, while work is long:  {"id": 1, "progress": {"done": 3, "total": 8}}
// `id` is an integer or a string of at most kLongestId bytes; answers may come in another order than the requests.
// A line that is no request is answered with "id": null or the id it had. Members without a meaning are ignored.
//
// targets: process ids or names (of the executable or argv[0] without directory, or of the first thread); absent or
// empty: all processes.
//
// request  members   result
// list               session {pid, directory, tool, command[], started}, processes[PROCESS]
// status   targets   processes[PROCESS with counters[{name, value, sentence}], without threads]
// toggle   on        processes, threads (how many moved), milliseconds
//          targets
// stacks   targets   processes[PROCESS with threads[{tid, name, frames[FRAME]}]]; streams progress
// kill     targets   processes (how many were sent SIGKILL)
// detach   targets   processes (how many were let go of)
// A request that is none of these is the tool's, if it serves it; its result has one row a process:
// NAME     targets   processes[{pid, result {...} or error "..."}]; streams progress
//
// callgrind and cachegrind serve (members beside targets; result of a process):
// dump         hint   part, files[] (relative to the session's directory, or absolute): what was counted since the
//                     last dump or zero, as part N; the answer comes when they are written
// zero                events[], values[] (counted since the last dump or zero, and written nowhere): all counts are 0
//                     now, those of functions that are not left yet begin anew
// events              events[] (names), threads[THREAD with values[]]
// tool-status         instrumentation (on, off), executed-bbs, executed-calls, distinct-bbs, distinct-calls,
//                     distinct-functions, distinct-contexts, events[], part, threads[THREAD with values[]]
// call-stacks         threads[THREAD with frames[{address, function, module, file, calls, inclusive}], left_out], from
//                     the tool's own stack, innermost first; the outermost has no calls
// costs        limit  event, total, functions[{function, file, module, self, inclusive, calls}]: those with the highest
//                     self and those with the highest inclusive cost, `limit` of each at most
// THREAD:  number, tid, name
//
// massif serves (members beside targets; result of a process):
// snapshot detailed   file (relative to the session's directory): the heap as it is now; with "detailed": true with
//                     stacks; the answer comes when the file is written
//
// leaks serves (members beside targets; result of a process):
// leaks    delta     text (what Memcheck would print), records, shown, bytes, blocks (in use), milliseconds (that the
//          kinds     process stood still), definite, indirect, possible, reachable {bytes, blocks}. delta: any, or
//          detail    compared with the check before: increased, changed, new; kinds: as --show-leak-kinds, with a delta
//                    all unless given; detail: full or summary
//
// PROCESS: pid, parent (0: not of this session), image, executable, arguments[], mode (instrumented, native,
//          not-traceable, exited), note, directory, started (seconds since 1970), threads[{tid, name, instrumented}]
// FRAME:   address ("0x..."), function, offset, module, file, line, inlined; innermost first, what is unknown is absent
#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace vsup::protocol {

inline constexpr int kControlVersion = 1;

inline constexpr char kRequestList[] = "list";
inline constexpr char kRequestStatus[] = "status";
inline constexpr char kRequestToggle[] = "toggle";
inline constexpr char kRequestStacks[] = "stacks";
inline constexpr char kRequestKill[] = "kill";
inline constexpr char kRequestDetach[] = "detach";
inline constexpr char kRequestLeaks[] = "leaks";        // of the tool leaks
inline constexpr char kRequestSnapshot[] = "snapshot";  // of the tool massif

// Of callgrind and cachegrind.
inline constexpr char kRequestDump[] = "dump";
inline constexpr char kRequestZero[] = "zero";
inline constexpr char kRequestEvents[] = "events";
inline constexpr char kRequestToolStatus[] = "tool-status";
inline constexpr char kRequestCallStacks[] = "call-stacks";
inline constexpr char kRequestCosts[] = "costs";

inline constexpr size_t kLongestLine = size_t{64} << 10;  // of a client, without the newline
inline constexpr size_t kLongestId = 128;
inline constexpr size_t kMostTargets = 4096;
inline constexpr size_t kMostClients = 16;
inline constexpr size_t kMostPendingRequests = 64;            // of one client
inline constexpr size_t kReadPauseBytes = size_t{1} << 20;    // unread answers of a client; then it is not listened to
inline constexpr size_t kMostQueuedBytes = size_t{32} << 20;  // unread answers of a client; then it is hung up on

inline constexpr char kErrorBadJson[] = "bad-json";        // the line is no JSON object
inline constexpr char kErrorBadRequest[] = "bad-request";  // a member is missing or of the wrong kind
inline constexpr char kErrorUnknownRequest[] = "unknown-request";
inline constexpr char kErrorLineTooLong[] = "line-too-long";
inline constexpr char kErrorNoSuchProcess[] = "no-such-process";
inline constexpr char kErrorNotTraceable[] = "not-traceable";
inline constexpr char kErrorTooManyClients[] = "too-many-clients";
inline constexpr char kErrorTooManyRequests[] = "too-many-requests";
inline constexpr char kErrorSessionEnded[] = "session-ended";  // before there was an answer
inline constexpr char kErrorFailed[] = "failed";

inline constexpr char kSocketSuffix[] = ".sock";

// A place that can hold our sockets: ours alone, or not there yet and to be made.
inline bool control_directory_serves(const std::string& directory) {
  constexpr size_t kLongestSocketPath = 107;
  constexpr size_t kLongestPid = 7;
  if (directory.size() + 1 + kLongestPid + sizeof kSocketSuffix - 1 > kLongestSocketPath) return false;
  struct stat status {};
  if (lstat(directory.c_str(), &status) == 0) {
    return S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 077) == 0;
  }
  std::string parent = directory.substr(0, directory.rfind('/'));
  return stat(parent.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && access(parent.c_str(), W_OK | X_OK) == 0;
}

// Where the sockets of this environment's sessions are, by the same rule for both ends: $XDG_RUNTIME_DIR/vsup (without
// that variable /run/user/<uid>/vsup), or /tmp/vsup-<uid> where that does not serve. Empty: nowhere.
inline std::string control_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::string user = std::to_string(geteuid());
  std::string first = runtime != nullptr && runtime[0] == '/' ? runtime : "/run/user/" + user;
  for (const std::string& directory : {first + "/vsup", "/tmp/vsup-" + user}) {
    if (control_directory_serves(directory)) return directory;
  }
  return {};
}

}  // namespace vsup::protocol
