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
};

// nullopt: no CPython interpreter in this file. `layout` lacks the code's range and what is to be done.
std::optional<PythonFound> find_python(const ElfFile& file, uint64_t bias, const ReadBytes& read_memory);

}  // namespace vsup::supervisor
