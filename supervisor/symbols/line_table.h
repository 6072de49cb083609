// Purpose: source lines of many addresses of one ELF file, as fast as walking the line table once.
// Assumes: one thread at a time. Promises: a unit's table is read when the first of its addresses is asked for; asking
// in rising order costs one comparison an address. Where the line sections say all (DWARF 5), nothing else of the debug
// information is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "supervisor/symbols/symbol_module.h"

namespace vsup::supervisor {

struct SourceLine {
  uint32_t file = 0;  // index into LineTable::files(); 0: unknown
  uint32_t line = 0;
  bool operator==(const SourceLine&) const = default;
};

class LineTable {
 public:
  // `module` may be null or without debug information: then every line is unknown.
  explicit LineTable(std::unique_ptr<SymbolModule> module);

  SourceLine at(uint64_t vaddr) {
    if (vaddr - row_start_ < row_size_) return row_line_;
    return find(vaddr);
  }
  // As the compiler saw it: the compilation's directory, a slash and the name, unless that is absolute. [0] is "".
  const std::vector<std::string>& files() const { return files_; }
  bool empty() const { return dwarf_ == nullptr && image_ == nullptr; }

 private:
  struct Row {
    uint64_t start;
    SourceLine line;
  };
  struct Unit {
    uint64_t start, end;
    uint64_t offset;  // of its DIE, or with `image_` of its line number program
  };
  struct EndElf {
    void operator()(Elf* elf) const { elf_end(elf); }
  };
  SourceLine find(uint64_t vaddr);
  const Unit* unit_of(uint64_t vaddr);
  const std::vector<Row>& rows_of(uint64_t offset);
  void read_program(uint64_t offset, std::vector<Row>& rows);
  void read_unit(uint64_t offset, std::vector<Row>& rows);
  void add_rows(Dwarf_Lines* lines, size_t count, std::string_view directory, std::vector<Row>& rows);
  uint32_t file_id(const char* name, std::string_view directory);
  void sort_units();
  bool index_by_programs();
  void index_by_address_ranges();
  void index_by_units();

  std::vector<uint8_t> image_bytes_;
  std::unique_ptr<Elf, EndElf> image_;  // the line sections alone, if they are enough
  std::unique_ptr<SymbolModule> module_;
  Dwarf* dwarf_ = nullptr;  // else
  uint64_t bias_ = 0;       // debug information's address minus link-time address
  bool all_units_indexed_ = false;
  std::vector<Unit> units_;  // sorted by start
  std::unordered_map<uint64_t, std::vector<Row>> rows_;
  std::vector<std::string> files_{""};
  std::unordered_map<std::string, uint32_t> file_ids_;
  std::unordered_map<const char*, uint32_t> files_by_pointer_;  // of the unit that is being read

  // The row found last.
  uint64_t row_start_ = 0, row_size_ = 0;
  SourceLine row_line_;
  const std::vector<Row>* unit_rows_ = nullptr;
  uint64_t unit_end_ = 0;
  size_t next_row_ = 0;
};

}  // namespace vsup::supervisor
