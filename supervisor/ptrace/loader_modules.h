// Purpose: what a dynamic loader tells of the modules that it has mapped, read from its list, which costs less than
// reading /proc/PID/maps when a program loads hundreds of them one by one.
// Assumes: the threads of the address space stand still.
#pragma once

#include <link.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vsup::supervisor {

struct LoaderModule {
  uint64_t bias = 0;
  std::string path;  // as the loader opened it: perhaps relative, perhaps a link
};

// The part of a module's file that is mapped executable.
struct CodeRange {
  uint64_t start = 0, end = 0;  // whole pages
  uint64_t offset = 0;          // in the file
};

class LoaderModules {
 public:
  // Without r_brk: there is no dynamic loader, or it has not started.
  r_debug state(pid_t tid);

  // What was appended since the last call. Nothing when that cannot be told: at the first call, after forget(), or when
  // the list makes no sense.
  std::optional<std::vector<LoaderModule>> added(pid_t tid, const r_debug& loader);

  // Modules are about to go: the list's end may go with them.
  void forget() { tail_ = 0; }

 private:
  uint64_t debug_ = 0;  // address of the loader's r_debug
  uint64_t tail_ = 0;   // of the last link_map seen
};

// From the program headers in memory; nothing when they are not there.
std::vector<CodeRange> code_of(pid_t tid, const LoaderModule& module);

}  // namespace vsup::supervisor
