#include "supervisor/symbols/unwind_table.h"

#include <elf.h>

#include <algorithm>

#include "supervisor/base/large_allocator.h"
#include "supervisor/symbols/byte_cursor.h"
#include "supervisor/symbols/call_frame_info.h"

namespace vsup::supervisor {
namespace {

constexpr uint8_t kOpDereference = 0x06, kOpPlusConstant = 0x23, kOpBreg0 = 0x70;

// Offsets of a frame that rt_sigreturn takes, from rsp at the return trampoline: struct ucontext's uc_mcontext begins
// at 40; rbp, rsp and rip are its words 10, 15 and 16 (asm/sigcontext.h).
constexpr int64_t kSignalRbp = 120, kSignalRsp = 160, kSignalPc = 168;

// "register + offset": DW_OP_breg<n> and nothing else, or followed by DW_OP_deref if `dereference` is set.
bool is_register_plus(std::span<const uint8_t> expression, bool dereference, unsigned& number, int64_t& offset) {
  ByteCursor cursor(expression);
  auto operation = cursor.fixed<uint8_t>();
  if (operation < kOpBreg0 || operation > kOpBreg0 + 15) return false;
  number = operation - kOpBreg0;
  offset = cursor.signed_leb();
  if (dereference && cursor.fixed<uint8_t>() != kOpDereference) return false;
  return cursor.ok() && cursor.remaining() == 0;
}

// DW_OP_breg<n> offset; DW_OP_deref; DW_OP_plus_uconst 8
bool is_dereference_plus_8(std::span<const uint8_t> expression, unsigned& number, int64_t& offset) {
  size_t size = expression.size();
  return size > 2 && expression[size - 1] == 8 && expression[size - 2] == kOpPlusConstant &&
         is_register_plus(expression.first(size - 2), true, number, offset);
}

// The expression that linkers write for lazy PLT entries:
// breg7 8; breg16 0; lit15; and; lit<N>; ge; lit3; shl; plus
bool is_plt(std::span<const uint8_t> expression, int32_t& threshold) {
  static constexpr uint8_t kPattern[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x30, 0x2a, 0x33, 0x24, 0x22};
  if (expression.size() != sizeof kPattern) return false;
  for (size_t i = 0; i < sizeof kPattern; i++) {
    if (i != 6 && expression[i] != kPattern[i]) return false;
  }
  if (expression[6] < 0x30 || expression[6] > 0x3f) return false;
  threshold = expression[6] - 0x30;
  return true;
}

bool fits_words(int64_t bytes, int64_t lowest, int64_t highest) {
  return bytes % 8 == 0 && bytes / 8 >= lowest && bytes / 8 <= highest;
}

bool is_signal_frame(const FrameRow& row) {
  auto at = [](const RegisterRule& rule, int64_t wanted) {
    unsigned number = 0;
    int64_t offset = 0;
    return rule.kind == RegisterRule::Kind::kAtExpression && is_register_plus(rule.expression, false, number, offset) &&
           number == kDwarfRsp && offset == wanted;
  };
  unsigned number = 0;
  int64_t offset = 0;
  return row.cfa.kind == CfaRule::Kind::kExpression && is_register_plus(row.cfa.expression, true, number, offset) &&
         number == kDwarfRsp && offset == kSignalRsp && at(row.return_address, kSignalPc) && at(row.rbp, kSignalRbp);
}

UnwindRow row_of_form(uint8_t cfa_form) {
  UnwindRow row;
  row.forms = cfa_form;
  return row;
}

void set_rbp(UnwindRow& result, const RegisterRule& rule) {
  using Kind = RegisterRule::Kind;
  uint8_t form = kRbpUnknown;
  unsigned number = 0;
  int64_t offset = 0;
  if (rule.kind == Kind::kUnspecified || rule.kind == Kind::kSame) {
    form = kRbpSame;
  } else if (rule.kind == Kind::kAtCfa && fits_words(rule.offset, INT16_MIN, INT16_MAX)) {
    form = kRbpAtCfa;
    result.rbp_offset = static_cast<int16_t>(rule.offset / 8);
  } else if (rule.kind == Kind::kAtExpression && is_register_plus(rule.expression, false, number, offset) &&
             number == kDwarfRbp && fits_words(offset, INT16_MIN, INT16_MAX)) {
    form = kRbpAtRbp;
    result.rbp_offset = static_cast<int16_t>(offset / 8);
  }
  result.forms = static_cast<uint8_t>(result.cfa_form() | form << 6);
}

UnwindRow compact(const FrameRow& row, const FrameRange& range) {
  using Kind = RegisterRule::Kind;
  if (row.return_address.kind == Kind::kUndefined) return row_of_form(kCfaEnd);
  if (range.signal_frame && is_signal_frame(row)) return row_of_form(kCfaSignalFrame);
  UnwindRow result;
  unsigned number = 0;
  int64_t offset = 0;
  if (row.cfa.kind == CfaRule::Kind::kRegister && row.cfa.register_number < 16) {
    number = row.cfa.register_number;
    offset = row.cfa.offset;
    result.forms = static_cast<uint8_t>(kCfaRegister + number);
  } else if (row.cfa.kind == CfaRule::Kind::kExpression && is_plt(row.cfa.expression, result.cfa_offset)) {
    offset = result.cfa_offset;
    result.forms = kCfaPlt;
  } else if (row.cfa.kind == CfaRule::Kind::kExpression && is_register_plus(row.cfa.expression, true, number, offset)) {
    result.forms = static_cast<uint8_t>(kCfaDereference + number);
  } else if (row.cfa.kind == CfaRule::Kind::kExpression && is_dereference_plus_8(row.cfa.expression, number, offset)) {
    result.forms = static_cast<uint8_t>(kCfaDereferencePlus8 + number);
  } else {
    return row_of_form(kCfaUnsupported);
  }
  const RegisterRule& back = row.return_address;
  if (offset < INT32_MIN || offset > INT32_MAX || back.kind != Kind::kAtCfa ||
      !fits_words(back.offset, INT8_MIN, INT8_MAX)) {
    return row_of_form(kCfaUnsupported);
  }
  result.cfa_offset = static_cast<int32_t>(offset);
  result.return_offset = static_cast<int8_t>(back.offset / 8);
  set_rbp(result, row.rbp);
  return result;
}

// What is reserved, in bytes of .eh_frame: most compilers' code takes more for each.
constexpr size_t kBytesPerRow = 5, kBytesPerFunction = 32;

struct Function {
  uint32_t start, end;  // from the table's base
  uint32_t first_row, row_count;
};

}  // namespace

UnwindTable UnwindTable::compile(const std::vector<uint8_t>& eh_frame, uint64_t address, uint64_t base) {
  UnwindTable table;
  table.base_ = base;
  std::vector<UnwindRow> rows;  // as found: of one function after the other
  std::vector<Function> functions;
  reserve_pages(rows, std::min<size_t>(eh_frame.size() / kBytesPerRow, kMaxRows));
  reserve_pages(functions, std::min<size_t>(eh_frame.size() / kBytesPerFunction, kMaxRows));
  FrameRange current;
  bool usable = false;
  auto drop = [&] {
    rows.resize(functions.back().first_row);
    functions.pop_back();
    usable = false;
  };
  CallFrameVisitor visitor;
  visitor.function = [&](const FrameRange& range) {
    current = range;
    usable = range.start >= base && range.end - base <= UINT32_MAX;
    if (!usable) table.broken_++;
    if (usable)
      functions.push_back({static_cast<uint32_t>(range.start - base), static_cast<uint32_t>(range.end - base),
                           static_cast<uint32_t>(rows.size()), 0});
  };
  visitor.row = [&](uint64_t start, const FrameRow& row) {
    if (!usable || rows.size() >= kMaxRows) return;
    UnwindRow compacted = compact(row, current);
    compacted.start = static_cast<uint32_t>(start - base);
    Function& function = functions.back();
    if (function.row_count > 0 && rows.back().same_rule(compacted)) return;
    rows.push_back(compacted);
    function.row_count++;
  };
  visitor.broken = [&](const FrameRange&) {
    if (usable) drop();
  };
  CallFrameCount count = visit_call_frames(eh_frame, address, visitor);
  table.functions_ = count.functions;
  table.broken_ += count.broken;

  // Sort by function; of two that overlap the earlier one holds, and the later one begins where it ends.
  const auto is_earlier = [](const Function& a, const Function& b) { return a.start < b.start; };
  if (!std::is_sorted(functions.begin(), functions.end(), is_earlier))
    std::stable_sort(functions.begin(), functions.end(), is_earlier);
  auto append = [&](UnwindRow row, uint32_t start) {
    row.start = start;
    if (!table.rows_.empty() && table.rows_.back().start == row.start) table.rows_.pop_back();
    if (table.rows_.empty() || !table.rows_.back().same_rule(row)) table.rows_.push_back(row);
  };
  reserve_pages(table.rows_, rows.size() + functions.size() / 4);
  uint32_t covered = functions.empty() ? 0 : functions.front().start;
  for (const Function& function : functions) {
    if (function.end <= covered || function.row_count == 0) continue;
    if (function.start > covered) append(row_of_form(kCfaNone), covered);
    const uint32_t from = std::max(function.start, covered);
    for (uint32_t i = 0; i < function.row_count; i++) {
      const UnwindRow& row = rows[function.first_row + i];
      const bool last = i + 1 == function.row_count;
      const uint32_t row_end = last ? function.end : rows[function.first_row + i + 1].start;
      if (row_end <= from) continue;
      append(row, std::max(row.start, from));
    }
    covered = function.end;
  }
  if (!table.rows_.empty()) append(row_of_form(kCfaNone), covered);
  if (table.rows_.size() < table.rows_.capacity() / 8 * 7) table.rows_.shrink_to_fit();
  return table;
}

std::optional<UnwindTable> UnwindTable::compile(const ElfFile& file, std::string* error) {
  auto fail = [error](const char* why) {
    if (error) *error = why;
    return std::nullopt;
  };
  if (!file.is_x86_64()) return fail("not an x86-64 file");
  const ElfSection* section = file.section(".eh_frame");
  if (section) {
    auto bytes = file.contents(*section);
    if (!bytes) return fail(".eh_frame cannot be read");
    return compile(*bytes, section->address, file.lowest_vaddr());
  }
  // Without section headers .eh_frame_hdr points to it; it ends by its terminator.
  const ElfSegment* header = file.segment(PT_GNU_EH_FRAME);
  if (!header || header->file_size < 8) return fail("no .eh_frame");
  auto head = file.contents(*header);
  constexpr uint8_t kPcRelative4 = 0x1b;
  if (!head || (*head)[0] != 1 || (*head)[1] != kPcRelative4) return fail("an unknown form of .eh_frame_hdr");
  int32_t distance = 0;
  __builtin_memcpy(&distance, head->data() + 4, sizeof distance);
  uint64_t address = header->vaddr + 4 + static_cast<uint64_t>(int64_t{distance});
  for (const ElfSegment& segment : file.segments()) {
    if (segment.type != PT_LOAD || address < segment.vaddr || address - segment.vaddr >= segment.file_size) continue;
    auto bytes = file.contents(segment);
    if (!bytes) break;
    bytes->erase(bytes->begin(), bytes->begin() + static_cast<ptrdiff_t>(address - segment.vaddr));
    return compile(*bytes, address, file.lowest_vaddr());
  }
  return fail(".eh_frame lies in no segment");
}

const UnwindRow* UnwindTable::row_at(uint64_t vaddr) const {
  if (vaddr < base_ || vaddr - base_ > UINT32_MAX) return nullptr;
  auto offset = static_cast<uint32_t>(vaddr - base_);
  auto after = std::upper_bound(rows_.begin(), rows_.end(), offset,
                                [](uint32_t value, const UnwindRow& row) { return value < row.start; });
  return after == rows_.begin() ? nullptr : &*std::prev(after);
}

uint64_t UnwindTable::unsupported_rows() const {
  return static_cast<uint64_t>(std::count_if(rows_.begin(), rows_.end(),
                                             [](const UnwindRow& row) { return row.cfa_form() == kCfaUnsupported; }));
}

}  // namespace vsup::supervisor
