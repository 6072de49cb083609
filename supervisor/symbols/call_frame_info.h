// Purpose: parse .eh_frame and run its call frame programs, for the registers that a stack walk needs on x86-64:
// the CFA, the return address and rbp.
// Assumes: nothing about the bytes.
// Promises: bounds-checked and bounded; a broken entry is skipped and counted.
// Formats: DWARF 5, section 6.4; Linux Standard Base 5.0 core, chapter 10.6; DWARF register numbers of the AMD64
// supplement (6 rbp, 7 rsp, 16 return address).
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace vsup::supervisor {

inline constexpr unsigned kDwarfRbp = 6, kDwarfRsp = 7, kDwarfReturnAddress = 16;

struct RegisterRule {
  enum class Kind : uint8_t {
    kUnspecified,  // no rule: the ABI's, same value for rbp
    kSame,
    kUndefined,
    kAtCfa,         // saved at CFA + offset
    kCfaPlus,       // is CFA + offset
    kRegister,      // is in register `offset`
    kAtExpression,  // saved at the address that the expression gives
    kExpression,    // is what the expression gives
  };
  Kind kind = Kind::kUnspecified;
  int64_t offset = 0;
  std::span<const uint8_t> expression;
};

struct CfaRule {
  enum class Kind : uint8_t { kNone, kRegister, kExpression };
  Kind kind = Kind::kNone;
  unsigned register_number = 0;
  int64_t offset = 0;
  std::span<const uint8_t> expression;
};

struct FrameRow {
  CfaRule cfa;
  RegisterRule rbp, return_address;
};

struct FrameRange {
  uint64_t start = 0, end = 0;  // link-time addresses
  bool signal_frame = false;
};

struct CallFrameVisitor {
  std::function<void(const FrameRange&)> function;           // each FDE, before its rows
  std::function<void(uint64_t start, const FrameRow&)> row;  // in rising order within a function
  std::function<void(const FrameRange&)> broken;             // what came since `function` is worthless
};

struct CallFrameCount {
  uint64_t functions = 0;
  uint64_t broken = 0;
};

// `section` is .eh_frame as linked at `address`.
CallFrameCount visit_call_frames(std::span<const uint8_t> section, uint64_t address, const CallFrameVisitor& visitor);

}  // namespace vsup::supervisor
