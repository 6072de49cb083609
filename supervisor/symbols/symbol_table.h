// Purpose: which function holds an address: every function of one ELF file as flat, sorted ranges.
// Assumes: nothing about the file. Promises: pread only, no DWARF, so it is quick for files that are never debugged; a
// damaged table gives fewer names. Sources, in this order: .symtab of the file or of its separate debug file, .dynsym,
// the entries of the procedure linkage tables, and for code that nothing names the function starts in .eh_frame_hdr.
// Of several names at one address the one is taken that Valgrind takes: shortest before '@', then the versioned, then
// the alphabetically first.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

struct FunctionSymbol {
  enum class Kind : uint8_t { kSymbol, kPlt, kUnnamed };
  uint64_t start = 0, end = 0;  // link-time addresses
  std::string_view name;        // linkage name; of a PLT entry the function it leads to; may be empty
  Kind kind = Kind::kSymbol;
};

class SymbolTable {
 public:
  static constexpr uint32_t kNone = ~0u;

  // `debug_file`: the separate debug file, or null. Neither is needed later.
  SymbolTable(const ElfFile& file, const ElfFile* debug_file);

  // Index into functions() of the innermost function that holds the address.
  uint32_t find(uint64_t vaddr) const;
  const std::vector<FunctionSymbol>& functions() const { return functions_; }

 private:
  struct Piece {
    uint64_t start, end;
    uint32_t function;
  };
  struct Area {
    uint64_t start, end;
  };
  void collect_areas(const ElfFile& file);
  void collect_symbols(const ElfFile& file, const char* section_name, std::vector<FunctionSymbol>& found);
  void collect_plt(const ElfFile& file, std::vector<FunctionSymbol>& found);
  void collect_frame_starts(const ElfFile& file, std::vector<uint64_t>& starts);
  const Area* area_of(uint64_t vaddr) const;
  static bool preferred(std::string_view a, std::string_view b);
  void settle(std::vector<FunctionSymbol>& found);
  void fill_gaps(const std::vector<uint64_t>& starts);

  std::vector<Area> areas_;  // executable sections, else segments; sorted
  std::vector<FunctionSymbol> functions_;
  std::vector<Piece> pieces_;  // sorted, disjoint
  std::vector<std::vector<uint8_t>> strings_;
};

// The separate debug file of `file`, by build id or debug link; nullopt if there is none. `path` is the file's own.
std::optional<ElfFile> open_debug_file(const ElfFile& file, const std::string& path);

}  // namespace vsup::supervisor
