#include <doctest/doctest.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "supervisor/symbols/line_image.h"
#include "supervisor/symbols/line_programs.h"
#include "supervisor/symbols/line_table.h"

using namespace vsup::supervisor;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr const char* kOwnFile = "/proc/self/exe";

std::unique_ptr<SymbolModule> own_module() {
  return SymbolModule::from_file(::open(kOwnFile, O_RDONLY | O_CLOEXEC), kOwnFile);
}

Bytes own_line_section() {
  const auto file = ElfFile::open(kOwnFile);
  REQUIRE(file);
  const ElfSection* section = file->section(".debug_line");
  REQUIRE(section);
  const auto contents = file->contents(*section);
  REQUIRE(contents);
  return *contents;
}

// In the order of addresses.
std::vector<LineSequence> own_sequences() {
  auto sequences = line_sequences(own_line_section());
  REQUIRE(sequences);
  std::sort(sequences->begin(), sequences->end(), [](const auto& a, const auto& b) { return a.start < b.start; });
  return *sequences;
}

// By libdw, through the unit that says that it has the address. Empty: none says so, as for the ends of some functions'
// cold parts.
std::string libdw_line(Dwarf* dwarf, uint64_t address) {
  Dwarf_Die unit;
  if (!dwarf_addrdie(dwarf, address, &unit)) return {};
  Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
  int number = 0;
  if (!line || dwarf_lineno(line, &number) != 0) return {};
  std::string file = dwarf_linesrc(line, nullptr, nullptr);
  if (file[0] != '/') {
    Dwarf_Attribute attribute;
    file = std::string(dwarf_formstring(dwarf_attr(&unit, DW_AT_comp_dir, &attribute))) + "/" + file;
  }
  return file + ":" + std::to_string(number);
}

template <typename Number>
void put(Bytes& to, Number value) {
  const size_t at = to.size();
  to.resize(at + sizeof value);
  std::memcpy(&to[at], &value, sizeof value);
}

struct Made {
  uint16_t version = 5;
  uint8_t name_form = DW_FORM_line_strp;
  uint8_t line_range = 14;
};

// A .debug_line of one program with one directory and one file.
Bytes line_section(const Made& made, const Bytes& program) {
  Bytes header = {1, 1, 1, 0xfb, made.line_range, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
  for (int table = 0; table < 2; ++table) {
    header.insert(header.end(), {1, DW_LNCT_path, made.name_form, 1});
    if (made.name_form == DW_FORM_string) {
      header.insert(header.end(), {'a', 0});
    } else {
      put<uint32_t>(header, 0);
    }
  }
  Bytes unit;
  put(unit, made.version);
  put<uint8_t>(unit, 8);
  put<uint8_t>(unit, 0);
  put(unit, static_cast<uint32_t>(header.size()));
  unit.insert(unit.end(), header.begin(), header.end());
  unit.insert(unit.end(), program.begin(), program.end());
  Bytes section;
  put(section, static_cast<uint32_t>(unit.size()));
  section.insert(section.end(), unit.begin(), unit.end());
  return section;
}

Bytes sequence(uint64_t start, uint8_t size) {
  Bytes program = {0, 9, DW_LNE_set_address};
  put(program, start);
  program.insert(program.end(), {DW_LNS_copy, DW_LNS_advance_pc, size, 0, 1, DW_LNE_end_sequence});
  return program;
}

}  // namespace

