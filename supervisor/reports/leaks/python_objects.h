// Purpose: pointers by which CPython keeps its own blocks although they do not point to a block's start: an object lies
// behind its garbage collector's header, an instance's values behind the order of their insertion.
// Assumes: asked in the order of addresses it is fast. Promises: trusts nothing that it reads.
//
//   block ──> [dict, values or weak references] [next, previous] object: [references, type] ...   16 or 32 bytes before
//   block ──> [ ... used, prefix size] values: [object, object, ...]                              3.11 and 3.12
//
// Sources: PyGC_Head and _PyType_PreHeaderSize (Include/internal/pycore_gc.h, pycore_object.h of 3.11 and 3.12),
// PyTypeObject (Include/cpython/object.h, the same from 3.8 to 3.13), new_values (Objects/dictobject.c of 3.11),
// _PyDictOrValues_SetValues (3.12), which keeps values less 1; _Py_IMMORTAL_REFCNT (Include/object.h of 3.12).
#pragma once

#include <cstdint>
#include <unordered_map>

#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/memory_ranges.h"

namespace vsup::supervisor::leaks {

class PythonObjects {
 public:
  explicit PythonObjects(const ReadMemory& read) : read_(read), page_(read) {}

  // Whether `pointer`, which points into `block` but not to its start, is one that CPython keeps the block by.
  bool keeps(const Block& block, uint64_t pointer);

  // Whether `block` is an object that is never freed, by its count of references (3.12 and 3.13): all interned strings
  // are, and at the end the interpreter forgets them.
  bool is_immortal(const Block& block);

  // Whether `block` is in a list of the garbage collector's: what points to its header is that list, and keeps nothing.
  enum class Collected : uint8_t { kNo, kAtStart, kInside };  // where its header is
  Collected collected(const Block& block);

 private:
  bool is_object(uint64_t address, uint64_t offset);
  bool is_values(const Block& block, uint64_t address);
  uint64_t type_flags(uint64_t type);  // 0: no type; kIsType is set otherwise
  bool is_metatype(uint64_t type);

  struct TypeFacts {
    bool readable = false;
    uint64_t type = 0, flags = 0;
  };
  TypeFacts read_type(uint64_t type) const;

  const ReadMemory& read_;
  PageReader page_;
  std::unordered_map<uint64_t, uint64_t> types_;
  std::unordered_map<uint64_t, bool> metatypes_;
};

}  // namespace vsup::supervisor::leaks
