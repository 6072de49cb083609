#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "supervisor/reports/leaks/python_arenas.h"
#include "supervisor/reports/leaks/roots.h"

using namespace vsup::supervisor;
using namespace vsup::supervisor::leaks;

namespace {

struct FakeMaps {
  std::string text;
  Blocks blocks;
  std::vector<RootThread> threads;
  std::map<uint64_t, uint64_t> words;
  bool all_blocks_known = true, python_blocks = false;

  void map(uint64_t start, uint64_t end, const char* protection, const char* path = "") {
    char line[256];
    std::snprintf(line, sizeof line, "%llx-%llx %s 00000000 00:00 %d %s\n", static_cast<unsigned long long>(start),
                  static_cast<unsigned long long>(end), protection, path[0] == '/' ? 7 : 0, path);
    text += line;
  }
  std::vector<Range> roots() const {
    const auto entries = parse_map_entries(text);
    const ReadMemory read = [this](uint64_t address, void* to, size_t size) -> size_t {
      std::memset(to, 0, size);
      for (size_t at = 0; at + 8 <= size; at += 8) {
        const auto word = words.find(address + at);
        if (word != words.end()) std::memcpy(static_cast<char*>(to) + at, &word->second, 8);
      }
      if (size < 8 && words.contains(address)) std::memcpy(to, &words.at(address), size);
      return size;
    };
    return find_roots(
        {entries,
         blocks,
         threads,
         read,
         {0x2700'0000'0000, 0x2800'0000'0000},
         all_blocks_known,
         python_blocks && all_blocks_known ? find_python_arenas(blocks, read).ranges : std::vector<Range>()});
  }
  bool is_root(uint64_t address) const {
    const auto found = roots();
    return range_at(found, address) != nullptr;
  }
};

}  // namespace

TEST_CASE("leak roots: what can be read and written, but no device, agent or break") {
  FakeMaps maps;
  maps.map(0x5000'0000'0000, 0x5000'0000'1000, "r--p", "/bin/x");
  maps.map(0x5000'0000'1000, 0x5000'0000'2000, "r-xp", "/bin/x");
  maps.map(0x5000'0000'2000, 0x5000'0000'3000, "rw-p", "/bin/x");
  maps.map(0x5000'0000'3000, 0x5000'0000'4000, "rw-p");  // its zeroed data
  maps.map(0x5000'0010'0000, 0x5000'0020'0000, "rw-p", "[heap]");
  maps.map(0x7000'0000'0000, 0x7000'0000'1000, "rw-s", "/dev/shm/a");
  maps.map(0x7000'0001'0000, 0x7000'0001'1000, "rw-s", "/dev/dri/card0");
  maps.map(0x7000'0002'0000, 0x7000'0002'1000, "---p");
  maps.text.insert(0, "270000000000-270000100000 rw-p 00000000 00:00 0 \n");
  maps.blocks = {{0x5000'0010'0010, 100}};
  CHECK_FALSE(maps.is_root(0x5000'0000'0000));
  CHECK_FALSE(maps.is_root(0x5000'0000'1000));
  CHECK(maps.is_root(0x5000'0000'2000));
  CHECK(maps.is_root(0x5000'0000'3ff8));
  CHECK_FALSE(maps.is_root(0x5000'0010'0000));
  CHECK(maps.is_root(0x7000'0000'0000));
  CHECK_FALSE(maps.is_root(0x7000'0001'0000));
  CHECK_FALSE(maps.is_root(0x7000'0002'0000));
  CHECK_FALSE(maps.is_root(0x2700'0000'1000));
  // Where older blocks may be, all is a root but the blocks that are known.
  maps.all_blocks_known = false;
  CHECK(maps.is_root(0x5000'0010'0000));
  CHECK_FALSE(maps.is_root(0x5000'0010'0010));
  CHECK(maps.is_root(0x5000'0018'0000));
  // A static program's first thread has its storage in the break.
  maps.all_blocks_known = true;
  maps.threads = {{0x7fff'0000'0000, 0, 0x5000'0010'0800, true}};
  CHECK(maps.is_root(0x5000'0010'0000));
  CHECK_FALSE(maps.is_root(0x5000'0018'0000));
}

