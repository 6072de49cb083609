#include <doctest/doctest.h>
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "supervisor/symbols/unwind_table.h"

using namespace vsup::supervisor;

namespace {

std::string text_of(const UnwindRow& row) {
  return "cfa form " + std::to_string(row.cfa_form()) + " offset " + std::to_string(row.cfa_offset) + ", return " +
         std::to_string(row.return_offset) + ", rbp form " + std::to_string(row.rbp_form()) + " offset " +
         std::to_string(row.rbp_offset);
}

std::string text_of(const Dwarf_Op* ops, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; i++) {
    char part[64];
    std::snprintf(part, sizeof part, "%x(%lld,%lld) ", ops[i].atom, static_cast<long long>(ops[i].number),
                  static_cast<long long>(ops[i].number2));
    text += part;
  }
  return text;
}

// Register plus offset as libdw may write it: DW_OP_bregN offset, DW_OP_bregx N offset.
bool is_register_plus(const Dwarf_Op& op, unsigned& number, int64_t& offset) {
  if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31) {
    number = op.atom - DW_OP_breg0;
    offset = static_cast<int64_t>(op.number);
    return true;
  }
  if (op.atom == DW_OP_bregx) {
    number = static_cast<unsigned>(op.number);
    offset = static_cast<int64_t>(op.number2);
    return true;
  }
  return false;
}

// A location "CFA + offset".
bool is_cfa_plus(const Dwarf_Op* ops, size_t count, int64_t& offset) {
  if (count == 0 || ops[0].atom != DW_OP_call_frame_cfa) return false;
  offset = 0;
  if (count == 1) return true;
  if (count != 2 || ops[1].atom != DW_OP_plus_uconst) return false;
  offset = static_cast<int64_t>(ops[1].number);
  return true;
}

// What libdw says about a frame, in the table's terms. Where neither says anything exact, both are kCfaUnsupported.
UnwindRow row_of_libdw(Dwarf_Frame* frame) {
  UnwindRow row;
  Dwarf_Op memory[3];
  Dwarf_Op* ops = nullptr;
  size_t count = 0;
  bool signal = false;
  int return_register = dwarf_frame_info(frame, nullptr, nullptr, &signal);
  REQUIRE(return_register == 16);

  REQUIRE(dwarf_frame_register(frame, 16, memory, &ops, &count) == 0);
  if (count == 0 && ops == memory) {
    row.forms = kCfaEnd;
    return row;
  }
  int64_t return_offset = 0;
  bool good_return = is_cfa_plus(ops, count, return_offset);
  std::string return_text = text_of(ops, count);

  REQUIRE(dwarf_frame_cfa(frame, &ops, &count) == 0);
  unsigned number = 0;
  int64_t offset = 0;
  if (count == 1 && is_register_plus(ops[0], number, offset)) {
    row.forms = static_cast<uint8_t>(kCfaRegister + number);
  } else if (count == 2 && is_register_plus(ops[0], number, offset) && ops[1].atom == DW_OP_deref) {
    if (signal && number == 7 && offset == 160) {
      row.forms = kCfaSignalFrame;
      CHECK(return_text == "9c(0,0) 77(168,0) ");
      return row;
    }
    row.forms = static_cast<uint8_t>(kCfaDereference + number);
  } else if (count == 3 && is_register_plus(ops[0], number, offset) && ops[1].atom == DW_OP_deref &&
             ops[2].atom == DW_OP_plus_uconst && ops[2].number == 8) {
    row.forms = static_cast<uint8_t>(kCfaDereferencePlus8 + number);
  } else if (count == 9 && ops[0].atom == DW_OP_breg7 && ops[1].atom == DW_OP_breg16 && ops[5].atom == DW_OP_ge) {
    row.forms = kCfaPlt;
    offset = ops[4].atom - DW_OP_lit0;
  } else {
    row.forms = kCfaUnsupported;
    return row;
  }
  if (!good_return) {
    row.forms = kCfaUnsupported;
    return row;
  }
  row.cfa_offset = static_cast<int32_t>(offset);
  row.return_offset = static_cast<int8_t>(return_offset / 8);

  REQUIRE(dwarf_frame_register(frame, 6, memory, &ops, &count) == 0);
  uint8_t form = kRbpUnknown;
  if (count == 0 && ops == nullptr) {
    form = kRbpSame;
  } else if (is_cfa_plus(ops, count, offset)) {
    form = kRbpAtCfa;
    row.rbp_offset = static_cast<int16_t>(offset / 8);
  } else if (count == 2 && ops[0].atom == DW_OP_call_frame_cfa && is_register_plus(ops[1], number, offset) &&
             number == 6) {
    // (An expression starts with the CFA on its stack.)
    form = kRbpAtRbp;
    row.rbp_offset = static_cast<int16_t>(offset / 8);
  }
  row.forms = static_cast<uint8_t>(row.forms | form << 6);
  return row;
}

struct Comparison {
  uint64_t rows = 0, different = 0, uncovered_bytes = 0;
  std::string first;
};

