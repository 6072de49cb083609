// Purpose: callgrind.out, for callgrind_annotate, KCachegrind and others.
// Format: Valgrind's manual, "Callgrind Format Specification" (cl-format), version 1.
// Promises: pure; names of tracees (any bytes) cannot break a line; what callgrind_annotate sums equals `summary`.
#pragma once

#include <string>
#include <vector>

#include "supervisor/reports/callgrind/group.h"

namespace vsup::supervisor::callgrind {

struct WriterOptions {
  bool dump_line = true;  // without dump_instr it is taken as given
  bool dump_instr = false;
  bool compress_strings = true;  // names are written once
  bool compress_pos = true;      // positions relative to the last one
  bool combine_dumps = false;    // one file for all parts and threads
  bool separate_threads = false;

  GroupOptions group_options() const { return {dump_instr, dump_line || !dump_instr, separate_threads}; }
};

struct OutputFile {
  std::string name;
  std::string content;
  bool append = false;  // to what earlier dumps of this process wrote there
};

// `base_name` is what --callgrind-out-file gave for this process. `numbered`: a dump in the middle of the run, whose
// part shows in the name as .PART; the last one, at the end, has none. Each thread's file of its own ends in -THREAD.
std::vector<OutputFile> write_callgrind(const Grouped& profile, const WriterOptions& options,
                                        const std::string& base_name, bool numbered);

}  // namespace vsup::supervisor::callgrind
