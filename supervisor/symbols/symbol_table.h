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
  uint64_t start = 0;     // link-time address
  std::string_view name;  // linkage name; of a PLT entry the function it leads to; may be empty
  Kind kind = Kind::kSymbol;
};

// Programs map hundreds of files at once, so little is kept of each: 12 bytes a function and its name.
class SymbolTable {
 public:
  static constexpr uint32_t kNone = ~0u;

  // `debug_file`: the separate debug file, or null. Neither is needed later.
  SymbolTable(const ElfFile& file, const ElfFile* debug_file);

  // Index of the innermost function that holds the address.
  uint32_t find(uint64_t vaddr) const;
  uint32_t size() const { return static_cast<uint32_t>(pieces_.size()); }
  // `index` < size(); a function that others begin within has several. The name is valid as long as the table.
  FunctionSymbol function(uint32_t index) const;

 private:
  // Pieces from `first` on lie in the 4 GiB from `base`.
  struct Chunk {
    uint64_t base;
    uint32_t first;
  };
  // The first piece of a function is its record, whose index is the function's.
  struct Piece {
    uint32_t start;        // from the chunk's base
    uint32_t size;         // of a longer one, which makes no sense, the largest
    uint32_t detail : 30;  // where the name begins in names_; of a later piece, the function's index
    uint32_t kind : 2;     // FunctionSymbol::Kind, or kLater
  };
  static constexpr uint32_t kLater = 3, kMostDetail = (1u << 30) - 1;
  void add_piece(uint64_t start, uint64_t end, uint32_t detail, uint32_t kind);
  uint32_t add_name(std::string_view name, uint64_t most_bytes);

  std::vector<Piece> pieces_;  // sorted, disjoint
  std::vector<Chunk> chunks_;  // sorted
  std::vector<char> names_;    // each ends in a zero; the first is empty
};

// The separate debug file of `file`, by build id or debug link; nullopt if there is none. `path` is the file's own.
std::optional<ElfFile> open_debug_file(const ElfFile& file, const std::string& path);

}  // namespace vsup::supervisor
