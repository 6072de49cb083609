// Purpose: a frame of a reported stack, and how Valgrind writes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/reports/suppressions.h"

namespace vsup::supervisor {

struct ReportFrame {
  uint64_t ip = 0;       // of a caller: within the call; 0: interpreted code
  std::string function;  // as people wrote it, empty: unknown
  std::string linkage;   // as the linker knows it
  std::string object;    // path of the module, empty: none
  std::string file;      // path of the source file, empty: unknown
  unsigned line = 0;
};

// "   at 0x10923A: main (e.c:5)" for the first frame, "   by ..." for others, a line each, without the last newline.
std::string stack_text(const std::vector<ReportFrame>& stack);

// <stack> with a <frame> for each, indented by two, as in protocol 4.
std::string stack_xml(const std::vector<ReportFrame>& stack);

std::vector<SuppressionFrame> suppression_frames(const std::vector<ReportFrame>& stack);

// "&", "<" and what is not a character of XML 1.0 replaced; broken UTF-8 becomes "?".
std::string xml_escaped(std::string_view text);

}  // namespace vsup::supervisor
