// Purpose: the allocation functions that an ELF file defines, by the names of protocol/alloc_functions.def.
// Assumes: nothing about the file. Promises: .symtab and .dynsym, so static executables too; each address once; a
// damaged table gives fewer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

struct AllocationFunction {
  uint64_t vaddr = 0, size = 0;  // size 0: not known
  protocol::HeapFunction function = protocol::HeapFunction::kMalloc;
};

// What to look for beside them; C++ names as people write them.
using NamedFunctions = std::map<std::string, protocol::NamedKind>;

struct NamedFunction {
  uint64_t vaddr = 0, size = 0;
  protocol::NamedKind kind = protocol::kNamedAllocator;
};

struct AllocationFunctions {
  std::vector<NamedFunction> named;
  std::vector<AllocationFunction> functions;  // sorted by address
  uint64_t debug_state = 0;                   // _dl_debug_state, which the loader calls when modules come and go
};

AllocationFunctions find_allocation_functions(const ElfFile& file, const NamedFunctions& named = {});

}  // namespace vsup::supervisor
