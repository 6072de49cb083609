#include "supervisor/symbols/call_frame_info.h"

#include <map>
#include <optional>
#include <vector>

#include "supervisor/symbols/byte_cursor.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxRememberedStates = 256;
constexpr size_t kMaxRowsPerFunction = 1 << 20;
constexpr uint8_t kOmitted = 0xff;

// Common information entry.
struct Common {
  uint64_t code_factor = 1;
  int64_t data_factor = 1;
  uint64_t return_register = 0;
  uint8_t pointer_encoding = 0;
  bool has_augmentation_data = false;
  bool signal_frame = false;
  std::span<const uint8_t> program;
  std::optional<FrameRow> initial;  // by its program; nothing: that is broken
};

// An encoded pointer (DW_EH_PE_*); `place` is the link-time address of the field itself.
std::optional<uint64_t> encoded_pointer(ByteCursor& cursor, uint8_t encoding, uint64_t place) {
  uint64_t value = 0;
  switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      value = cursor.fixed<uint64_t>();
      break;
    case 0x01:
      value = cursor.unsigned_leb();
      break;
    case 0x02:
      value = cursor.fixed<uint16_t>();
      break;
    case 0x03:
      value = cursor.fixed<uint32_t>();
      break;
    case 0x09:
      value = static_cast<uint64_t>(cursor.signed_leb());
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{cursor.fixed<int16_t>()});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{cursor.fixed<int32_t>()});
      break;
    default:
      return std::nullopt;
  }
  switch (encoding & 0x70) {
    case 0x00:
      break;
    case 0x10:  // relative to the field
      value += place;
      break;
    default:  // to text, data, function, or aligned: nobody writes those for x86-64 code
      return std::nullopt;
  }
  if (!cursor.ok()) return std::nullopt;
  return value;
}

bool parse_common(ByteCursor cursor, uint64_t address, Common& common) {
  auto version = cursor.fixed<uint8_t>();
  if (version != 1 && version != 3) return false;
  const char* augmentation = cursor.string();
  if (augmentation[0] == 'e' && augmentation[1] == 'h') return false;  // of g++ before 3.0
  common.code_factor = cursor.unsigned_leb();
  common.data_factor = cursor.signed_leb();
  common.return_register = version == 1 ? cursor.fixed<uint8_t>() : cursor.unsigned_leb();
  if (augmentation[0] == 'z') {
    common.has_augmentation_data = true;
    uint64_t size = cursor.unsigned_leb();
    uint64_t data_address = address + cursor.position();
    ByteCursor data(cursor.take(size));
    for (const char* letter = augmentation + 1; *letter != 0; letter++) {
      if (*letter == 'R') {
        common.pointer_encoding = data.fixed<uint8_t>();
      } else if (*letter == 'L') {
        data.fixed<uint8_t>();
      } else if (*letter == 'P') {
        auto encoding = data.fixed<uint8_t>();
        if (!encoded_pointer(data, encoding, data_address + data.position())) return false;
      } else if (*letter == 'S') {
        common.signal_frame = true;
      } else if (*letter != 'B') {
        break;  // unknown: the size says where the program starts, but an R after it is lost
      }
    }
    if (!data.ok()) return false;
  } else if (augmentation[0] != 0) {
    return false;
  }
  if (!cursor.ok() || common.pointer_encoding == kOmitted || common.return_register != kDwarfReturnAddress)
    return false;
  common.program = cursor.take(cursor.remaining());
  return true;
}

// Runs call frame instructions.
class Machine {
 public:
  // `remembered` is room that one after the other uses. Without a visitor nobody hears of rows.
  Machine(const Common& common, const FrameRow& initial, const CallFrameVisitor* visitor, FrameRange range,
          std::vector<FrameRow>& remembered)
      : row(initial),
        common_(common),
        initial_(initial),
        visitor_(visitor),
        range_(range),
        pc_(range.start),
        remembered_(remembered) {
    remembered_.clear();
  }

  FrameRow row;

  // `address` is the link-time address of the program's first byte.
  bool run(std::span<const uint8_t> program, uint64_t address) {
    ByteCursor cursor(program);
    while (!cursor.at_end()) {
      if (!step(cursor, address)) return false;
    }
    return cursor.ok();
  }

  void finish() {
    if (pc_ < range_.end) emit();
  }

 private:
  void emit() {
    if (visitor_) visitor_->row(pc_, row);
  }

