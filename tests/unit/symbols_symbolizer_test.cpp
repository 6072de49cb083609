#include <dlfcn.h>
#include <doctest/doctest.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "supervisor/symbols/symbol_module.h"
#include "supervisor/symbols/symbolizer.h"

using namespace vsup::supervisor;

namespace symbols_test {

[[gnu::always_inline]] inline uint64_t inlined_leaf() {
  uint64_t pc;
  asm volatile("lea 0(%%rip), %0" : "=r"(pc));  // the address after it
  return pc;
}

[[gnu::always_inline]] inline uint64_t inlined_middle(int& count) {
  count++;
  return inlined_leaf();  // MIDDLE
}

template <typename T>
struct Holder {
  [[gnu::noinline]] static uint64_t where(T& count) { return inlined_middle(count); }  // OUTER
};

[[gnu::noinline]] uint64_t plain(const std::string&) {
  uint64_t pc;
  asm volatile("lea 0(%%rip), %0" : "=r"(pc));  // the address after it
  return pc;
}

int ahead_of_gap(int);
int code_in_gap(int);
int behind_gap(int);

}  // namespace symbols_test

namespace {

const ModuleMap& own_modules() {
  static ModuleMap map = [] {
    ModuleMap result = ModuleMap::of_process(getpid());
    return result;
  }();
  return map;
}

}  // namespace

TEST_CASE("symbolizer: a C++ function of this program, with file and line") {
  Symbolizer symbolizer;
  uint64_t pc = symbols_test::plain("");
  auto frames = symbolizer.symbolize(own_modules(), pc, pc - 1);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].function.starts_with("symbols_test::plain(std::"));
  CHECK(frames[0].file.ends_with("symbols_symbolizer_test.cpp"));
  CHECK(frames[0].file[0] == '/');
  CHECK(frames[0].line > 30);
  CHECK(frames[0].line < 50);
  CHECK(frames[0].address == pc);
  CHECK(frames[0].module == std::filesystem::read_symlink("/proc/self/exe").string());
  CHECK_FALSE(frames[0].inlined);
  CHECK(describe(frames[0]).ends_with("(symbols_symbolizer_test.cpp:" + std::to_string(frames[0].line) + ")"));
}

TEST_CASE("symbolizer: inlined functions come first, with their callers' lines") {
  Symbolizer symbolizer;
  int count = 0;
  uint64_t pc = symbols_test::Holder<int>::where(count);
  auto frames = symbolizer.symbolize(own_modules(), pc, pc - 1);
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].function == "symbols_test::inlined_leaf()");
  CHECK(frames[0].inlined);
  CHECK(frames[1].function == "symbols_test::inlined_middle(int&)");
  CHECK(frames[1].inlined);
  CHECK(frames[2].function == "symbols_test::Holder<int>::where(int&)");
  CHECK_FALSE(frames[2].inlined);
  CHECK(frames[2].offset > 0);
  CHECK(frames[0].line < frames[1].line);
  CHECK(frames[1].line < frames[2].line);
  for (const auto& frame : frames) CHECK(frame.file.ends_with("symbols_symbolizer_test.cpp"));
}

TEST_CASE("symbolizer: code without debug information gets no line of the unit around it") {
  auto address_of = [](int (*function)(int)) { return reinterpret_cast<uint64_t>(function); };
  const uint64_t ahead = address_of(&symbols_test::ahead_of_gap), pc = address_of(&symbols_test::code_in_gap);
  REQUIRE(ahead < pc);
  REQUIRE(pc < address_of(&symbols_test::behind_gap));
  Symbolizer symbolizer;
  CHECK(symbolizer.symbolize(own_modules(), ahead)[0].file.ends_with("symbols_gap_ahead.cpp"));
  auto frames = symbolizer.symbolize(own_modules(), pc);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].function == "symbols_test::code_in_gap(int)");
  CHECK(frames[0].file.empty());
  CHECK(frames[0].line == 0);
}

TEST_CASE("symbolizer: functions of shared libraries") {
  Symbolizer symbolizer;
  auto modules = ModuleMap::of_process(getpid());
  void* address = dlsym(RTLD_DEFAULT, "lfind");
  REQUIRE(address);
  auto frames = symbolizer.symbolize(modules, reinterpret_cast<uint64_t>(address) + 1);
  CHECK(frames.back().function.find("lfind") != std::string::npos);
  CHECK(frames.back().offset == 1);
  CHECK(frames.back().module.find("libc.so") != std::string::npos);
  CHECK(symbolizer.cached_modules() == 1);
  symbolizer.symbolize(modules, reinterpret_cast<uint64_t>(address) + 2);
  CHECK(symbolizer.cached_modules() == 1);
}

TEST_CASE("symbolizer: the vdso, once inspected") {
  ModuleMap modules = ModuleMap::of_process(getpid());
  auto read = [](uint64_t from, void* to, size_t size) {
    __builtin_memcpy(to, reinterpret_cast<const void*>(from), size);
    return true;
  };
  void* vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (!vdso) return;
  void* address = dlsym(vdso, "__vdso_clock_gettime");
  REQUIRE(address);
  auto pc = reinterpret_cast<uint64_t>(address);
  REQUIRE(modules.inspect(pc, read));
  Symbolizer symbolizer;
  auto frames = symbolizer.symbolize(modules, pc);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].function.find("clock_gettime") != std::string::npos);
  CHECK(frames[0].module == "[vdso]");
}

TEST_CASE("symbolizer: addresses that belong to nothing") {
  Symbolizer symbolizer;
  for (uint64_t address : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{0x270000001234}}) {
    auto frames = symbolizer.symbolize(own_modules(), address);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].address == address);
    CHECK(frames[0].function.empty());
    CHECK(frames[0].module.empty());
  }
  CHECK(symbolizer.symbolize(ModuleMap(), 0x1234).size() == 1);
}

TEST_CASE("symbolizer: a damaged or replaced file gives the module's name alone") {
  auto directory = std::filesystem::temp_directory_path() / ("vsup-symbols-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  auto path = directory / "damaged.so";
  std::ifstream in("/proc/self/exe", std::ios::binary);
  std::string bytes(200'000, 0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::mt19937 random(11);
  for (int round = 0; round < 60; round++) {
    std::string damaged = bytes.substr(0, random() % bytes.size());
    for (int i = 0; i < 50 && !damaged.empty(); i++) damaged[random() % damaged.size()] = static_cast<char>(random());
    if (damaged.size() > 18 && round % 2) std::copy_n(bytes.begin(), 18, damaged.begin());
    std::ofstream(path, std::ios::binary) << damaged;
    Symbolizer symbolizer;
    ModuleMap map("10000-90000 r-xp 00000000 fe:01 5 " + path.string() + "\n");
    for (uint64_t address = 0x10000; address < 0x50000; address += 0x7777) {
      auto frames = symbolizer.symbolize(map, address);
      REQUIRE_FALSE(frames.empty());
      CHECK(frames.back().module == path.string());
    }
  }
  std::filesystem::remove_all(directory);
}
