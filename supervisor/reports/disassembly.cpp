#include "supervisor/reports/disassembly.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <cstdio>

namespace vsup::supervisor {
namespace {

class Capstone {
 public:
  Capstone() { open_ = cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) == CS_ERR_OK; }
  ~Capstone() {
    if (open_) cs_close(&handle_);
  }
  Capstone(const Capstone&) = delete;
  Capstone& operator=(const Capstone&) = delete;

  bool decode(std::span<const uint8_t> bytes, uint64_t address, DisassembledLine& line) const {
    if (!open_) return false;
    cs_insn* instruction = nullptr;
    size_t count = cs_disasm(handle_, bytes.data(), std::min<size_t>(bytes.size(), 15), address, 1, &instruction);
    if (count == 0) return false;
    line.address = address;
    line.size = instruction->size;
    line.text = instruction->mnemonic;
    if (instruction->op_str[0] != 0) line.text += std::string(" ") + instruction->op_str;
    cs_free(instruction, count);
    return true;
  }

 private:
  csh handle_ = 0;
  bool open_ = false;
};

void append_byte(std::vector<DisassembledLine>& lines, uint64_t address, uint8_t byte, bool join) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", byte);
  if (join && lines.back().size < 8) {
    lines.back().text += std::string(", ") + text;
    lines.back().size++;
  } else {
    lines.push_back({address, 1, std::string(".byte ") + text});
  }
}

// Decodes up to `pc` exactly, then on to the end: a line that would step over `pc` is printed as bytes.
std::vector<DisassembledLine> decode_all(const Capstone& capstone, std::span<const uint8_t> bytes, uint64_t address,
                                         uint64_t pc) {
  std::vector<DisassembledLine> lines;
  bool last_was_byte = false;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t here = address + at;
    std::span<const uint8_t> rest = bytes.subspan(at);
    if (here < pc && pc - here < rest.size()) rest = rest.first(pc - here);
    DisassembledLine line;
    if (capstone.decode(rest, here, line)) {
      at += line.size;
      lines.push_back(std::move(line));
      last_was_byte = false;
    } else {
      append_byte(lines, here, bytes[at], last_was_byte && here != pc);
      at++;
      last_was_byte = true;
    }
  }
  return lines;
}

size_t undecoded_bytes(const std::vector<DisassembledLine>& lines, uint64_t before) {
  size_t count = 0;
  for (const auto& line : lines) {
    if (line.address < before && line.text.starts_with(".byte")) count += line.size;
  }
  return count;
}

}  // namespace

std::vector<DisassembledLine> disassemble(std::span<const uint8_t> bytes, uint64_t address) {
  return decode_all(Capstone(), bytes, address, address);
}

std::vector<DisassembledLine> disassemble_around(std::span<const uint8_t> bytes, uint64_t address, uint64_t pc) {
  Capstone capstone;
  if (pc <= address || pc - address >= bytes.size()) return decode_all(capstone, bytes, address, pc);
  std::vector<DisassembledLine> best;
  size_t best_undecoded = SIZE_MAX;
  for (size_t skip = 0; skip < 15 && skip < pc - address && best_undecoded != 0; skip++) {
    auto lines = decode_all(capstone, bytes.subspan(skip), address + skip, pc);
    size_t undecoded = undecoded_bytes(lines, pc);
    if (undecoded < best_undecoded) {
      best_undecoded = undecoded;
      best = std::move(lines);
    }
  }
  return best;
}

std::vector<std::string> format_disassembly(std::span<const uint8_t> bytes, uint64_t address, uint64_t pc) {
  std::vector<std::string> result;
  for (const auto& line : disassemble_around(bytes, address, pc)) {
    char text[32];
    std::snprintf(text, sizeof text, "%s0x%llx: ", line.address == pc ? "=> " : "   ",
                  static_cast<unsigned long long>(line.address));
    std::string row = text;
    for (unsigned i = 0; i < line.size; i++) {
      std::snprintf(text, sizeof text, "%02x ", bytes[line.address - address + i]);
      row += text;
    }
    if (line.size < 8) row.append(size_t{8 - line.size} * 3, ' ');
    result.push_back(row + " " + line.text);
  }
  return result;
}

}  // namespace vsup::supervisor
