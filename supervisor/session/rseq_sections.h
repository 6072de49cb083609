// Purpose: tells programs with restartable sequences (rseq) of their own, whose abort addresses mean nothing to code in
// the cache. By convention their descriptors are in a section __rseq_cs, where debuggers look for them.
// Source: include/uapi/linux/rseq.h, Linux 6.18; librseq and tcmalloc for the section.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "supervisor/ptrace/proc_files.h"

namespace vsup::supervisor {

class RseqSections {
 public:
  // Whether a file has sequences. It may be anything; what is not an ELF file has none.
  bool in_file(const std::string& path);

  // Whether a process in which `tid` is stopped and registered has: in a module, or in the thread's hand right now.
  bool in_process(pid_t tid);

 private:
  std::map<std::string, bool> files_;
};

}  // namespace vsup::supervisor
