#include "supervisor/symbols/line_programs.h"

#include <dwarf.h>

#include <algorithm>
#include <array>

#include "supervisor/symbols/byte_cursor.h"

namespace vsup::supervisor {

namespace {

using Bytes = std::span<const uint8_t>;

// Operands of the standard opcodes, from 1 on.
constexpr std::array<uint8_t, 12> kOperands = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};

struct Header {
  uint8_t unit = 0;  // bytes of the shortest instruction
  uint8_t line_range = 0, opcode_base = 0;
  std::array<uint8_t, 256> operands{};  // by opcode, below opcode_base
};

// By opcode, how far it moves the address: those of programs of one compiler are the same.
class Advances {
 public:
  const std::array<uint32_t, 256>& of(const Header& header) {
    if (header.unit == unit_ && header.line_range == line_range_ && header.opcode_base == opcode_base_)
      return advances_;
    unit_ = header.unit;
    line_range_ = header.line_range;
    opcode_base_ = header.opcode_base;
    advances_ = {};
    for (unsigned opcode = opcode_base_; opcode < advances_.size(); ++opcode)
      advances_[opcode] = uint32_t{unit_} * ((opcode - opcode_base_) / line_range_);
    return advances_;
  }

 private:
  uint8_t unit_ = 0, line_range_ = 0, opcode_base_ = 0;
  std::array<uint32_t, 256> advances_{};
};

// Bytes of a value that always has as many; nothing: it has not, or means another section than .debug_line_str.
std::optional<unsigned> size_of(uint64_t form, bool wide) {
  switch (form) {
    case DW_FORM_line_strp:
      return wide ? 8 : 4;
    case DW_FORM_data1:
      return 1;
    case DW_FORM_data2:
      return 2;
    case DW_FORM_data4:
      return 4;
    case DW_FORM_data8:
      return 8;
    case DW_FORM_data16:
      return 16;
    default:
      return {};
  }
}

// Passes over a directory or a file. False: it cannot be read.
bool skip_entry(ByteCursor& bytes, std::span<const uint64_t> forms, bool wide) {
  for (const uint64_t form : forms) {
    if (form == DW_FORM_string) {
      bytes.string();
    } else if (form == DW_FORM_udata) {
      bytes.unsigned_leb();
    } else if (const auto size = size_of(form, wide)) {
      bytes.take(*size);
    } else {
      return false;
    }
  }
  return bytes.ok();
}

// Directories or files: how an entry looks, then so many.
bool skip_table(ByteCursor& bytes, bool wide) {
  std::vector<uint64_t> forms(bytes.fixed<uint8_t>());
  for (uint64_t& form : forms) {
    bytes.unsigned_leb();  // what it says
    form = bytes.unsigned_leb();
  }
  const uint64_t count = bytes.unsigned_leb();
  if (count > bytes.remaining()) return false;
  for (uint64_t i = 0; i < count; ++i)
    if (!skip_entry(bytes, forms, wide)) return false;
  return bytes.ok();
}

std::optional<Header> read_header(ByteCursor& bytes, bool wide) {
  Header header;
  header.unit = bytes.fixed<uint8_t>();
  const auto most_operations = bytes.fixed<uint8_t>();
  bytes.take(2);  // whether lines are statements; line_base
  header.line_range = bytes.fixed<uint8_t>();
  header.opcode_base = bytes.fixed<uint8_t>();
  if (!bytes.ok() || most_operations != 1 || header.line_range == 0 || header.opcode_base == 0) return {};
  for (unsigned opcode = 1; opcode < header.opcode_base; ++opcode) {
    header.operands[opcode] = bytes.fixed<uint8_t>();
    if (opcode <= kOperands.size() && header.operands[opcode] != kOperands[opcode - 1]) return {};
  }
  if (!skip_table(bytes, wide) || !skip_table(bytes, wide)) return {};
  return header;
}

class Program {
 public:
  Program(const Header& header, const std::array<uint32_t, 256>& advances, uint64_t at, std::vector<LineSequence>& to)
      : header_(header), advances_(advances), at_(at), to_(to) {}

  bool run(ByteCursor bytes) {
    while (!bytes.at_end()) {
      const auto opcode = bytes.fixed<uint8_t>();
      if (opcode >= header_.opcode_base) {
        address_ += advances_[opcode];
        add_row();
      } else if (opcode == 0) {
        extended(bytes);
      } else {
        standard(bytes, opcode);
      }
    }
    return bytes.ok();
  }

 private:
  void add_row() { start_ = std::min(start_, address_); }

  void standard(ByteCursor& bytes, uint8_t opcode) {
    switch (opcode) {
      case DW_LNS_copy:
        return add_row();
      case DW_LNS_advance_pc:
        address_ += header_.unit * bytes.unsigned_leb();
        return;
      case DW_LNS_const_add_pc:
        address_ += advances_.back();
        return;
      case DW_LNS_fixed_advance_pc:
        address_ += bytes.fixed<uint16_t>();
        return;
      default:
        for (unsigned i = 0; i < header_.operands[opcode]; ++i) bytes.unsigned_leb();
    }
  }

  void extended(ByteCursor& bytes) {
    ByteCursor operation(bytes.take(bytes.unsigned_leb()));
    const auto opcode = operation.fixed<uint8_t>();
    if (opcode == DW_LNE_set_address) {
      address_ = operation.fixed<uint64_t>();
    } else if (opcode == DW_LNE_end_sequence) {
      // At 0 is what the linker has left out.
      if (start_ != 0 && start_ < address_) to_.push_back({start_, address_, at_});
      address_ = 0;
      start_ = kNowhere;
    }
  }

  static constexpr uint64_t kNowhere = ~uint64_t{0};
  const Header& header_;
  const std::array<uint32_t, 256>& advances_;
  const uint64_t at_;
  std::vector<LineSequence>& to_;
  uint64_t address_ = 0, start_ = kNowhere;
};

}  // namespace

std::optional<std::vector<LineSequence>> line_sequences(Bytes debug_line) {
  std::vector<LineSequence> sequences;
  Advances advances;
  ByteCursor section(debug_line);
  while (!section.at_end()) {
    const uint64_t at = section.position();
    uint64_t length = section.fixed<uint32_t>();
    const bool wide = length == 0xffff'ffff;
    if (wide) length = section.fixed<uint64_t>();
    ByteCursor bytes(section.take(length));
    const auto version = bytes.fixed<uint16_t>();
    const auto address_size = bytes.fixed<uint8_t>(), selector_size = bytes.fixed<uint8_t>();
    const uint64_t header_length = wide ? bytes.fixed<uint64_t>() : bytes.fixed<uint32_t>();
    if (!bytes.ok() || version != 5 || address_size != sizeof(uint64_t) || selector_size != 0) return {};
    ByteCursor header_bytes(bytes.take(header_length));
    const auto header = read_header(header_bytes, wide);
    if (!header || !bytes.ok() || !Program(*header, advances.of(*header), at, sequences).run(bytes)) return {};
  }
  if (!section.ok()) return {};
  return sequences;
}

}  // namespace vsup::supervisor
