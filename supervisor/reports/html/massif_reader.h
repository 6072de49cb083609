// Purpose: read a massif.out again: ours or Valgrind's. The format is undocumented; this follows what massif 3.19
// writes and ms_print reads.
// Assumes: nothing about the text. Promises: pure; a snapshot that makes no sense ends the reading, what came before it
// is kept; nullopt if it is no such file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/reports/callgrind/collapsed_writer.h"

namespace vsup::supervisor::html {

struct MassifSnapshot {
  enum class Kind { kNormal, kDetailed, kPeak };

  uint64_t number = 0, time = 0, heap = 0, extra = 0, stacks = 0;
  Kind kind = Kind::kNormal;
  // The tree turned round: from the program's start to the allocating call. Callers below massif's threshold are
  // frames with massif's own words.
  callgrind::NamedStacks tree;
};

struct MassifFile {
  std::string description, command, time_unit;
  std::vector<MassifSnapshot> snapshots;
};

std::optional<MassifFile> read_massif(std::string_view text);

}  // namespace vsup::supervisor::html