TEST_CASE("line table: this program's lines, asked for in rising order, are libdw's") {
  LineTable table(own_module());
  const int fd = ::open(kOwnFile, O_RDONLY | O_CLOEXEC);
  Dwarf* dwarf = dwarf_begin(fd, DWARF_C_READ);
  REQUIRE(dwarf);
  const std::vector<LineSequence> sequences = own_sequences();
  std::mt19937_64 random(1);
  uint64_t covered = 0, asked = 0, wrong = 0;
  std::string first_wrong;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto& [start, end, program] = sequences[i];
    // A function that is in several files has several: which one libdw takes is open.
    const bool is_alone = start >= covered && (i + 1 == sequences.size() || end <= sequences[i + 1].start);
    covered = std::max(covered, end);
    if (!is_alone) continue;
    for (uint64_t address = start; address < end; address += 1 + random() % 60) {
      const SourceLine line = table.at(address);
      const std::string expected = libdw_line(dwarf, address);
      if (expected.empty()) continue;
      const std::string found = table.files()[line.file] + ":" + std::to_string(line.line);
      ++asked;
      if (found == expected) continue;
      if (wrong++ == 0) first_wrong = found + " instead of " + expected;
    }
  }
  CHECK(asked > 10'000);
  INFO(first_wrong);
  CHECK(wrong == 0);
  dwarf_end(dwarf);
  ::close(fd);
}

TEST_CASE("line table: what lies between the sequences of a unit is nobody's") {
  LineTable table(own_module());
  const std::vector<LineSequence> sequences = own_sequences();
  uint64_t gaps = 0;
  for (size_t i = 0; i + 1 < sequences.size(); ++i) {
    const LineSequence &here = sequences[i], &next = sequences[i + 1];
    if (here.end >= next.start) continue;
    ++gaps;
    table.at(here.end - 1);
    CHECK(table.at(here.end) == SourceLine{});
    CHECK(table.at(next.start - 1) == SourceLine{});
  }
  CHECK(gaps > 100);
}

TEST_CASE("line programs: sequences, without what the linker left out") {
  Bytes program = sequence(0x1000, 16);
  for (const Bytes& more : {sequence(0, 32), sequence(0x3000, 8)})
    program.insert(program.end(), more.begin(), more.end());
  for (const uint8_t form : {DW_FORM_line_strp, DW_FORM_string}) {
    Bytes section = line_section({.name_form = form}, program);
    const uint64_t second = section.size();
    const Bytes other = line_section({}, sequence(0x2000, 4));
    section.insert(section.end(), other.begin(), other.end());
    const auto sequences = line_sequences(section);
    REQUIRE(sequences);
    REQUIRE(sequences->size() == 3);
    const LineSequence& last = (*sequences)[2];
    CHECK((*sequences)[0].start == 0x1000);
    CHECK((*sequences)[0].end == 0x1010);
    CHECK((*sequences)[1].start == 0x3000);
    CHECK((*sequences)[1].program == 0);
    CHECK(last.start == 0x2000);
    CHECK(last.end == 0x2004);
    CHECK(last.program == second);
  }
}

TEST_CASE("line programs: what needs other sections, or is damaged, gives no answer") {
  const Bytes program = sequence(0x1000, 16);
  CHECK(line_sequences(line_section({}, program)));
  CHECK_FALSE(line_sequences(line_section({.version = 4}, program)));
  CHECK_FALSE(line_sequences(line_section({.name_form = DW_FORM_strp}, program)));
  CHECK_FALSE(line_sequences(line_section({.line_range = 0}, program)));
  Bytes section = line_section({}, program);
  for (size_t size = 1; size < section.size(); ++size) CHECK_FALSE(line_sequences(std::span(section).first(size)));
  const Bytes own = own_line_section();
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    Bytes damaged(own.begin(), own.begin() + static_cast<ptrdiff_t>(std::min<size_t>(own.size(), 20'000)));
    for (int i = 0; i < 4; ++i) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
    line_sequences(damaged);
  }
}

TEST_CASE("line image: the line sections alone, which libdw reads") {
  const auto own = ElfFile::open(kOwnFile);
  REQUIRE(own);
  const auto image = ElfFile::from_bytes(line_image(*own));
  REQUIRE(image);
  CHECK(image->sections()[kLineImageProgram].name == ".debug_line");
  CHECK(image->contents(image->sections()[kLineImageProgram]) == own_line_section());
  const ElfSection* strings = image->section(".debug_line_str");
  REQUIRE(strings);
  CHECK(image->contents(*strings) == own->contents(*own->section(".debug_line_str")));
  CHECK(image->section(".debug_info") == nullptr);
}
