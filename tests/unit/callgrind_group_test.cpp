#include <dlfcn.h>
#include <doctest/doctest.h>
#include <elf.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "supervisor/reports/callgrind/callgrind_writer.h"
#include "supervisor/reports/callgrind/group.h"
#include "supervisor/symbols/symbolizer.h"
#include "tests/unit/callgrind_synthetic.h"

using namespace callgrind_test;

namespace callgrind_group_test {

[[gnu::noinline]] int leaf(int x) {
  asm volatile("" : "+r"(x));
  return x * 3;
}

// Another file's code, by the line table.
#line 1000 "/elsewhere/included.inc"
[[gnu::always_inline]] inline int inlined(int x) {
  asm volatile("nop; nop; nop" : "+r"(x));
  return x + 1;
}
#line 34 "tests/unit/callgrind_group_test.cpp"

[[gnu::noinline]] int outer(int x) {
  asm volatile("nop" : "+r"(x));
  x = inlined(x);
  asm volatile("" : "+r"(x));
  return leaf(x) + 1;
}

}  // namespace callgrind_group_test

namespace {

uint64_t address_of(auto* function) {
  return reinterpret_cast<uint64_t>(function);
}

// The blocks of one function of this program, once each.
Profile profile_of_functions(std::vector<uint64_t> starts, uint64_t bytes) {
  Profile profile = empty_profile();
  profile.threads.emplace_back();
  for (uint64_t start : starts) add_code(profile, profile.threads[0], start, start + bytes, 20);
  return profile;
}

const GroupedFunction* function_named(const Grouped& grouped, std::string_view name) {
  for (const auto& function : grouped.functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("callgrind: rows of a large profile sum to the instructions executed, however they are grouped") {
  Profile profile = empty_profile();
  profile.threads.resize(2);
  profile.threads[1].number = 2;
  auto [start, end] = code_around(profile, address_of(&callgrind_group_test::leaf));
  add_code(profile, profile.threads[0], start, end, 40'000, 1);
  auto [libc_start, libc_end] = code_around(profile, address_of(&::qsort));
  add_code(profile, profile.threads[1], libc_start, libc_end, 40'000, 2);
  profile.threads[0].extra.push_back({profile.shapes[10].pc, 0, 0, 5});
  ModuleCodeCache cache;
  uint64_t expected = instructions_executed(profile);
  for (bool by_instruction : {false, true}) {
    for (bool by_line : {false, true}) {
      for (bool separate : {false, true}) {
        if (!by_instruction && !by_line) continue;
        Grouped grouped = group(profile, {by_instruction, by_line, separate}, cache);
        CHECK(grouped.parts.size() == (separate ? 2 : 1));
        uint64_t total = 0, calls = 0;
        for (const auto& part : grouped.parts) {
          total += part.totals[0];
          uint64_t rows = 0;
          for (const auto& row : part.rows) rows += part.costs[row.cost];
          CHECK(rows == part.totals[0]);
          for (const auto& call : part.calls) calls += call.count;
          CHECK(std::is_sorted(part.rows.begin(), part.rows.end(),
                               [](const auto& a, const auto& b) { return a.function < b.function; }));
        }
        CHECK(total == expected);
        uint64_t edges = 0;
        for (const auto& thread : profile.threads) {
          for (const auto& call : thread.calls) edges += call.count;
        }
        CHECK(calls == edges);
      }
    }
  }
}

TEST_CASE("callgrind: functions and lines agree with the symbolizer") {
  Profile profile = empty_profile();
  profile.threads.emplace_back();
  auto [start, end] = code_around(profile, address_of(&callgrind_group_test::leaf));
  add_code(profile, profile.threads[0], start, end, 30'000);
  auto [libc_start, libc_end] = code_around(profile, address_of(&::qsort));
  add_code(profile, profile.threads[0], libc_start + 0x10000, libc_end, 30'000);
  ModuleCodeCache cache;
  CodeMap map(profile.modules, cache, getpid(), {});
  Symbolizer symbolizer;
  ModuleMap modules = ModuleMap::of_process(getpid());
  size_t asked = 0, lines_differ = 0, names_differ = 0, named = 0;
  for (size_t i = 0; i < profile.shapes.size(); i += 37) {
    uint64_t pc = profile.shapes[i].pc;
    auto frames = symbolizer.symbolize(modules, pc);
    const auto& function = map.functions()[map.function_at(pc)];
    SourceLine line = map.line_at(pc);
    asked++;
    if (frames[0].line != line.line && frames[0].line != 0) lines_differ++;
    named += function.named;
    // Aliases may be chosen differently, starts may not.
    if (!frames.back().function.empty() && function.named && function.name != "(below main)" &&
        frames.back().offset != map.link_time(pc) - function.address) {
      names_differ++;
    }
  }
  CHECK(asked > 100);
  CHECK(named > asked / 2);
  CHECK(lines_differ * 100 <= asked);
  CHECK(names_differ * 100 <= asked);
}

TEST_CASE("callgrind: names, inlined code's file, calls") {
  uint64_t outer = address_of(&callgrind_group_test::outer), leaf = address_of(&callgrind_group_test::leaf);
  Profile profile = profile_of_functions({outer}, 12);
  auto& thread = profile.threads[0];
  thread.calls.push_back({outer + 4, leaf, 0, 0, 7, 0});
  thread.inclusive.assign(thread.inclusive.size() + 1, 70);
  thread.calls.back().first_cost = thread.inclusive.size() - 1;
  ModuleCodeCache cache;
  Grouped grouped = group(profile, {true, true, false}, cache);
  const auto* function = function_named(grouped, "callgrind_group_test::outer(int)");
  REQUIRE(function);
  CHECK(grouped.files[function->file].ends_with("callgrind_group_test.cpp"));
  CHECK(grouped.objects[function->object].ends_with("unit_tests"));
  REQUIRE(function_named(grouped, "callgrind_group_test::leaf(int)"));
  bool elsewhere = false;
  for (const auto& row : grouped.parts[0].rows) {
    elsewhere |= grouped.files[row.at.file] == "/elsewhere/included.inc" && row.at.line >= 1000;
  }
  CHECK(elsewhere);
  auto files = write_callgrind(grouped, {.dump_instr = true}, "callgrind.out.1", false);
  REQUIRE(files.size() == 1);
  CHECK(files[0].content.find("fi=(") != std::string::npos);
  CHECK(files[0].content.find("calls=7 ") != std::string::npos);
}

TEST_CASE("callgrind: recursion and callers show in names") {
  uint64_t outer = address_of(&callgrind_group_test::outer), leaf = address_of(&callgrind_group_test::leaf);
  Profile profile = profile_of_functions({leaf}, 8);
  profile.callers = {outer};
  profile.contexts.push_back({2, 0, 0});
  profile.contexts.push_back({1, 0, 1});
  profile.contexts.push_back({3, 0, 1});
  auto block = profile.threads[0].blocks[0];
  for (uint32_t context : {1, 2, 3}) {
    block.context = context;
    profile.threads[0].blocks.push_back(block);
  }
  ModuleCodeCache cache;
  Grouped grouped = group(profile, {}, cache);
  std::string name = "callgrind_group_test::leaf(int)", caller = "callgrind_group_test::outer(int)";
  CHECK(function_named(grouped, name));
  CHECK(function_named(grouped, name + "'2"));
  CHECK(function_named(grouped, name + "'" + caller));
  CHECK(function_named(grouped, name + "'3'" + caller));
  CHECK(grouped.parts[0].totals[0] == instructions_executed(profile));
}

TEST_CASE("callgrind: code without a file is named by the entry that was called, else by its address") {
  Profile profile = empty_profile();
  profile.threads.emplace_back();
  profile.lengths = {1, 1};
  for (uint64_t pc : {0x10000ull, 0x10040ull, 0x20000000ull}) {
    profile.shapes.push_back({pc, 0, 2});
    profile.threads[0].blocks.push_back({static_cast<uint32_t>(profile.shapes.size() - 1), 0, 3});
  }
  profile.threads[0].calls.push_back({0x10041, 0x10000, 0, 0, 3, 0});
  profile.threads[0].inclusive = {6};
  ModuleCodeCache cache;
  Grouped grouped = group(profile, {true, true, false}, cache);
  CHECK(function_named(grouped, "0x0000000000010000"));
  CHECK_FALSE(function_named(grouped, "0x0000000000010040"));
  CHECK(function_named(grouped, "0x0000000020000000"));
  CHECK(grouped.objects[grouped.functions[0].object] == "???");
  CHECK(grouped.parts[0].totals[0] == 18);
}

TEST_CASE("callgrind: shown names") {
  CHECK(shown_name("_start") == "(below main)");
  CHECK(shown_name("__libc_start_call_main") == "(below main)");
  CHECK(shown_name("__libc_start_main@@GLIBC_2.34") == "__libc_start_main@@GLIBC_2.34");
  CHECK(shown_name("_ZN3foo3barEi") == "foo::bar(int)");
  CHECK(shown_name("main") == "main");
}

TEST_CASE("callgrind: entries of the procedure linkage table") {
  auto elf = ElfFile::open("/proc/self/exe");
  REQUIRE(elf);
  SymbolTable table(*elf, nullptr);
  size_t named = 0;
  for (uint32_t i = 0; i < table.size(); i++) {
    const FunctionSymbol function = table.function(i);
    if (function.kind == FunctionSymbol::Kind::kPlt && !function.name.empty()) {
      named++;
      CHECK(table.find(function.start) != SymbolTable::kNone);
    }
  }
  CHECK(named > 20);
}

// A file to damage; empty where there is none.
static std::vector<uint8_t> small_library() {
  std::vector<uint8_t> bytes;
  if (FILE* in = std::fopen("/usr/lib/x86_64-linux-gnu/libdl.so.2", "rb")) {
    bytes.resize(1 << 20);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), in));
    std::fclose(in);
  }
  return bytes;
}

TEST_CASE("callgrind: symbol tables of damaged files do no harm") {
  std::vector<uint8_t> bytes = small_library();
  if (bytes.empty()) return;
  std::mt19937 random(3);
  for (int round = 0; round < 300; round++) {
    auto broken = bytes;
    for (unsigned i = 0; i < 1 + random() % 200; i++) broken[random() % broken.size()] = static_cast<uint8_t>(random());
    auto elf = ElfFile::from_bytes(std::move(broken));
    if (!elf || elf->class_bits() != 64) continue;
    SymbolTable table(*elf, nullptr);
    for (uint64_t vaddr = 0; vaddr < 0x6000; vaddr += 16) table.find(vaddr);
  }
}

TEST_CASE("callgrind: a section of absurd size is no more than one function") {
  std::vector<uint8_t> bytes = small_library();
  if (bytes.empty()) return;
  Elf64_Ehdr file;
  std::memcpy(&file, bytes.data(), sizeof file);
  uint64_t text = 0;
  for (unsigned i = 0; i < file.e_shnum; i++) {
    uint8_t* at = bytes.data() + file.e_shoff + i * sizeof(Elf64_Shdr);
    Elf64_Shdr header;
    std::memcpy(&header, at, sizeof header);
    if ((header.sh_flags & SHF_EXECINSTR) == 0) continue;
    text = header.sh_addr;
    header.sh_size = uint64_t{1} << 60;
    std::memcpy(at, &header, sizeof header);
  }
  auto elf = ElfFile::from_bytes(std::move(bytes));
  REQUIRE(elf);
  SymbolTable table(*elf, nullptr);
  CHECK(table.size() < 1000);
  CHECK(table.find(text) != SymbolTable::kNone);
  CHECK(table.find(text + (uint64_t{1} << 40)) == SymbolTable::kNone);
}

// Run with: unit_tests --no-skip -tc='callgrind: measure*'
TEST_CASE("callgrind: measure a profile of the size of Sage's" * doctest::skip()) {
  for (const char* library : {"libpython3.11.so.1.0", "libcrypto.so.3", "libLLVM-14.so.1", "libgmp.so.10"}) {
    if (!dlopen(library, RTLD_NOW)) MESSAGE("no " << library);
  }
  for (bool only_libpython : {true, false}) {
    Profile profile = empty_profile();
    profile.threads.emplace_back();
    for (const Module& module : profile.modules) {
      if (only_libpython && module.path.find("libpython") == std::string::npos) continue;
      for (const MapEntry& entry : module.mappings) {
        if (entry.executable && profile.lengths.size() < 1'840'000) {
          add_code(profile, profile.threads[0], entry.start, entry.end, 1'840'000 - profile.lengths.size());
        }
      }
    }
    for (WriterOptions options : {WriterOptions{}, WriterOptions{.dump_instr = true}}) {
      for (bool warm : {false, true}) {
        static ModuleCodeCache kept;
        ModuleCodeCache cold;
        ModuleCodeCache& cache = warm ? kept : cold;
        if (warm) group(profile, options.group_options(), cache);
        auto now = [] { return std::chrono::steady_clock::now(); };
        auto start = now();
        Grouped grouped = group(profile, options.group_options(), cache);
        auto middle = now();
        auto files = write_callgrind(grouped, options, "callgrind.out", false);
        auto end = now();
        auto ms = [](auto time) { return std::chrono::duration<double, std::milli>(time).count(); };
        MESSAGE(std::string(only_libpython ? "libpython" : "all")
                << " instructions " << profile.lengths.size() << " blocks " << profile.shapes.size() << " functions "
                << grouped.functions.size() << std::string(options.dump_instr ? " by instruction" : " by line")
                << std::string(warm ? " warm" : " cold") << ": group " << ms(middle - start) << " ms, write "
                << ms(end - middle) << " ms, " << files[0].content.size() / 1'000'000.0 << " MB");
      }
    }
  }
}
