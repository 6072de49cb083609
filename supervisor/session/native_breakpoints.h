// Purpose: the few places in native code at which a thread stops, so that a program that runs native can switch
// instrumentation on by a client request: the ends of request sequences, and what tells of newly mapped modules.
// Assumes: the threads of the address space stand still while breakpoints are set or removed.
// Promises: every byte is put back; code that has changed meanwhile is left alone.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "supervisor/ptrace/loader_modules.h"
#include "supervisor/session/request_sites.h"

namespace vsup::supervisor {

struct NativeBreakpoint {
  enum class Kind {
    kRequest,  // the xchg of a client request
    kEntry,    // the program's first instruction: the loader has mapped what the program needs
    kLoader,   // the function that the dynamic loader calls before and after it maps modules
  };
  uint64_t address = 0;
  uint8_t original = 0;
  Kind kind = Kind::kRequest;
  bool set = true;
};

// The call by which the loader says that it is about to add modules: there is nothing to be seen then, and it would
// stop as often as when it has added them.
struct QuietCall {
  uint64_t address = 0;
  std::array<uint8_t, 5> original{};
  bool set = true;
};

class NativeBreakpoints {
 public:
  // Looks for what is not known yet and sets everything. `tid`: a stopped thread.
  void set(pid_t tid, RequestSiteCache& sites);
  // The thread has stopped in the function that the loader calls, and will return to `caller`.
  void come_by_loader(pid_t tid, uint64_t caller, RequestSiteCache& sites);
  void remove(pid_t tid);
  void drop(pid_t tid, uint64_t address);

  // What was ever set at `address`: a thread may report it after it was removed.
  std::optional<NativeBreakpoint> at(uint64_t address) const;
  bool active() const { return active_; }

 private:
  // Executable mappings of files: start, end, offset, inode.
  using Seen = std::tuple<uint64_t, uint64_t, uint64_t, uint64_t>;

  void look(pid_t tid, const r_debug& loader, RequestSiteCache& sites);
  // False when that cannot be done without the memory map.
  bool set_in_modules(pid_t tid, const std::vector<LoaderModule>& modules, RequestSiteCache& sites);
  void set_in_mappings(pid_t tid, RequestSiteCache& sites);
  void set_in(pid_t tid, const Seen& mapped, const std::string& path, RequestSiteCache& sites);
  void quieten(pid_t tid, uint64_t caller, uint64_t function);
  void add(pid_t tid, uint64_t address, NativeBreakpoint::Kind kind);
  void take_out(pid_t tid, NativeBreakpoint& one);

  LoaderModules modules_;
  std::set<Seen> seen_;  // looked through; the loader tells of each change
  std::vector<NativeBreakpoint> known_;
  std::optional<QuietCall> quiet_;
  bool active_ = false;
  bool entry_known_ = false;
};

}  // namespace vsup::supervisor
