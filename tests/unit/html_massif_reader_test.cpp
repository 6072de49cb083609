#include <doctest/doctest.h>

#include <random>

#include "supervisor/reports/html/leak_log_reader.h"
#include "supervisor/reports/html/massif_reader.h"

using namespace vsup::supervisor;
using namespace vsup::supervisor::html;

namespace {

const std::string kHead = "desc: --threshold=0\ncmd: ./x a b\ntime_unit: B\n";

std::string snapshot(int number, const std::string& tree) {
  return "#-----------\nsnapshot=" + std::to_string(number) + "\n#-----------\ntime=" + std::to_string(number * 10) +
         "\nmem_heap_B=100\nmem_heap_extra_B=8\nmem_stacks_B=3\nheap_tree=" + tree + "\n";
}

const std::string kTree =
    "detailed\n"
    "n3: 100 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.\n"
    " n2: 70 0x1: inner (x.c:1)\n"
    "  n1: 50 0x2: left (x.c:2)\n"
    "   n0: 50 0x3: main (x.c:3)\n"
    "  n0: 15 0x4: right (x.c:4)\n"
    " n0: 20 0x5: other(int, char: 3) (in /lib/x.so)\n"
    " n0: 10 in 2 places, all below massif's threshold (1.00%)";

}  // namespace

TEST_CASE("massif reader: snapshots and their trees, from the program's start inwards") {
  auto file = read_massif(kHead + snapshot(0, "empty") + snapshot(1, kTree) + snapshot(2, "peak"));
  REQUIRE(file);
  CHECK(file->command == "./x a b");
  CHECK(file->time_unit == "B");
  REQUIRE(file->snapshots.size() == 3);
  CHECK(file->snapshots[0].tree.nodes.empty());
  CHECK(file->snapshots[1].time == 10);
  CHECK(file->snapshots[1].heap == 100);
  CHECK(file->snapshots[1].extra == 8);
  CHECK(file->snapshots[1].stacks == 3);
  CHECK(file->snapshots[1].kind == MassifSnapshot::Kind::kDetailed);
  CHECK(file->snapshots[2].kind == MassifSnapshot::Kind::kPeak);
  // What no child tells is the node's own: 5 of inner's 70 bytes.
  CHECK(callgrind::write_collapsed(file->snapshots[1].tree) ==
        "in 2 places, all below massif's threshold (1.00%) 10\n"
        "inner (x.c:1) 5\n"
        "main (x.c:3);left (x.c:2);inner (x.c:1) 50\n"
        "other(int, char: 3) (in /lib/x.so) 20\n"
        "right (x.c:4);inner (x.c:1) 15\n");
}

TEST_CASE("massif reader: damaged text does no harm") {
  CHECK_FALSE(read_massif(""));
  CHECK_FALSE(read_massif("events: Ir\n"));
  std::string good = kHead + snapshot(0, "empty") + snapshot(1, kTree) + snapshot(2, kTree) + snapshot(3, "empty");
  auto whole = read_massif(good);
  REQUIRE(whole);
  CHECK(read_massif(good.substr(0, good.size() - 20))->snapshots.size() == 3);
  std::mt19937 random(11);
  for (int round = 0; round < 2000; round++) {
    std::string text = good;
    for (unsigned i = 0; i < 1 + random() % 8; i++) text[random() % text.size()] = static_cast<char>(random());
    text.resize(random() % text.size());
    if (auto read = read_massif(text)) CHECK(read->snapshots.size() <= 5);
  }
}

TEST_CASE("leak log: the last search of several, frames with and without addresses") {
  LeakLog log = read_leak_log(
      "==7== 8 bytes in 1 blocks are possibly lost in loss record 1 of 1\n==7==    at 0x1: old (x.c:1)\n==7== \n"
      "==7==    definitely lost: 0 bytes in 0 blocks\n==7==      possibly lost: 8 bytes in 1 blocks\n"
      "00:00:01 nothing of ours\n"
      "==7== 1,048,576 bytes in 16 blocks are definitely lost in loss record 1 of 1\n"
      "==7==    at 0x4841234: malloc (vg_replace_malloc.c:381)\n"
      "==7==    by load (app.py:12)\n"
      "==7== \n==7==    by 0x9: not a frame of it (x.c:1)\n"
      "==7==    definitely lost: 1,048,576 (+8) bytes in 16 (+1) blocks\n");
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].kind == "definitely lost");
  CHECK(log.records[0].bytes == 1'048'576);
  CHECK(log.records[0].blocks == 16);
  CHECK(log.records[0].frames == std::vector<std::string>{"malloc (vg_replace_malloc.c:381)", "load (app.py:12)"});
  REQUIRE(log.sums.size() == 1);
  CHECK(log.sums[0].blocks == 16);
  CHECK(read_leak_log("==7== 99999999999999999999 bytes in 1 blocks are x in loss record 1 of 1\n").records.empty());
}
