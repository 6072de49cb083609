// Purpose: an address in a process to function, source line and inlined callers, by libdw.
// Assumes: a ModuleMap taken earlier; the process may be gone by now. Debug information comes from the file itself,
// /usr/lib/debug (build id or debug link), and debuginfod where DEBUGINFOD_URLS is set (libdw's own rule); without
// any, .symtab, .gnu_debugdata and .dynsym serve.
// Promises: no ptrace, nothing but files: use it on any thread, one call at a time runs. It may take seconds (large
// debug files, network), so not the event loop's thread. Modules are cached by build id, else path, size and mtime.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor {

struct Frame {
  uint64_t address = 0;  // in the process; of a caller: the return address
  std::string function;  // demangled; empty if unknown
  uint64_t offset = 0;   // of the address from the function's start; 0 in an inlined frame
  std::string module;    // path of the file; empty: none (generated code)
  std::string file;      // source file as the compiler saw it, made absolute; of Cython's code the .pyx; empty: unknown
  unsigned line = 0;     // 0 if unknown
  bool inlined = false;  // inlined into the next frame, whose address it shares
  bool guessed = false;  // a caller found by searching the stack for return addresses
  // As suppressions name it: the symbol, or for an inlined function the bare name in the debug information.
  std::string linkage{};
};

class Symbolizer {
 public:
  Symbolizer();
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  // Innermost first; never empty: the last frame is not inlined and may be bare. `lookup` is the address to look up:
  // that of the instruction itself, or for a caller any byte of the call (return address - 1).
  std::vector<Frame> symbolize(const ModuleMap& modules, uint64_t address, uint64_t lookup);
  std::vector<Frame> symbolize(const ModuleMap& modules, uint64_t address) {
    return symbolize(modules, address, address);
  }

  // Name of the function that holds an address, mangled, by symbol tables alone; empty if they have none. Quick: no
  // debug information is opened.
  std::string linkage_name(const ModuleMap& modules, uint64_t lookup);

  // Whether debug information may know a function there that linkage_name() does not. Quick.
  bool may_have_debug_information(const ModuleMap& modules, uint64_t lookup);

  // Of the module at an address, so that later questions find it open and sorted.
  void open_debug_information(const ModuleMap& modules, uint64_t address);

  // How many modules are held open, for tests and statistics.
  size_t cached_modules() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// "function+0x12 (file.cpp:34)" or "0x7f.. (in libfoo.so)": one frame as Valgrind-like text.
std::string describe(const Frame& frame);

}  // namespace vsup::supervisor
