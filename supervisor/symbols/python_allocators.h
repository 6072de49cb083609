// Purpose: where a CPython keeps the pointers to the functions that allocate its small objects, as PyMem_SetAllocator
// would change them. Entries of these functions would not do: optimized builds have them inlined behind a comparison of
// such a pointer.
// Assumes: a PythonFound of this process. Promises: pointers are answered only where all of an allocator's functions
// lie in the interpreter's code; otherwise, as before relocation, none.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/symbols/python_layout.h"

namespace vsup::supervisor {

struct AllocatorPointer {
  uint64_t address = 0;  // of the pointer
  protocol::HeapFunction function = protocol::HeapFunction::kPythonMalloc;
};

// Of the domains obj and mem.
std::vector<AllocatorPointer> find_object_allocators(const PythonFound& python, const ReadBytes& read_memory);
// Of what takes the arenas beneath from the system.
std::vector<AllocatorPointer> find_arena_allocator(const PythonFound& python, const ReadBytes& read_memory);

}  // namespace vsup::supervisor
