#include "agent/tools/callgrind/function_starts.h"

#include <elf.h>

#include "agent/base/entry_points.h"
#include "agent/base/safe_load.h"
#include "agent/engine/code_regions.h"

namespace vsup::agent::callgrind {

namespace {

struct SearchTable {
  uint64_t module = 0;  // address of the ELF header
  uint64_t header = 0;  // address of .eh_frame_hdr, 0: none
  uint32_t count = 0;
};

// Of the search table, as it lies in memory: a function's start and its entry, relative to the header.
using Row = uint64_t;

constexpr uint32_t kRecent = 16;
SearchTable recent[kRecent];
uint32_t next_recent = 0;

template <typename T>
bool read(uint64_t address, T& value) {
  return vsup_safe_copy(&value, reinterpret_cast<const void*>(address), sizeof value);
}

SearchTable open_table(uint64_t module) {
  SearchTable table{module, 0, 0};
  Elf64_Ehdr elf;
  if (!read(module, elf) || __builtin_memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0) return table;
  uint64_t lowest = ~0ull, at = 0;
  for (int i = 0; i < elf.e_phnum && i < 64; ++i) {
    Elf64_Phdr segment;
    if (!read(module + elf.e_phoff + static_cast<uint64_t>(i) * sizeof segment, segment)) return table;
    if (segment.p_type == PT_LOAD && segment.p_vaddr < lowest) lowest = segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) at = segment.p_vaddr;
  }
  struct {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
    uint32_t count;
  } header;
  if (at == 0) return table;
  uint64_t address = module + (at - (lowest & ~0xfffull));
  if (!read(address, header) || header.version != 1 || header.count_encoding != 0x03 || header.table_encoding != 0x3b)
    return table;
  table.header = address;
  table.count = header.count;
  return table;
}

const SearchTable& table_of(uint64_t module) {
  for (const SearchTable& table : recent)
    if (table.module == module) return table;
  SearchTable& slot = recent[next_recent++ % kRecent];
  slot = open_table(module);
  return slot;
}

int32_t function_of(Row row) {
  return static_cast<int32_t>(row);
}

uint64_t address_of(const SearchTable& table, Row row) {
  return table.header + static_cast<uint64_t>(int64_t{function_of(row)});
}

}  // namespace

FunctionRange function_range(AppPc pc) {
  const CodeRegion& region = code_region_at(pc);
  if (region.module == 0) return {};
  const SearchTable& table = table_of(region.module);
  if (table.header == 0) return {};
  auto wanted = static_cast<int64_t>(raw(pc) - table.header);
  uint64_t rows = table.header + 12;
  uint32_t low = 0, high = table.count;
  Row row;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (!safe_load(rows + middle * sizeof row, row)) return {};
    if (function_of(row) <= wanted)
      low = middle + 1;
    else
      high = middle;
  }
  FunctionRange range{0, region.end};
  if (low < table.count && safe_load(rows + low * sizeof row, row)) range.end = address_of(table, row);
  if (low == 0 || !safe_load(rows + (low - 1) * sizeof row, row)) return {};
  range.start = address_of(table, row);
  return range;
}

}  // namespace vsup::agent::callgrind
