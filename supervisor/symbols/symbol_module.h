// Purpose: the symbols of one ELF file through libdw, by link-time address.
// Assumes: one thread at a time. Promises: a file that is damaged or has no symbols answers with nothing.
#pragma once

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/symbols/elf_file.h"
#include "supervisor/symbols/nearest_symbols.h"
#include "supervisor/symbols/symbol_table.h"
#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor {

class SymbolModule {
 public:
  // `name` is the path to look for separate debug files by; fd is taken over.
  static std::unique_ptr<SymbolModule> from_file(int fd, const std::string& name);
  static std::unique_ptr<SymbolModule> from_memory(std::shared_ptr<const std::vector<uint8_t>> image,
                                                   const std::string& name);
  ~SymbolModule();
  SymbolModule(const SymbolModule&) = delete;
  SymbolModule& operator=(const SymbolModule&) = delete;

  const ElfFile& elf() const { return elf_; }

  // Frames at a link-time address, innermost first, without address and module. Empty: unknown.
  const std::vector<Frame>& frames_at(uint64_t vaddr);

  // Name of the function there as the symbol tables have it, mangled: quick, no debug information is opened. Of several
  // names for a function the one that Valgrind shows, and suppressions mean. Empty: unknown.
  std::string linkage_name(uint64_t vaddr);

  // Whether there may be debug information, which knows functions that linkage_name() does not. Quick.
  bool may_have_debug_information();

  // The debug information, looked for on the first call; null: there is none. *bias: its addresses are link-time
  // addresses plus this.
  Dwarf* dwarf(uint64_t* bias);

  // What the first look-up would have to do: opens the symbols and the debug information, and sorts them by address.
  void prepare();

  // The line sections alone, of this file or its debug file, with link-time addresses. Empty: there are none on this
  // machine.
  std::vector<uint8_t> line_image();

 private:
  explicit SymbolModule(ElfFile elf) : elf_(std::move(elf)) {}
  std::vector<Frame> find_frames(uint64_t vaddr);
  std::vector<Frame> find_debug_frames(uint64_t address);
  const char* nearest_symbol(uint64_t address, uint64_t* offset);
  void index_units();

  struct FunctionRange {
    uint64_t start, end;
    Dwarf_Die die;
  };
  bool find_function(Dwarf_Die* unit, uint64_t pc, Dwarf_Die* function);
  static void index_functions(Dwarf_Die* parent, size_t& budget, int depth, std::vector<FunctionRange>& ranges);

  struct UnitRange {
    uint64_t end;
    uint64_t die_offset;
  };

  void open_debug_information();
  void read_symbols();

  ElfFile elf_;
  int fd_ = -1;  // of the file, until debug information is asked for
  std::string name_;
  std::unique_ptr<SymbolTable> symbols_;     // made for the first address
  bool has_debug_file_ = false;              // found then
  std::unique_ptr<NearestSymbols> nearest_;  // likewise
  std::shared_ptr<const std::vector<uint8_t>> memory_;
  Dwfl* dwfl_ = nullptr;
  Dwfl_Module* module_ = nullptr;
  uint64_t bias_ = 0;  // address for libdwfl minus link-time address
  bool units_indexed_ = false;
  std::map<uint64_t, UnitRange> units_;  // by start, link-time: for compilers that write no .debug_aranges
  std::unordered_map<Dwarf_CU*, std::vector<FunctionRange>> functions_;  // sorted, of the units asked for so far
  std::unordered_map<uint64_t, std::vector<Frame>> cache_;
};

// Opens the file that `module` was mapped from, if it is still that one (same build id, where there is one);
// the process's own root directory counts. -1 if there is none. *path: what was opened.
int open_module_file(const Module& module, pid_t pid, std::string* path);

}  // namespace vsup::supervisor
