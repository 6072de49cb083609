#include <doctest/doctest.h>
#include <elf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <string>

#include "supervisor/symbols/nearest_symbols.h"

using namespace vsup::supervisor;
using Kind = NearestSymbols::Answer::Kind;

namespace {

ListedSymbol symbol(uint64_t value, uint64_t size, std::string_view name, unsigned binding, unsigned type = STT_FUNC) {
  return {value, size, name, static_cast<uint8_t>(ELF64_ST_INFO(binding, type)), binding == STB_LOCAL};
}

// Libdw's own answers at and around each symbol of a file, and at random addresses.
void compare_with_libdw(const char* path) {
  static const Dwfl_Callbacks callbacks = [] {
    Dwfl_Callbacks result{};
    result.find_elf = [](Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) { return -1; };
    result.find_debuginfo = dwfl_standard_find_debuginfo;
    result.section_address = dwfl_offline_section_address;
    return result;
  }();
  CAPTURE(path);
  const std::unique_ptr<Dwfl, void (*)(Dwfl*)> session(dwfl_begin(&callbacks), dwfl_end);
  Dwfl_Module* module = dwfl_report_elf(session.get(), "module", path, open(path, O_RDONLY | O_CLOEXEC), 0, true);
  dwfl_report_end(session.get(), nullptr, nullptr);
  REQUIRE(module);
  NearestSymbols symbols;
  std::vector<uint64_t> addresses;
  const int count = dwfl_module_getsymtab(module), first_global = dwfl_module_getsymtab_first_global(module);
  for (int i = 1; i < count; ++i) {
    GElf_Sym entry;
    GElf_Addr value = 0;
    const char* name = dwfl_module_getsym_info(module, i, &entry, &value, nullptr, nullptr, nullptr);
    if (!name || entry.st_shndx == SHN_UNDEF) continue;
    symbols.add({value, entry.st_size, name, entry.st_info, i < first_global});
    addresses.insert(addresses.end(), {value - 1, value, value + entry.st_size - 1, value + entry.st_size});
  }
  std::mt19937_64 random(7);
  GElf_Addr start = 0, end = 0;
  dwfl_module_info(module, nullptr, &start, &end, nullptr, nullptr, nullptr, nullptr);
  REQUIRE(start < end);
  size_t found = 0;
  for (int i = 0; i < 4000; ++i) {
    const bool near = i % 4 != 0 && !addresses.empty();
    const uint64_t address = near ? addresses[random() % addresses.size()] : start + random() % (end - start);
    const NearestSymbols::Answer answer = symbols.find(address);
    if (answer.kind == Kind::kUnsure) continue;
    GElf_Off offset = 0;
    GElf_Sym entry;
    const char* name = dwfl_module_addrinfo(module, address, &offset, &entry, nullptr, nullptr, nullptr);
    CAPTURE(address);
    REQUIRE((name != nullptr) == (answer.kind == Kind::kFound));
    if (!name) continue;
    REQUIRE(std::string(name) == answer.symbol->name);
    REQUIRE(offset == address - answer.symbol->value);
    ++found;
  }
  CHECK(found > 500);
}

}  // namespace

TEST_CASE("nearest symbols: the same names as libdw, in a library and in a program with its symbols") {
  compare_with_libdw("/lib/x86_64-linux-gnu/libc.so.6");
  compare_with_libdw("/proc/self/exe");
}

TEST_CASE("nearest symbols: of overlapping and equal ones") {
  NearestSymbols symbols;
  symbols.add(symbol(0x100, 0x100, "outer", STB_GLOBAL));
  symbols.add(symbol(0x140, 0x10, "weak_inner", STB_WEAK));
  symbols.add(symbol(0x140, 0x10, "inner", STB_GLOBAL));
  symbols.add(symbol(0x140, 0x10, "inner_again", STB_GLOBAL));
  symbols.add(symbol(0x148, 0x4, "hidden", STB_LOCAL));
  symbols.add(symbol(0x400, 0x10, "only_local", STB_LOCAL));
  symbols.add(symbol(0x300, 0x10, "a_file", STB_GLOBAL, STT_FILE));
  CHECK(symbols.find(0x120).symbol->name == "outer");
  CHECK(symbols.find(0x14a).symbol->name == "inner");
  CHECK(symbols.find(0x150).symbol->name == "outer");
  CHECK(symbols.find(0x40f).symbol->name == "only_local");
  for (const uint64_t address : {0xffu, 0x200u, 0x308u, 0x410u}) CHECK(symbols.find(address).kind == Kind::kNone);
}

TEST_CASE("nearest symbols: a label without a size is left to libdw, unless something reaches beyond it") {
  NearestSymbols symbols;
  symbols.add(symbol(0x100, 0x10, "function", STB_GLOBAL));
  symbols.add(symbol(0x108, 0, "within", STB_GLOBAL, STT_NOTYPE));
  CHECK(symbols.find(0x109).symbol->name == "function");
  CHECK(symbols.find(0x120).kind == Kind::kNone);
  NearestSymbols labels;
  labels.add(symbol(0x100, 0x10, "function", STB_GLOBAL));
  labels.add(symbol(0x200, 0, "label", STB_GLOBAL, STT_NOTYPE));
  CHECK(labels.find(0x110).kind == Kind::kNone);
  CHECK(labels.find(0x208).kind == Kind::kUnsure);
}

TEST_CASE("nearest symbols: sizes that wrap around, and no symbols at all") {
  NearestSymbols symbols;
  CHECK(symbols.find(0x100).kind == Kind::kNone);
  NearestSymbols hostile;
  for (int i = 0; i < 1000; ++i) hostile.add(symbol(~0ull - i % 7, ~0ull - i, "huge", i % 3));
  for (uint64_t address : {uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0}}) hostile.find(address);
}
