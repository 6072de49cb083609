// Purpose: the functions and lines of mapped files, kept from one process and one dump to the next.
// Assumes: one thread at a time. Promises: plain files; the process may be gone. A file that is not the mapped one any
// more (another build id) counts as having no symbols.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "supervisor/symbols/line_table.h"
#include "supervisor/symbols/module_map.h"
#include "supervisor/symbols/symbol_table.h"

namespace vsup::supervisor {

class ModuleCode {
 public:
  // Null if the file cannot be had.
  static std::unique_ptr<ModuleCode> open(const Module& module, pid_t pid);

  const SymbolTable& symbols() const { return symbols_; }
  LineTable& lines();  // opens the debug information on the first call
  // Address in the process minus link-time address.
  std::optional<uint64_t> bias_of(const Module& module) const;

 private:
  ModuleCode(ElfFile elf, const ElfFile* debug, Module module, pid_t pid);

  ElfFile elf_;
  Module module_;
  pid_t pid_;
  SymbolTable symbols_;
  bool has_lines_ = false;
  std::optional<LineTable> lines_;
};

class ModuleCodeCache {
 public:
  static constexpr size_t kMaxModules = 4096;

  // Null: no symbols to be had. Valid until the cache ends.
  ModuleCode* find(const Module& module, pid_t pid);

 private:
  std::map<std::string, std::unique_ptr<ModuleCode>> cache_;
};

}  // namespace vsup::supervisor
