// Purpose: what /proc says about a process: mappings, signal sets, owners, names.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vsup::supervisor {

struct Mapping {
  uint64_t start = 0, end = 0;  // end is the first byte after
  uint64_t offset = 0;          // in the file
  bool readable = false, writable = false, executable = false, shared = false;
  bool file = false;  // an inode stands behind it
  uint64_t inode = 0;
  unsigned device_major = 0, device_minor = 0;
  std::string path;  // file name, escapes undone, or [heap] and the like; empty: anonymous
};

// One line of /proc/PID/maps; none when it is not one.
std::optional<Mapping> parse_maps_line(std::string_view line);
std::vector<Mapping> parse_maps(std::string_view text);
std::vector<Mapping> read_maps(pid_t pid);

// The mapping at `address`, or, when nothing is there, the next one above. Uses PROCMAP_QUERY (Linux 6.11) on the
// open /proc/PID/maps `maps_fd` and falls back to reading it. `path` is filled for executable file mappings only.
std::optional<Mapping> query_mapping(int maps_fd, uint64_t address);

// The mappings of the file that is mapped at `address`, in rising order and up to the first one of another file;
// whatever lies between them that is no file's is left out. By PROCMAP_QUERY alone: none where the kernel does not have
// it, or no file is mapped there.
std::vector<Mapping> query_file_mappings(pid_t pid, uint64_t address);

struct ProcessStatus {
  pid_t tgid = 0, ppid = 0, tracer = 0;
  uid_t uid = 0;
  char state = '?';
  int seccomp = 0;  // mode; 2: filters
  int seccomp_filters = 0;
  uint64_t memory_bytes = 0;  // present or swapped out; 0 when it has no memory any more
  uint64_t pending = 0, shared_pending = 0, blocked = 0, ignored = 0, caught = 0;  // bit n-1: signal n
};

ProcessStatus parse_status(std::string_view text);
// From an open /proc/PID/status (kept open: a pread is all it costs).
std::optional<ProcessStatus> read_status(int status_fd);
std::optional<ProcessStatus> read_status_of(pid_t pid);
// Whether a process has that much memory: more than it has it cannot have filled, whatever a table in it claims.
bool may_have_filled(pid_t pid, uint64_t bytes);
// The thread has seccomp restrictions that vsup has not: a system call that it did not choose itself may kill it.
bool is_sandboxed(pid_t tid);

// The processor that a thread runs on, or ran on last; -1 when it cannot be told.
int processor_of(pid_t tid);

std::string read_file(const std::string& path);
std::string read_link(const std::string& path);
// Takes " (deleted)" off the kernel's name of a file, and says whether it was there.
bool strip_deleted(std::string& path);
std::vector<std::string> read_command_line(pid_t pid);
std::string thread_name(pid_t pid, pid_t tid);
std::vector<pid_t> list_threads(pid_t pid);
// The leader, or where that has ended before them another thread, whose files in /proc still show the process's memory
// and names; 0 when all have ended.
pid_t living_thread(pid_t pid);
// A value of /proc/PID/auxv, by its AT_ type; 0 when absent.
uint64_t read_auxv(pid_t pid, uint64_t type);

}  // namespace vsup::supervisor