  bool advance(uint64_t delta) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(delta, common_.code_factor, &bytes)) return false;
    return move_to(pc_ + bytes);
  }

  bool move_to(uint64_t pc) {
    if (pc == pc_) return true;
    if (pc < pc_ || ++rows_ > kMaxRowsPerFunction) return false;
    if (pc_ < range_.end) emit();
    pc_ = pc;
    return true;
  }

  int64_t factored(uint64_t value) const {
    return static_cast<int64_t>(value * static_cast<uint64_t>(common_.data_factor));
  }

  void set_rule(uint64_t number, RegisterRule rule) {
    if (number == kDwarfRbp) row.rbp = rule;
    if (number == kDwarfReturnAddress) row.return_address = rule;
  }

  void restore(uint64_t number) {
    if (number == kDwarfRbp) row.rbp = initial_.rbp;
    if (number == kDwarfReturnAddress) row.return_address = initial_.return_address;
  }

  // Sequence points are explicit: operands are read in the order of the encoding.
  bool step(ByteCursor& cursor, uint64_t address) {
    using Kind = RegisterRule::Kind;
    auto opcode = cursor.fixed<uint8_t>();
    uint64_t number = opcode & 0x3f;
    switch (opcode & 0xc0) {
      case 0x40:  // advance_loc
        return advance(number);
      case 0x80:  // offset
        set_rule(number, {Kind::kAtCfa, factored(cursor.unsigned_leb()), {}});
        return cursor.ok();
      case 0xc0:  // restore
        restore(number);
        return true;
      default:
        break;
    }
    switch (opcode) {
      case 0x00:  // nop
        return true;
      case 0x01: {  // set_loc
        auto pc = encoded_pointer(cursor, common_.pointer_encoding, address + cursor.position());
        return pc && move_to(*pc);
      }
      case 0x02:
        return advance(cursor.fixed<uint8_t>()) && cursor.ok();
      case 0x03:
        return advance(cursor.fixed<uint16_t>()) && cursor.ok();
      case 0x04:
        return advance(cursor.fixed<uint32_t>()) && cursor.ok();
      case 0x05:  // offset_extended
        number = cursor.unsigned_leb();
        set_rule(number, {Kind::kAtCfa, factored(cursor.unsigned_leb()), {}});
        return cursor.ok();
      case 0x06:  // restore_extended
        restore(cursor.unsigned_leb());
        return cursor.ok();
      case 0x07:  // undefined
        set_rule(cursor.unsigned_leb(), {Kind::kUndefined, 0, {}});
        return cursor.ok();
      case 0x08:  // same_value
        set_rule(cursor.unsigned_leb(), {Kind::kSame, 0, {}});
        return cursor.ok();
      case 0x09:  // register
        number = cursor.unsigned_leb();
        set_rule(number, {Kind::kRegister, static_cast<int64_t>(cursor.unsigned_leb()), {}});
        return cursor.ok();
      case 0x0a:  // remember_state
        if (remembered_.size() >= kMaxRememberedStates) return false;
        remembered_.push_back(row);
        return true;
      case 0x0b:  // restore_state; the CFA too, as GCC means it
        if (remembered_.empty()) return false;
        row = remembered_.back();
        remembered_.pop_back();
        return true;
      case 0x0c:    // def_cfa
      case 0x12: {  // def_cfa_sf
        number = cursor.unsigned_leb();
        int64_t offset = opcode == 0x0c ? static_cast<int64_t>(cursor.unsigned_leb())
                                        : factored(static_cast<uint64_t>(cursor.signed_leb()));
        row.cfa = {CfaRule::Kind::kRegister, static_cast<unsigned>(number), offset, {}};
        return cursor.ok() && number <= 16;
      }
      case 0x0d:  // def_cfa_register
        number = cursor.unsigned_leb();
        row.cfa.register_number = static_cast<unsigned>(number);
        return cursor.ok() && number <= 16 && row.cfa.kind == CfaRule::Kind::kRegister;
      case 0x0e:  // def_cfa_offset
        row.cfa.offset = static_cast<int64_t>(cursor.unsigned_leb());
        return cursor.ok() && row.cfa.kind == CfaRule::Kind::kRegister;
      case 0x13:  // def_cfa_offset_sf
        row.cfa.offset = factored(static_cast<uint64_t>(cursor.signed_leb()));
        return cursor.ok() && row.cfa.kind == CfaRule::Kind::kRegister;
      case 0x0f: {  // def_cfa_expression
        uint64_t size = cursor.unsigned_leb();
        row.cfa = {CfaRule::Kind::kExpression, 0, 0, cursor.take(size)};
        return cursor.ok();
      }
      case 0x10:    // expression
      case 0x16: {  // val_expression
        number = cursor.unsigned_leb();
        uint64_t size = cursor.unsigned_leb();
        set_rule(number, {opcode == 0x10 ? Kind::kAtExpression : Kind::kExpression, 0, cursor.take(size)});
        return cursor.ok();
      }
      case 0x11:  // offset_extended_sf
        number = cursor.unsigned_leb();
        set_rule(number, {Kind::kAtCfa, factored(static_cast<uint64_t>(cursor.signed_leb())), {}});
        return cursor.ok();
      case 0x14:  // val_offset
        number = cursor.unsigned_leb();
        set_rule(number, {Kind::kCfaPlus, factored(cursor.unsigned_leb()), {}});
        return cursor.ok();
      case 0x15:  // val_offset_sf
        number = cursor.unsigned_leb();
        set_rule(number, {Kind::kCfaPlus, factored(static_cast<uint64_t>(cursor.signed_leb())), {}});
        return cursor.ok();
      case 0x2e:  // GNU_args_size
        cursor.unsigned_leb();
        return cursor.ok();
      case 0x2f:  // GNU_negative_offset_extended
        number = cursor.unsigned_leb();
        set_rule(number, {Kind::kAtCfa, -factored(cursor.unsigned_leb()), {}});
        return cursor.ok();
      default:
        return false;
    }
  }

  const Common& common_;
  const FrameRow& initial_;
  const CallFrameVisitor* visitor_;
  FrameRange range_;
  uint64_t pc_;
  std::vector<FrameRow>& remembered_;
  size_t rows_ = 0;
};

}  // namespace

