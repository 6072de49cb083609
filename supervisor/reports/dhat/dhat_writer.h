// Purpose: the text of a dhat.out file, JSON, version 2 of the format. Source: Valgrind 3.19's dhat/dh_main.c (comment
// on the format) and dh_view.js, which checks every mandatory member; Firefox Profiler's importer
// (src/profile-logic/import/dhat.ts) reads the same, and takes "0xADDRESS: FUNCTION (FILE:LINE)" apart.
// What was not measured is left out as the format has it: "bkacc": false, and no rb, wb, acc in the sites.
// Promises: pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vsup::supervisor::dhat {

// A place that allocates. Lifetimes and times are in the file's unit.
struct Site {
  std::vector<uint32_t> frames;  // of DhatFile::frames, innermost first
  uint64_t total_bytes = 0, total_blocks = 0;
  uint64_t lifetimes = 0;                    // of all its blocks together
  uint64_t max_bytes = 0, max_blocks = 0;    // its own most
  uint64_t peak_bytes = 0, peak_blocks = 0;  // when the whole heap was fullest
  uint64_t end_bytes = 0, end_blocks = 0;
};

struct DhatFile {
  std::string command;
  pid_t pid = 0;
  std::string time_unit, time_unit_million;  // "us", "s"
  uint64_t short_lived = 0;                  // a mean lifetime up to this is called short
  uint64_t end_time = 0, peak_time = 0;
  std::vector<std::string> frames;  // "0x401136: main (x.c:12)"
  std::vector<Site> sites;
};

std::string write_dhat(const DhatFile& file);

}  // namespace vsup::supervisor::dhat
