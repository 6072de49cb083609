// Purpose: the memory that CPython's allocator of small objects cuts its blocks from: what is free in it holds old
// pointers, and what lies beside it, in the same mapping, is the program's.
// Promises: trusts nothing that it reads; takes a part of memory for the allocator's only if its own headers say so.
//
//   arena:  [pool][pool][pool]...        1 MiB of pools of 16 KiB, before 3.10 256 KiB of pools of 4 KiB
//   pool:   [header, 48 bytes][block][block]...   all of one size
//
// Source: struct pool_header, Objects/obmalloc.c of 3.8 to 3.11, Include/internal/pycore_obmalloc.h of 3.12 and 3.13.
#pragma once

#include <vector>

#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/memory_ranges.h"

namespace vsup::supervisor::leaks {

struct PythonArenas {
  std::vector<Range> ranges;  // from an arena's first to its last pool that was ever used, normalized
  bool large_pools = false;   // of 3.10 or later
};

// `blocks` are normalized.
PythonArenas find_python_arenas(const Blocks& blocks, const ReadMemory& read);

}  // namespace vsup::supervisor::leaks
