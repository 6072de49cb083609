// Purpose: Valgrind's XML output, protocol 4 (docs/internals/xml-output-protocol4.txt of Valgrind 3.19), the one that
// Qt Creator, Jenkins and ValgrindCI read.
// Promises: well-formed whatever the names hold.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/reports/report_frame.h"

namespace vsup::supervisor {

struct XmlProgram {
  pid_t pid = 0, parent = 0;
  std::vector<std::string> preamble;    // lines
  std::string user_comment;             // --xml-user-comment, as it is
  std::vector<std::string> vsup_words;  // [0] the executable
  std::vector<std::string> program_words;
  double started_seconds = 0, ended_seconds = 0;  // since vsup began
};

// An error about memory that was leaked.
struct XmlLeak {
  uint64_t unique = 0;
  std::string kind;  // Leak_DefinitelyLost, ...
  std::string text;
  uint64_t bytes = 0, blocks = 0;
  std::vector<ReportFrame> stack;
  std::string suppression;        // generated, empty: none
  std::string suppression_kinds;  // its match-leak-kinds
};

struct XmlSuppressionCount {
  uint64_t count = 0;
  std::string name;
};

std::string valgrind_xml(const XmlProgram& program, const std::vector<XmlLeak>& leaks,
                         const std::vector<XmlSuppressionCount>& suppressions);

}  // namespace vsup::supervisor
