#include "supervisor/reports/callgrind/look_ahead.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "agent/tools/callgrind/records.h"
#include "supervisor/reports/callgrind/code_periods.h"

using namespace vsup;
using namespace vsup::supervisor;
using namespace vsup::supervisor::callgrind;

namespace records = agent::callgrind;

namespace {

constexpr uint64_t kRecords = 10'000;

// The records of this process itself, empty at first.
class OwnRecords {
 public:
  OwnRecords() {
    map(records::kToolBase, sizeof(records::Header));
    map(records::kBlocksAt, kRecords * sizeof(records::BlockRecord));
  }
  ~OwnRecords() {
    ::munmap(at(records::kToolBase), sizeof(records::Header));
    ::munmap(at(records::kBlocksAt), kRecords * sizeof(records::BlockRecord));
  }

  void set_count(uint64_t count) { reinterpret_cast<records::Header*>(at(records::kToolBase))->blocks = count; }
  void execute(uint64_t pc, uint64_t times) {
    auto& header = *reinterpret_cast<records::Header*>(at(records::kToolBase));
    for (; times > 0; --times)
      reinterpret_cast<records::BlockRecord*>(at(records::kBlocksAt))[header.blocks++] = {pc, 0, 1, 1, 0, 0};
  }

 private:
  static void* at(uint64_t address) { return reinterpret_cast<void*>(address); }
  static void map(uint64_t address, size_t size) {
    REQUIRE(::mmap(at(address), size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                   0) == at(address));
  }
};

[[gnu::noinline]] int executed(int value) {
  asm volatile("" : "+r"(value));
  return value + 1;
}

MappedModule own_code() {
  const auto pc = reinterpret_cast<uint64_t>(&executed);
  const ModuleMap map = ModuleMap::of_process(::getpid());
  for (const Module& module : map.modules())
    for (const MapEntry& entry : module.mappings)
      if (pc >= entry.start && pc < entry.end)
        return {
            .path = module.path, .start = entry.start, .end = entry.end, .offset = entry.offset, .inode = entry.inode};
  return {};
}

}  // namespace

TEST_CASE("lines of what a live process has executed are read, each once") {
  OwnRecords own;
  ModuleCodeCache cache;
  const MappedModule module = own_code();
  ModuleCode* code = cache.find(module_of_code(module), ::getpid());
  REQUIRE(code != nullptr);
  LookAhead ahead;
  CHECK_FALSE(ahead.watches());
  ahead.watch(::getpid(), ::getpid(), module, *code);
  REQUIRE(ahead.watches());
  CHECK_FALSE(ahead.look());
  CHECK(code->lines().files().size() == 1);

  own.execute(reinterpret_cast<uint64_t>(&executed), 1);
  CHECK(ahead.look());
  const std::vector<std::string>& files = code->lines().files();
  const size_t read = files.size();
  CHECK(std::find_if(files.begin(), files.end(), [](const std::string& file) {
          return file.ends_with("callgrind_look_ahead_test.cpp");
        }) != files.end());
  CHECK_FALSE(ahead.look());

  SUBCASE("a part at a time") {
    own.execute(reinterpret_cast<uint64_t>(&executed), kRecords - 1);
    CHECK(ahead.look());
    CHECK(ahead.look());
    CHECK_FALSE(ahead.look());
    CHECK(files.size() == read);
  }
  SUBCASE("addresses outside of the module are passed over") {
    own.execute(module.end, 1);
    own.execute(0, 1);
    own.execute(~uint64_t{0}, 1);
    CHECK(ahead.look());
    CHECK(files.size() == read);
  }
  SUBCASE("numbers that no process has") {
    own.set_count(uint64_t{records::kMaxBlocks} + 1);
    CHECK_FALSE(ahead.look());
    own.set_count(~uint64_t{0});
    CHECK_FALSE(ahead.look());
  }
  SUBCASE("records that cannot be read") {
    own.set_count(records::kMaxBlocks);
    for (int i = 0; i < 3; ++i) ahead.look();
    CHECK(files.size() == read);
  }
  SUBCASE("a process that has ended") {
    ahead.forget(::getpid());
    CHECK_FALSE(ahead.watches());
    own.execute(reinterpret_cast<uint64_t>(&executed), 1);
    CHECK_FALSE(ahead.look());
  }
}
