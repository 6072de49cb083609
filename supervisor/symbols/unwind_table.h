// Purpose: a module's call frame information as a sorted table that a stack walk can use by binary search alone.
// Assumes: nothing about the file.
// Promises: rows are sorted and cover the module without gaps in meaning: what no row describes exactly is marked so.
//
// A row says how to leave a frame whose pc is in [row.start, next row.start), with everything relative to the CFA, the
// value of rsp in the caller:
//
//     CFA              <- by `cfa` and cfa_offset
//     CFA - 8          return address     (return_offset words; -1 nearly always)
//     CFA - 16         caller's rbp, where `rbp` says so (rbp_offset words)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/callstack.h"
#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

using protocol::UnwindRow;
using enum protocol::CfaForm;
using enum protocol::RbpForm;

class UnwindTable {
 public:
  static constexpr size_t kMaxRows = 16u << 20;

  // nullopt when the file has no usable .eh_frame; *error (may be null) says why.
  static std::optional<UnwindTable> compile(const ElfFile& file, std::string* error = nullptr);
  static UnwindTable compile(const std::vector<uint8_t>& eh_frame, uint64_t address, uint64_t base);

  uint64_t base() const { return base_; }  // link-time address that row starts count from
  const std::vector<UnwindRow>& rows() const { return rows_; }

  // The row for a link-time address; null below the first.
  const UnwindRow* row_at(uint64_t vaddr) const;

  uint64_t functions() const { return functions_; }
  uint64_t broken_functions() const { return broken_; }  // left out as kCfaNone
  uint64_t unsupported_rows() const;

 private:
  uint64_t base_ = 0;
  std::vector<UnwindRow> rows_;
  uint64_t functions_ = 0, broken_ = 0;
};

}  // namespace vsup::supervisor
