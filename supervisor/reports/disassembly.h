// Purpose: bytes as assembly text, for reports and dumps, by capstone.
// Assumes: nothing about the bytes. Promises: every byte appears once; what capstone cannot decode (it knows no
// AVX-512BW, for one) is printed as .byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vsup::supervisor {

struct DisassembledLine {
  uint64_t address = 0;
  unsigned size = 0;
  std::string text;  // "mov rax, qword ptr [rdi]", or ".byte 0x62, 0xf1"
};

// From the first byte on.
std::vector<DisassembledLine> disassemble(std::span<const uint8_t> bytes, uint64_t address);

// Where `pc` lies inside the bytes: starts at the first place from which decoding reaches `pc` exactly, so that the
// instructions before it are shown too (their boundaries are a good guess, pc's is certain).
std::vector<DisassembledLine> disassemble_around(std::span<const uint8_t> bytes, uint64_t address, uint64_t pc);

// One line of text each: "=> 0x2701234: 48 8b 07    mov rax, qword ptr [rdi]"; the arrow marks `pc`.
std::vector<std::string> format_disassembly(std::span<const uint8_t> bytes, uint64_t address, uint64_t pc);

}  // namespace vsup::supervisor
