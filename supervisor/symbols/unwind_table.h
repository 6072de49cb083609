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

#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

// How the CFA is found. Register numbers are DWARF's: 6 rbp, 7 rsp, 10 r10.
enum CfaForm : uint8_t {
  kCfaRegister = 0,           // + register: register + cfa_offset
  kCfaDereference = 16,       // + register: the word at register + cfa_offset (functions that realign their stack)
  kCfaDereferencePlus8 = 32,  // + register: that word + 8 (OpenSSL's assembly, which keeps its entry rsp in memory)
  kCfaPlt = 48,               // lazy PLT stub: rsp + 8, and 8 more when (pc & 15) >= cfa_offset
  kCfaSignalFrame = 49,       // rt_sigreturn's frame: pc, rsp, rbp at rsp + 168, + 160, + 120
  kCfaEnd = 50,               // the outermost frame: no caller
  kCfaUnsupported = 51,       // some other expression or rule
  kCfaNone = 52,              // no call frame information covers this
};

enum RbpForm : uint8_t {
  kRbpSame = 0,     // still the caller's
  kRbpAtCfa = 1,    // saved at CFA + 8 * rbp_offset
  kRbpAtRbp = 2,    // saved at rbp + 8 * rbp_offset (functions that realign their stack)
  kRbpUnknown = 3,  // lost, or described by some other rule
};

struct UnwindRow {
  uint32_t start = 0;  // from UnwindTable::base
  int32_t cfa_offset = 0;
  int16_t rbp_offset = 0;     // in words of 8 bytes
  int8_t return_offset = -1;  // from the CFA, in words of 8 bytes
  uint8_t forms = 0;          // CfaForm in bits 0-5, RbpForm in bits 6-7

  uint8_t cfa_form() const { return forms & 0x3f; }
  uint8_t rbp_form() const { return forms >> 6; }
  bool same_rule(const UnwindRow& other) const {
    return cfa_offset == other.cfa_offset && rbp_offset == other.rbp_offset && return_offset == other.return_offset &&
           forms == other.forms;
  }
};
static_assert(sizeof(UnwindRow) == 12);

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