// Walks every executable section byte by byte in libdw's steps.
Comparison compare_with_libdw(const char* path, const UnwindTable& table, const ElfFile& file) {
  Comparison result;
  elf_version(EV_CURRENT);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  Elf* elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  REQUIRE(elf);
  Dwarf_CFI* cfi = dwarf_getcfi_elf(elf);
  REQUIRE(cfi);
  auto differs = [&](uint64_t pc, const std::string& ours, const std::string& theirs) {
    if (result.different++ == 0) {
      char text[32];
      std::snprintf(text, sizeof text, "%#llx: ", static_cast<unsigned long long>(pc));
      result.first = text + ours + " | libdw: " + theirs;
    }
  };
  for (const auto& section : file.sections()) {
    if (!(section.flags & SHF_EXECINSTR)) continue;
    uint64_t end = section.address + section.size;
    for (uint64_t pc = section.address; pc < end;) {
      const UnwindRow* ours = table.row_at(pc);
      Dwarf_Frame* frame = nullptr;
      if (dwarf_cfi_addrframe(cfi, pc, &frame) != 0) {
        if (ours && ours->cfa_form() != kCfaNone) differs(pc, text_of(*ours), "nothing");
        result.uncovered_bytes++;
        pc++;
        continue;
      }
      result.rows++;
      Dwarf_Addr start = 0, stop = 0;
      bool signal = false;
      dwarf_frame_info(frame, &start, &stop, &signal);
      UnwindRow theirs = row_of_libdw(frame);
      if (!ours || !ours->same_rule(theirs)) differs(pc, ours ? text_of(*ours) : "nothing", text_of(theirs));
      const UnwindRow* at_end = table.row_at(stop - 1);
      if (at_end != ours) differs(stop - 1, at_end ? text_of(*at_end) : "nothing", text_of(theirs));
      free(frame);
      pc = std::max<uint64_t>(stop, pc + 1);
    }
  }
  dwarf_cfi_end(cfi);
  elf_end(elf);
  close(fd);
  return result;
}

// Realigns its stack and takes arguments from it: GCC keeps the CFA in memory then.
[[gnu::noinline]] int realigned(int count, ...) {
  alignas(128) volatile char room[256];
  room[count] = 1;
  va_list arguments;
  va_start(arguments, count);
  auto* more = static_cast<volatile char*>(__builtin_alloca(static_cast<size_t>(va_arg(arguments, int))));
  more[0] = room[count];
  va_end(arguments);
  return more[0] + getpid();
}

}  // namespace

TEST_CASE("unwind_table: every row of real libraries as libdw has it") {
  static constexpr const char* kLibraries[] = {"/proc/self/exe",
                                               "/lib/x86_64-linux-gnu/libc.so.6",
                                               "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
                                               "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
                                               "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0",
                                               "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
                                               "/usr/lib/x86_64-linux-gnu/libgmp.so.10"};
  for (const char* path : kLibraries) {
    CAPTURE(std::string(path));
    auto file = ElfFile::open(path);
    if (!file) {
      MESSAGE("absent: " << std::string(path));
      continue;
    }
    auto table = UnwindTable::compile(*file);
    REQUIRE(table);
    CHECK(table->broken_functions() == 0);
    Comparison comparison = compare_with_libdw(path, *table, *file);
    CHECK(table->unsupported_rows() < table->rows().size() / 1000 + 2);
    CAPTURE(comparison.first);
    CHECK(comparison.rows > 100);
    CHECK(comparison.different == 0);
  }
}

TEST_CASE("unwind_table: a function that realigns its stack") {
  CHECK(realigned(2, 16) > 0);
  auto file = ElfFile::open("/proc/self/exe");
  REQUIRE(file);
  auto table = UnwindTable::compile(*file);
  REQUIRE(table);
  CHECK(std::any_of(table->rows().begin(), table->rows().end(), [](const UnwindRow& row) {
    return row.cfa_form() == kCfaDereference + 6 && row.rbp_form() == kRbpAtRbp;
  }));
}

TEST_CASE("unwind_table: rows are sorted and say something new") {
  auto file = ElfFile::open("/proc/self/exe");
  REQUIRE(file);
  auto table = UnwindTable::compile(*file);
  REQUIRE(table);
  for (size_t i = 1; i < table->rows().size(); i++) {
    CHECK(table->rows()[i - 1].start < table->rows()[i].start);
    CHECK_FALSE(table->rows()[i - 1].same_rule(table->rows()[i]));
  }
  CHECK(table->row_at(0) == nullptr);
  CHECK(table->rows().back().cfa_form() == kCfaNone);
}

TEST_CASE("unwind_table: damaged and truncated input") {
  auto file = ElfFile::open("/proc/self/exe");
  REQUIRE(file);
  const ElfSection* section = file->section(".eh_frame");
  REQUIRE(section);
  auto bytes = file->contents(*section);
  REQUIRE(bytes);
  bytes->resize(std::min<size_t>(bytes->size(), 8192));
  for (size_t size = 0; size < 600; size++) {
    UnwindTable::compile(std::vector<uint8_t>(bytes->begin(), bytes->begin() + static_cast<ptrdiff_t>(size)),
                         section->address, file->lowest_vaddr());
  }
  std::mt19937 random(13);
  for (int round = 0; round < 3000; round++) {
    auto damaged = *bytes;
    unsigned changes = 1 + random() % 200;
    for (unsigned i = 0; i < changes; i++) {
      static constexpr uint8_t kValues[] = {0, 1, 0x0a, 0x0f, 0x7f, 0x80, 0xff};
      damaged[random() % damaged.size()] = random() % 2 ? kValues[random() % 7] : static_cast<uint8_t>(random());
    }
    UnwindTable table = UnwindTable::compile(damaged, section->address, file->lowest_vaddr());
    bool sorted = true;
    for (size_t i = 1; i < table.rows().size(); i++) sorted &= table.rows()[i - 1].start < table.rows()[i].start;
    CHECK(sorted);
  }
}
