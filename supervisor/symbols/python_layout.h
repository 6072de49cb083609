// Purpose: recognises a CPython in a process and says how its agent finds the frames of Python functions.
// Assumes: a module that was inspected; the process's memory can be read.
// Promises: 3.8 to 3.13, 64-bit, with the GIL; of anything else it says in one line why not.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/callstack.h"
#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

struct PythonFound {
  unsigned minor = 0;  // of version 3, 0: not known
  std::optional<protocol::PythonLayout> layout;
  std::string refusal;  // why there is no layout

  // Addresses in the process, 0: not known.
  uint64_t runtime = 0;                                                // _PyRuntime
  uint64_t object_malloc = 0, memory_malloc = 0, arena_allocator = 0;  // PyObject_Malloc and so on
  uint64_t module_start = 0, module_end = 0;
  uint64_t code_start = 0, code_end = 0;
};

// nullopt: no CPython interpreter in this file. What the file does not say is left open: the ranges of module and code,
// and what is to be done.
std::optional<PythonFound> find_python(const ElfFile& file, uint64_t bias, const ReadBytes& read_memory);

}  // namespace vsup::supervisor
