// Purpose: what process.json and session.json say, as data and as JSON text.
// Assumes: strings come from tracees: any bytes. Promises: pure; the text is valid UTF-8 JSON whatever the strings
// hold.
//
// process.json, one process image (times are UTC, ISO 8601 with microseconds; a member without a value is absent):
//   pid, parent (pid of the traced parent, 0: none), image (counts this pid's execs), previous (directory of the image
//   that executed this one), executable, arguments[], tool, state (running, exited, killed, execed, detached),
//   mode (instrumented, native, not-traceable), note, started, ended, seconds, exit_status, signal {number, name,
//   core_dumped}, toggles[{time, on}], modules[{path, start, end, offset, build_id}], notes[], crash[] (lines),
//   counters{name: value}
// session.json:
//   vsup (version), pid, command[], attached[] (pids, instead of a command), options[], tool, directory, socket,
//   state (running, ended), started, ended, seconds, exit_status or signal, processes[{pid, parent, image, directory,
//   executable, arguments[], state, mode, started, ended, exit_status or signal}] in the order they began: the tree by
//   `parent`
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/session/controller.h"

namespace vsup::supervisor {

enum class ImageState { kRunning, kExited, kKilled, kExeced, kDetached };

const char* image_state_name(ImageState state);
const char* process_mode_name(ProcessMode mode);

struct ModuleRecord {
  std::string path;
  uint64_t start = 0, end = 0, offset = 0;
  std::string build_id;  // hexadecimal, empty: none
};

struct ToggleRecord {
  double time_seconds = 0;
  bool on = false;
};

struct ProcessRecord {
  pid_t pid = 0;
  pid_t parent = 0;
  unsigned image = 0;
  std::string previous;
  std::string directory;  // relative to the session's
  std::string executable;
  std::vector<std::string> arguments;
  std::string tool;
  ImageState state = ImageState::kRunning;
  ProcessMode mode = ProcessMode::kNative;
  std::string note;
  double started_seconds = 0;  // CLOCK_REALTIME
  double ended_seconds = 0;
  int wait_status = 0;  // once exited or killed
  std::vector<ToggleRecord> toggles;
  std::vector<ModuleRecord> modules;
  std::vector<std::string> notes;
  std::vector<std::string> crash;
  std::vector<CounterValue> counters;
};

struct SessionRecord {
  pid_t pid = 0;
  std::string version;
  std::vector<std::string> command;
  std::vector<pid_t> attached;
  std::vector<std::string> options;
  std::string tool;
  std::string directory;
  std::string socket;
  bool ended = false;
  bool in_background = false;  // the program has ended; daemons that it left are recorded on
  double started_seconds = 0;
  double ended_seconds = 0;
  int wait_status = 0;
};

std::string process_json(const ProcessRecord& record);

// `rows` are session_row()s: text that does not change any more is made once.
std::string session_json(const SessionRecord& session, const std::vector<std::string>& rows);
std::string session_row(const ProcessRecord& record);

// "2026-01-31T12:00:00.000000Z"
std::string iso_time(double seconds);

// "SIGSEGV", or "signal 42" for one without a name.
std::string signal_name(int number);

// "exited with status 3", "killed by SIGSEGV (core dumped)".
std::string describe_wait_status(int wait_status);

}  // namespace vsup::supervisor