TEST_CASE("leak roots: stacks from the stack pointer on") {
  FakeMaps maps;
  maps.map(0x7000'0000'0000, 0x7000'0010'0000, "rw-p");  // a thread's, its control block at the end
  maps.map(0x7000'0020'0000, 0x7000'0021'0000, "rw-p");  // data, with a signal handler's stack
  maps.map(0x7ffc'0000'0000, 0x7ffc'0010'0000, "rw-p", "[stack]");
  maps.threads = {{0x7000'0008'0000, 0x1002, 0x7000'000f'f000, true},
                  {0x7000'0020'8000, 0, 0x7000'0030'0000, true},
                  {0x7ffc'0008'0000, 0x2002, 0x7000'0040'0000, true}};
  maps.words[0x2000] = 0x050f;  // the third one is in a system call
  CHECK_FALSE(maps.is_root(0x7000'0007'0000));
  CHECK_FALSE(maps.is_root(0x7000'0007'ff78));
  CHECK(maps.is_root(0x7000'0007'ff80));  // red zone
  CHECK(maps.is_root(0x7000'000f'f000));
  CHECK(maps.is_root(0x7000'0020'0000));
  CHECK_FALSE(maps.is_root(0x7ffc'0007'fff8));
  CHECK(maps.is_root(0x7ffc'0008'0000));
}

TEST_CASE("leak roots: glibc's mappings, arenas and free lists are its own") {
  FakeMaps maps;
  const uint64_t big = 0x7000'0000'4000;  // within a mapping that has other things, too
  maps.map(0x7000'0000'0000, 0x7000'0010'0000, "rw-p");
  maps.blocks.push_back({big + 16, 0x5000});
  maps.words[big + 8] = 0x6000 | 2;  // size and IS_MMAPPED
  const uint64_t heap = 0x7000'0400'0000, arena = heap + 32;
  maps.map(heap, heap + 0x21000, "rw-p");
  maps.words[heap] = arena;
  maps.blocks.push_back({heap + 0x1010, 40});
  maps.words[heap + 0x1008] = 0x30 | 4 | 1;              // NON_MAIN_ARENA
  maps.map(0x7000'0900'0000, 0x7000'0910'0000, "rw-p");  // another allocator's
  maps.blocks.push_back({0x7000'0900'2000, 40});
  // The main arena: its last bin points to itself.
  const uint64_t data = 0x7000'0a00'0000;
  maps.map(data, data + 0x2000, "rw-p", "/usr/lib/x86_64-linux-gnu/libc.so.6");
  const uint64_t last_bin = data + 0x1000;
  maps.words[last_bin] = maps.words[last_bin + 8] = last_bin - 16;
  CHECK(maps.is_root(0x7000'0000'3ff8));
  CHECK_FALSE(maps.is_root(big));
  CHECK_FALSE(maps.is_root(big + 0x5ff8));
  CHECK(maps.is_root(big + 0x6000));
  CHECK_FALSE(maps.is_root(heap));
  CHECK_FALSE(maps.is_root(heap + 0x20000));
  CHECK_FALSE(maps.is_root(0x7000'0900'0000));
  CHECK_FALSE(maps.is_root(last_bin));
  CHECK_FALSE(maps.is_root(last_bin - 126 * 16 - 12 * 8));
  CHECK(maps.is_root(last_bin - 126 * 16 - 13 * 8));
  CHECK(maps.is_root(last_bin + 16 + 16 + 5 * 8));
}

TEST_CASE("leak roots: of the mapping that Python's arenas lie in, the rest is the program's") {
  FakeMaps maps;
  maps.python_blocks = true;
  const uint64_t start = 0x7000'0000'0000, pool_size = 0x4000;
  maps.map(start, start + 0x20'0000, "rw-p");
  const auto pool = [&](uint64_t address, uint64_t arena, uint64_t size_class) {
    const uint64_t last = pool_size - (size_class + 1) * 16, next = 48 + 4 * (size_class + 1) * 16;
    maps.words[address + 32] = arena | size_class << 32;
    maps.words[address + 40] = next | last << 32;
  };
  const uint64_t arena = start + 0x4000;
  pool(arena, 5, 1);  // free again
  pool(arena + pool_size, 5, 3);
  pool(arena + 3 * pool_size, 5, 3);  // what lies between is the arena's, too
  maps.blocks = {{arena + pool_size + 48, 60}, {arena + 3 * pool_size + 48 + 64, 64}};
  CHECK(maps.is_root(start));
  CHECK_FALSE(maps.is_root(arena));
  CHECK_FALSE(maps.is_root(arena + pool_size));
  CHECK_FALSE(maps.is_root(arena + 2 * pool_size + 0x1000));
  CHECK_FALSE(maps.is_root(arena + 4 * pool_size - 8));
  CHECK(maps.is_root(arena + 4 * pool_size));
  CHECK(maps.is_root(start + 0x10'0000));
  // Headers that do not fit the blocks: as another allocator's.
  maps.blocks[1].start += 8;
  CHECK_FALSE(maps.is_root(start + 0x10'0000));
  // Where older blocks may be, those that are known are left out alone.
  maps.all_blocks_known = false;
  CHECK(maps.is_root(arena + pool_size));
  CHECK_FALSE(maps.is_root(arena + pool_size + 48));
}
