// Purpose: the data of a process's libraries as it was before the C library freed what it keeps for itself at the end:
// doing that, glibc closes libraries, and with them others that these had loaded, whose globals are still pointers of
// the program's.
// Assumes: taken while the process stands still. Promises: plain data.
#pragma once

#include <cstdint>
#include <vector>

#include "supervisor/reports/leaks/memory_ranges.h"
#include "supervisor/session/stopped_process.h"
#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor::leaks {

struct SavedMemory {
  uint64_t start = 0;
  std::vector<uint8_t> bytes;
};

struct LibraryData {
  ModuleMap modules;  // inspected
  std::vector<SavedMemory> memory;
};

LibraryData take_library_data(const StoppedProcess& process);

// What of it was in modules that are not there any more.
std::vector<SavedMemory> of_gone_libraries(const LibraryData& data, const ModuleMap& now);

}  // namespace vsup::supervisor::leaks