CallFrameCount visit_call_frames(std::span<const uint8_t> section, uint64_t address, const CallFrameVisitor& visitor) {
  CallFrameCount count;
  std::map<uint64_t, std::optional<Common>> commons;  // by offset of the entry; nullopt: broken
  std::vector<FrameRow> remembered;

  auto entry_at = [&](uint64_t offset, uint64_t& body, uint64_t& end) {
    if (offset > section.size() || section.size() - offset < 4) return false;
    ByteCursor cursor(section.subspan(offset));
    uint64_t size = cursor.fixed<uint32_t>();
    if (size == 0xffffffff) size = cursor.fixed<uint64_t>();
    if (!cursor.ok() || size > cursor.remaining()) return false;
    body = offset + cursor.position();
    end = body + size;
    return true;
  };

  auto common_at = [&](uint64_t offset) -> const Common* {
    auto [found, is_new] = commons.try_emplace(offset);
    if (is_new) {
      uint64_t body = 0, end = 0;
      Common common;
      uint32_t id = 1;
      if (entry_at(offset, body, end) && end - body >= 4) __builtin_memcpy(&id, section.data() + body, sizeof id);
      if (id == 0 && parse_common(ByteCursor(section.subspan(body + 4, end - body - 4)), address + body + 4, common)) {
        // It moves no location: its rows, if it tries, are not any function's.
        const FrameRow nothing;
        Machine machine(common, nothing, nullptr, {}, remembered);
        if (machine.run(common.program, 0)) common.initial = machine.row;
        found->second = common;
      }
    }
    return found->second ? &*found->second : nullptr;
  };

  uint64_t offset = 0, body = 0, end = 0;
  for (; entry_at(offset, body, end); offset = end) {
    if (end == body) break;  // the terminator
    ByteCursor cursor(section.subspan(body, end - body));
    auto id = cursor.fixed<uint32_t>();
    if (!cursor.ok()) {
      count.broken++;
      continue;
    }
    if (id == 0) continue;  // a CIE
    const Common* common = id <= body ? common_at(body - id) : nullptr;
    if (!common) {
      count.broken++;
      continue;
    }
    FrameRange range;
    auto start = encoded_pointer(cursor, common->pointer_encoding, address + body + cursor.position());
    auto size = encoded_pointer(cursor, common->pointer_encoding & 0x0f, 0);
    if (common->has_augmentation_data) cursor.take(cursor.unsigned_leb());
    if (!start || !size || !cursor.ok() || *start + *size < *start) {
      count.broken++;
      continue;
    }
    if (*size == 0) continue;  // discarded by the linker
    range = {*start, *start + *size, common->signal_frame};
    count.functions++;
    visitor.function(range);
    uint64_t program_address = address + body + cursor.position();
    bool good = common->initial.has_value();
    if (good) {
      Machine machine(*common, *common->initial, &visitor, range, remembered);
      good = machine.run(cursor.take(cursor.remaining()), program_address);
      if (good) machine.finish();
    }
    if (!good) {
      count.broken++;
      visitor.broken(range);
    }
  }
  return count;
}

}  // namespace vsup::supervisor
