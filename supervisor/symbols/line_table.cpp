#include "supervisor/symbols/line_table.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <algorithm>

#include "supervisor/symbols/line_image.h"
#include "supervisor/symbols/line_programs.h"

namespace vsup::supervisor {

LineTable::LineTable(std::unique_ptr<SymbolModule> module) : module_(std::move(module)) {
  if (!module_) return;
  image_bytes_ = module_->line_image();
  if (index_by_programs()) {
    module_.reset();
    return;
  }
  std::vector<uint8_t>().swap(image_bytes_);
  dwarf_ = module_->dwarf(&bias_);
  if (dwarf_) index_by_address_ranges();
}

SourceLine LineTable::find(uint64_t vaddr) {
  if (empty()) return {};
  uint64_t address = vaddr + bias_;
  // The next row of the same unit, as a rule.
  bool is_next = unit_rows_ && address < unit_end_ && next_row_ + 1 < unit_rows_->size() &&
                 address >= (*unit_rows_)[next_row_].start && address < (*unit_rows_)[next_row_ + 1].start &&
                 (*unit_rows_)[next_row_].line.file != 0;
  size_t index = next_row_;
  if (!is_next) {
    const Unit* unit = unit_of(address);
    if (!unit && dwarf_ && !all_units_indexed_) {
      index_by_units();
      unit = unit_of(address);
    }
    if (!unit) {
      // Nothing up to the next unit.
      auto after = std::upper_bound(units_.begin(), units_.end(), address,
                                    [](uint64_t value, const Unit& other) { return value < other.start; });
      row_start_ = vaddr;
      row_size_ = after == units_.end() ? 1 : after->start - address;
      row_line_ = {};
      unit_rows_ = nullptr;
      return row_line_;
    }
    unit_rows_ = &rows_of(unit->offset);
    unit_end_ = unit->end;
    auto after = std::upper_bound(unit_rows_->begin(), unit_rows_->end(), address,
                                  [](uint64_t value, const Row& row) { return value < row.start; });
    if (after == unit_rows_->begin() || after == unit_rows_->end()) {
      row_start_ = vaddr;
      row_size_ = 1;
      row_line_ = {};
      unit_rows_ = nullptr;
      return row_line_;
    }
    index = static_cast<size_t>(after - unit_rows_->begin()) - 1;
  }
  const Row& row = (*unit_rows_)[index];
  row_start_ = row.start - bias_;
  // A row at the end of its sequence would last up to the next one.
  row_size_ = std::min((*unit_rows_)[index + 1].start, unit_end_) - row.start;
  row_line_ = row.line;
  if (row.line.file == 0) {  // between sequences: another unit may be here
    row_start_ = vaddr;
    row_size_ = 1;
  }
  next_row_ = index + 1;
  return row_line_;
}

const LineTable::Unit* LineTable::unit_of(uint64_t address) {
  auto after = std::upper_bound(units_.begin(), units_.end(), address,
                                [](uint64_t value, const Unit& unit) { return value < unit.start; });
  if (after == units_.begin() || address >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

// Of equal starts each stays where it is.
void LineTable::sort_units() {
  std::stable_sort(units_.begin(), units_.end(), [](const Unit& a, const Unit& b) { return a.start < b.start; });
}

bool LineTable::index_by_programs() {
  if (image_bytes_.empty()) return false;
  elf_version(EV_CURRENT);
  std::unique_ptr<Elf, EndElf> image(elf_memory(reinterpret_cast<char*>(image_bytes_.data()), image_bytes_.size()));
  Elf_Data* section = image ? elf_rawdata(elf_getscn(image.get(), kLineImageProgram), nullptr) : nullptr;
  if (!section) return false;
  const auto sequences = line_sequences({static_cast<const uint8_t*>(section->d_buf), section->d_size});
  if (!sequences || sequences->empty()) return false;
  for (const LineSequence& sequence : *sequences) units_.push_back({sequence.start, sequence.end, sequence.program});
  sort_units();
  // Of several for a function that is in many files the linker has kept the first.
  const auto is_same = [](const Unit& a, const Unit& b) { return a.start == b.start; };
  units_.erase(std::unique(units_.begin(), units_.end(), is_same), units_.end());
  image_ = std::move(image);
  return true;
}

void LineTable::index_by_address_ranges() {
  Dwarf_Aranges* ranges = nullptr;
  size_t count = 0;
  if (dwarf_getaranges(dwarf_, &ranges, &count) != 0) return;
  for (size_t i = 0; i < count; i++) {
    Dwarf_Addr start = 0;
    Dwarf_Word size = 0;
    Dwarf_Off offset = 0;
    if (dwarf_getarangeinfo(dwarf_onearange(ranges, i), &start, &size, &offset) != 0 || size == 0) continue;
    units_.push_back({start, start + size, offset});
  }
  sort_units();
}

// For compilers that write no .debug_aranges (clang, Rust).
void LineTable::index_by_units() {
  all_units_indexed_ = true;
  Dwarf_CU* unit = nullptr;
  Dwarf_Half version;
  uint8_t type;
  Dwarf_Die die, split;
  std::vector<Unit> added;
  while (dwarf_get_units(dwarf_, unit, &unit, &version, &type, &die, &split) == 0) {
    Dwarf_Addr base, start, end;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(&die, offset, &base, &start, &end)) > 0) {
      if (start < end && start != 0 && !unit_of(start)) added.push_back({start, end, dwarf_dieoffset(&die)});
    }
  }
  units_.insert(units_.end(), added.begin(), added.end());
  sort_units();
}

uint32_t LineTable::file_id(const char* name, std::string_view directory) {
  if (!name) return 0;
  auto [by_pointer, is_new] = files_by_pointer_.try_emplace(name, 0);
  if (!is_new) return by_pointer->second;
  std::string path = name;
  if (name[0] != '/' && !directory.empty()) path = std::string(directory) + "/" + path;
  auto [entry, added] = file_ids_.try_emplace(path, static_cast<uint32_t>(files_.size()));
  if (added) files_.push_back(path);
  by_pointer->second = entry->second;
  return entry->second;
}

const std::vector<LineTable::Row>& LineTable::rows_of(uint64_t offset) {
  auto [entry, is_new] = rows_.try_emplace(offset);
  std::vector<Row>& rows = entry->second;
  if (!is_new) return rows;
  files_by_pointer_.clear();
  if (image_) {
    read_program(offset, rows);
  } else {
    read_unit(offset, rows);
  }
  rows.shrink_to_fit();
  return rows;
}

// libdw keeps what it has read as long as its Dwarf, so each program has one of its own.
void LineTable::read_program(uint64_t offset, std::vector<Row>& rows) {
  Dwarf* dwarf = dwarf_begin_elf(image_.get(), DWARF_C_READ, nullptr);
  if (!dwarf) return;
  Dwarf_Off next = 0;
  Dwarf_CU* unit = nullptr;
  Dwarf_Files* files = nullptr;
  Dwarf_Lines* lines = nullptr;
  size_t file_count = 0, count = 0;
  if (dwarf_next_lines(dwarf, offset, &next, &unit, &files, &file_count, &lines, &count) == 0) {
    const char* const* directories = nullptr;
    size_t directory_count = 0;
    // Directory 0 is the compilation's: DWARF 5, section 6.2.4.
    const bool known = files && dwarf_getsrcdirs(files, &directories, &directory_count) == 0 && directory_count > 0;
    add_rows(lines, count, known && directories[0] ? directories[0] : "", rows);
  }
  dwarf_end(dwarf);
}

void LineTable::read_unit(uint64_t offset, std::vector<Row>& rows) {
  Dwarf_Die unit;
  Dwarf_Lines* lines = nullptr;
  size_t count = 0;
  if (!dwarf_offdie(dwarf_, offset, &unit) || dwarf_getsrclines(&unit, &lines, &count) != 0) return;
  Dwarf_Attribute attribute;
  const char* directory = dwarf_formstring(dwarf_attr(&unit, DW_AT_comp_dir, &attribute));
  add_rows(lines, count, directory ? directory : "", rows);
}

void LineTable::add_rows(Dwarf_Lines* lines, size_t count, std::string_view directory, std::vector<Row>& rows) {
  rows.reserve(count);
  for (size_t i = 0; i < count; i++) {
    Dwarf_Line* line = dwarf_onesrcline(lines, i);
    Dwarf_Addr address = 0;
    bool is_end = false;
    int number = 0;
    if (dwarf_lineaddr(line, &address) != 0) continue;
    dwarf_lineendsequence(line, &is_end);
    Row row{address, {}};
    if (!is_end && dwarf_lineno(line, &number) == 0 && number >= 0) {
      row.line = {file_id(dwarf_linesrc(line, nullptr, nullptr), directory), static_cast<uint32_t>(number)};
    }
    if (!rows.empty() && rows.back().start == address) {
      if (!is_end) rows.back() = row;
      continue;
    }
    if (!rows.empty() && rows.back().line == row.line) continue;
    rows.push_back(row);
  }
}

}  // namespace vsup::supervisor
