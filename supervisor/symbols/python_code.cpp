// Source of the line tables: Objects/lnotab_notes.txt of CPython 3.9 and 3.10, Objects/locations.md of 3.11.
#include "supervisor/symbols/python_code.h"

#include <algorithm>
#include <cstring>

#include "supervisor/symbols/byte_cursor.h"

namespace vsup::supervisor {

namespace {

using protocol::PythonCode;

unsigned line_or(int64_t line, unsigned otherwise) {
  return line > 0 && line <= INT32_MAX ? static_cast<unsigned>(line) : otherwise;
}

// 3.8, 3.9: pairs of what is added to the address and to the line.
unsigned line_of_lnotab(ByteCursor cursor, unsigned first_line, uint32_t offset) {
  int64_t line = first_line;
  uint64_t address = 0;
  while (cursor.remaining() >= 2) {
    address += cursor.fixed<uint8_t>();
    if (address > offset) break;
    line += cursor.fixed<int8_t>();
  }
  return line_or(line, first_line);
}

// 3.10: pairs of a length and what is added to the line; -128: no line.
unsigned line_of_linetable(ByteCursor cursor, unsigned first_line, uint32_t offset) {
  constexpr int8_t kNoLine = -128;
  int64_t line = first_line;
  uint64_t address = 0;
  while (cursor.remaining() >= 2) {
    address += cursor.fixed<uint8_t>();
    const auto delta = cursor.fixed<int8_t>();
    if (delta != kNoLine) line += delta;
    if (address > offset) return line_or(delta == kNoLine ? 0 : line, first_line);
  }
  return first_line;
}

constexpr uint64_t kFarLine = uint64_t{1} << 40;  // no line: farther would not fit a sum

// Six bits at a time, least significant first; 0x40: more follow.
uint64_t variable(ByteCursor& cursor) {
  uint64_t value = 0;
  for (unsigned shift = 0;; shift += 6) {
    const auto byte = cursor.fixed<uint8_t>();
    if (shift < 64) value |= uint64_t{byte & 0x3fu} << shift;
    if ((byte & 0x40) == 0 || !cursor.ok()) return value;
  }
}

int64_t signed_variable(ByteCursor& cursor) {
  const uint64_t value = variable(cursor);
  const auto magnitude = static_cast<int64_t>(std::min<uint64_t>(value >> 1, kFarLine));
  return (value & 1) != 0 ? -magnitude : magnitude;
}

// 3.11 on: entries of one byte (0x80, a code in bits 3-6, code units - 1 in bits 0-2) and what the code says.
unsigned line_of_locations(ByteCursor cursor, unsigned first_line, uint32_t offset) {
  constexpr unsigned kUnit = 2;
  int64_t line = first_line;
  uint64_t address = 0;
  while (!cursor.at_end()) {
    const auto head = cursor.fixed<uint8_t>();
    const unsigned code = (head >> 3) & 15;
    address += uint64_t{(head & 7u) + 1} * kUnit;
    if (code == 14) {
      line += signed_variable(cursor);
      for (int i = 0; i < 3; ++i) variable(cursor);
    } else if (code == 13) {
      line += signed_variable(cursor);
    } else if (code >= 10 && code <= 12) {
      line += code - 10;
      cursor.take(2);
    } else if (code < 10) {
      cursor.take(1);
    }
    if (!cursor.ok() || line > INT32_MAX || line < -int64_t{INT32_MAX}) return first_line;
    if (address > offset) return line_or(code == 15 ? 0 : line, first_line);
  }
  return first_line;
}

void append_utf8(std::string& text, uint32_t character) {
  if (character < 0x80) {
    text += static_cast<char>(character);
    return;
  }
  if (character > 0x10ffff || (character >= 0xd800 && character < 0xe000)) character = 0xfffd;
  const unsigned more = character < 0x800 ? 1 : character < 0x1'0000 ? 2 : 3;
  static constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  text += static_cast<char>(kLead[more] | character >> 6 * more);
  for (unsigned i = more; i-- > 0;) text += static_cast<char>(0x80 | ((character >> 6 * i) & 0x3f));
}

// Characters that would break a line of a report are shown as a question mark.
std::string text_of(std::span<const uint8_t> bytes, unsigned kind) {
  std::string text;
  for (size_t at = 0; at + kind <= bytes.size(); at += kind) {
    uint32_t character = 0;
    std::memcpy(&character, bytes.data() + at, kind);
    append_utf8(text, character < 0x20 || character == 0x7f ? '?' : character);
  }
  return text;
}

std::span<const uint8_t> take_padded(ByteCursor& cursor, uint64_t size) {
  const auto part = cursor.take(size);
  cursor.take((8 - size % 8) % 8);
  return part;
}

}  // namespace

unsigned python_line(protocol::PythonLineTable format, std::span<const uint8_t> table, unsigned first_line,
                     uint32_t offset) {
  const ByteCursor cursor(table);
  switch (format) {
    case protocol::kPythonLnotab:
      return line_of_lnotab(cursor, first_line, offset);
    case protocol::kPythonLinetable:
      return line_of_linetable(cursor, first_line, offset);
    default:
      return line_of_locations(cursor, first_line, offset);
  }
}

PythonLocation PythonCodes::location(uint64_t frame_value) const {
  const uint64_t start = (frame_value >> 32) * protocol::kPythonCodeAlignment;
  PythonCode code;
  if (start == 0 || start > records_.size() || records_.size() - start < sizeof code) return {};
  std::memcpy(&code, records_.data() + start, sizeof code);
  const auto valid = [](uint8_t kind) { return kind == 1 || kind == 2 || kind == 4; };
  if (!valid(code.name_kind) || !valid(code.file_kind) || code.name_length > protocol::kMaxPythonNameLength ||
      code.file_length > protocol::kMaxPythonFileLength)
    return {};
  ByteCursor cursor(std::span<const uint8_t>(records_).subspan(static_cast<size_t>(start) + sizeof code));
  const auto name = take_padded(cursor, uint64_t{code.name_length} * code.name_kind);
  const auto file = take_padded(cursor, uint64_t{code.file_length} * code.file_kind);
  const auto table = cursor.take(code.table_size);
  if (!cursor.ok()) return {};
  return {text_of(name, code.name_kind), text_of(file, code.file_kind),
          python_line(format_, table, code.first_line, static_cast<uint32_t>(frame_value))};
}

}  // namespace vsup::supervisor
