// Source of the structures: PyMemAllocatorEx (ctx, malloc, calloc, realloc, free) and PyObjectArenaAllocator (ctx,
// alloc, free) of Include/cpython/objimpl.h and pymem.h; from 3.12 on they are members of _PyRuntimeState,
// allocators.standard.mem, .obj and allocators.obj_arena (Include/internal/pycore_pymem.h and pycore_runtime.h
// of 3.12.1 and 3.13.0); before, they are static, and the functions that use them first load from them.
#include "supervisor/symbols/python_allocators.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

namespace vsup::supervisor {

namespace {

using protocol::HeapFunction;

constexpr HeapFunction kDomain[] = {HeapFunction::kPythonMalloc, HeapFunction::kPythonCalloc,
                                    HeapFunction::kPythonRealloc, HeapFunction::kPythonFree};
constexpr HeapFunction kArena[] = {HeapFunction::kPythonMalloc, HeapFunction::kPythonFree};
constexpr size_t kSearched = 64;  // bytes at a function's start

// Whether behind the word at `structure` there are `count` different pointers into the interpreter's code.
bool is_allocator(const PythonFound& python, uint64_t structure, size_t count, const ReadBytes& read_memory) {
  uint64_t functions[4] = {};
  if (structure % 8 != 0 || !read_memory(structure + 8, functions, count * sizeof(uint64_t))) return false;
  for (size_t i = 0; i < count; ++i) {
    if (functions[i] < python.code_start || functions[i] >= python.code_end) return false;
    if (std::find(functions, functions + i, functions[i]) != functions + i) return false;
  }
  return true;
}

// The first address in the code at `function` that is one of an allocator or of its first function pointer.
std::optional<uint64_t> search_code(const PythonFound& python, uint64_t function, size_t count,
                                    const ReadBytes& read_memory) {
  uint8_t code[kSearched];
  if (function == 0 || !read_memory(function, code, sizeof code)) return std::nullopt;
  for (size_t at = 0; at + 4 <= sizeof code; ++at) {
    int32_t number = 0;
    std::memcpy(&number, code + at, sizeof number);
    const uint64_t relative = function + at + 4 + static_cast<uint64_t>(int64_t{number});
    for (const uint64_t address : {relative, uint64_t{static_cast<uint32_t>(number)}}) {
      for (const uint64_t structure : {address, address - 8})
        if (is_allocator(python, structure, count, read_memory)) return structure;
    }
  }
  return std::nullopt;
}

struct RuntimeOffsets {
  uint64_t mem, obj, arena;
};

std::optional<RuntimeOffsets> offsets_of(unsigned minor) {
  if (minor == 12) return RuntimeOffsets{136, 176, 360};
  if (minor == 13) return RuntimeOffsets{744, 784, 976};
  return std::nullopt;
}

std::optional<uint64_t> structure_at(const PythonFound& python, uint64_t RuntimeOffsets::*member, uint64_t function,
                                     size_t count, const ReadBytes& read_memory) {
  const auto offsets = offsets_of(python.minor);
  if (!offsets) return search_code(python, function, count, read_memory);
  const uint64_t structure = python.runtime + *offsets.*member;
  if (!is_allocator(python, structure, count, read_memory)) return std::nullopt;
  return structure;
}

void append(std::vector<AllocatorPointer>& pointers, uint64_t structure, std::span<const HeapFunction> functions) {
  for (size_t i = 0; i < functions.size(); ++i) pointers.push_back({structure + 8 + 8 * i, functions[i]});
}

}  // namespace

std::vector<AllocatorPointer> find_object_allocators(const PythonFound& python, const ReadBytes& read_memory) {
  std::vector<AllocatorPointer> pointers;
  const auto obj = structure_at(python, &RuntimeOffsets::obj, python.object_malloc, std::size(kDomain), read_memory);
  const auto mem = structure_at(python, &RuntimeOffsets::mem, python.memory_malloc, std::size(kDomain), read_memory);
  if (!obj || !mem || *obj == *mem) return pointers;
  append(pointers, *obj, kDomain);
  append(pointers, *mem, kDomain);
  return pointers;
}

std::vector<AllocatorPointer> find_arena_allocator(const PythonFound& python, const ReadBytes& read_memory) {
  std::vector<AllocatorPointer> pointers;
  const auto arena =
      structure_at(python, &RuntimeOffsets::arena, python.arena_allocator, std::size(kArena), read_memory);
  if (arena) append(pointers, *arena, kArena);
  return pointers;
}

}  // namespace vsup::supervisor
