#include <doctest/doctest.h>
#include <unistd.h>

#include "supervisor/symbols/module_map.h"

using namespace vsup::supervisor;

TEST_CASE("module_map: lines of every kind") {
  auto entries = parse_map_entries(
      "00400000-00401000 r--p 00000000 fe:01 123                                /usr/bin/my prog\n"
      "00401000-00402000 r-xp 00001000 fe:01 123                                /usr/bin/my prog\n"
      "00500000-00501000 rw-p 00000000 00:00 0 \n"
      "7f0000000000-7f0000001000 rwxs 00000000 00:01 7                          /memfd:x (deleted)\n"
      "7f0000002000-7f0000003000 r--p 00000000 08:02 9                          /tmp/a\\012b\n"
      "7ffff7fc0000-7ffff7fc2000 r-xp 00000000 00:00 0                          [vdso]\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
  REQUIRE(entries.size() == 7);
  CHECK(entries[0].path == "/usr/bin/my prog");
  CHECK(entries[0].start == 0x400000);
  CHECK(entries[0].end == 0x401000);
  CHECK(entries[0].device_major == 0xfe);
  CHECK(entries[0].inode == 123);
  CHECK_FALSE(entries[0].executable);
  CHECK(entries[1].executable);
  CHECK(entries[1].offset == 0x1000);
  CHECK(entries[2].path.empty());
  CHECK(entries[2].writable);
  CHECK(entries[3].shared);
  CHECK(entries[3].deleted);
  CHECK(entries[3].path == "/memfd:x");
  CHECK(entries[4].path == "/tmp/a\nb");
  CHECK(entries[6].start == 0xffffffffff600000);
}

TEST_CASE("module_map: lines that are no maps are skipped") {
  CHECK(parse_map_entries("").empty());
  CHECK(parse_map_entries("\n\n\n").empty());
  CHECK(parse_map_entries("hello\n400000\n400000-\n400000-401000\n400000-401000 r-xp\n").empty());
  CHECK(parse_map_entries("401000-400000 r-xp 0 00:00 0 \n").empty());
  CHECK(parse_map_entries("400000-401000 r-xp 0 00:00 \n").empty());
  CHECK(parse_map_entries("99999999999999999-401000 r-xp 0 00:00 0\n").empty());
  // An overlap keeps the first.
  CHECK(parse_map_entries("400000-402000 r-xp 0 00:00 0\n401000-403000 r-xp 0 00:00 0\n").size() == 1);
  CHECK(parse_map_entries("400000-401000 r-xp 00000000 00:00 0").size() == 1);
}

TEST_CASE("module_map: modules have code, and the same file twice is two") {
  ModuleMap map(
      "1000-2000 r--p 00000000 fe:01 5 /lib/a.so\n"
      "2000-3000 r-xp 00001000 fe:01 5 /lib/a.so\n"
      "3000-4000 rw-p 00000000 00:00 0 \n"
      "4000-5000 rw-p 00002000 fe:01 5 /lib/a.so\n"
      "6000-7000 r--p 00000000 fe:01 5 /lib/a.so\n"
      "7000-8000 r-xp 00001000 fe:01 5 /lib/a.so\n"
      "9000-a000 r--p 00000000 fe:01 6 /usr/share/data\n"
      "b000-c000 r-xp 00000000 00:00 0 [vdso]\n");
  REQUIRE(map.modules().size() == 3);
  CHECK(map.modules()[0].start == 0x1000);
  CHECK(map.modules()[0].end == 0x5000);
  CHECK(map.modules()[0].name() == "a.so");
  CHECK(map.module_at(0x2abc) == &map.modules()[0]);
  CHECK(map.module_at(0x3abc) == nullptr);  // its bss is not the file's
  CHECK(map.module_at(0x7fff) == &map.modules()[1]);
  CHECK(map.module_at(0x9000) == nullptr);
  CHECK(map.module_at(0xb000)->is_vdso());
  CHECK(map.module_at(0) == nullptr);
  CHECK(map.module_at(~0ull) == nullptr);
  CHECK(map.entry_at(0x3000)->path.empty());
}

TEST_CASE("module_map: this process, load bias from the file as from memory") {
  ModuleMap map = ModuleMap::of_process(getpid());
  auto address = reinterpret_cast<uint64_t>(&parse_map_entries);
  auto read = [](uint64_t from, void* to, size_t size) {
    __builtin_memcpy(to, reinterpret_cast<const void*>(from), size);
    return true;
  };
  const Module* module = map.inspect(address, read);
  REQUIRE(module);
  REQUIRE(module->image);
  auto file = ElfFile::open("/proc/self/exe");
  REQUIRE(file);
  CHECK(module->image->build_id == file->build_id());
  CHECK(load_bias(*module, address, *file) == module->image->bias);
  CHECK(load_bias(*module, 0, *file) == std::nullopt);
}

TEST_CASE("module_map: a file asked for by its address is as in all of the map, or not to be had") {
  const ModuleMap all = ModuleMap::of_process(getpid());
  REQUIRE(all.modules().size() > 2);
  for (const Module& module : all.modules()) {
    if (module.is_vdso()) continue;
    const ModuleMap one = ModuleMap::of_file_at(getpid(), module.start);
    if (one.modules().empty()) break;  // before Linux 6.11
    const Module& same = one.modules()[0];
    CHECK(one.modules().size() == 1);
    CHECK(same.path == module.path);
    CHECK(same.start == module.start);
    CHECK(same.end == module.end);
    CHECK(same.inode == module.inode);
    REQUIRE(same.mappings.size() == module.mappings.size());
    for (size_t i = 0; i < same.mappings.size(); i++) {
      CHECK(same.mappings[i].start == module.mappings[i].start);
      CHECK(same.mappings[i].end == module.mappings[i].end);
      CHECK(same.mappings[i].offset == module.mappings[i].offset);
      CHECK(same.mappings[i].executable == module.mappings[i].executable);
      CHECK(same.mappings[i].device_major == module.mappings[i].device_major);
      CHECK(same.mappings[i].device_minor == module.mappings[i].device_minor);
    }
  }
  CHECK(ModuleMap::of_file_at(getpid(), 0).modules().empty());
}
