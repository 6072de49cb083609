// Purpose: leaks, from the words of a log.txt as Memcheck 3.19 writes them: loss records with their stacks.
// Assumes: nothing about the text. Promises: pure; lines that make no sense are skipped. Of several leak searches in
// one log the last one counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vsup::supervisor::html {

struct LeakRecord {
  std::string kind;  // "definitely lost", "still reachable" ...
  uint64_t bytes = 0, blocks = 0;
  std::vector<std::string> frames;  // from the allocation outwards, "main (x.c:12)"
};

struct LeakSum {
  std::string kind;  // as a record's, and "suppressed"
  uint64_t bytes = 0, blocks = 0;
};

struct LeakLog {
  std::vector<LeakRecord> records;
  std::vector<LeakSum> sums;
};

LeakLog read_leak_log(std::string_view text);

}  // namespace vsup::supervisor::html
