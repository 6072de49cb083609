#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "supervisor/reports/callgrind/cachegrind_writer.h"
#include "supervisor/reports/callgrind/callgrind_writer.h"
#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "tests/unit/callgrind_synthetic.h"

using namespace callgrind_test;

namespace {

// Two functions of one object, three files; no symbols needed.
Grouped small(size_t event_count = 2) {
  Grouped grouped;
  grouped.process.pid = 42;
  grouped.process.command = "./prog\nwith a line break";
  grouped.events = {"Ir", "Dr", "Dw"};
  grouped.events.resize(event_count);
  grouped.objects = {"???", "/bin/prog", "/lib/libx.so"};
  grouped.files = {"???", "a.c", "b.h"};
  grouped.functions = {{1, 1, 10, 0x1000, "main", "main", true},
                       {1, 1, 20, 0x1100, "f'2", "f", true},
                       {2, 0, 0, 0x2000, "0x0000000000002000", "0x0000000000002000", false}};
  grouped.parts.resize(1);
  GroupedPart& part = grouped.parts[0];
  auto costs = [&](std::vector<uint64_t> values) {
    values.resize(event_count);
    part.costs.insert(part.costs.end(), values.begin(), values.end());
    return part.costs.size() - event_count;
  };
  part.rows = {{0, {0x1000, 1, 10}, costs({5, 0})},
               {0, {0x1004, 2, 3}, costs({5, 1})},
               {0, {0x1009, 1, 11}, costs({5, 2})},
               {1, {0x1100, 1, 20}, costs({30, 4})},
               {2, {0x2000, 0, 0}, costs({7, 0})}};
  part.calls = {{0, 1, {0x1009, 1, 11}, 0x1100, 20, 3, costs({37, 4})},
                {1, 2, {0x1100, 1, 20}, 0x2000, 0, 1, costs({7, 0})}};
  part.jumps = {{0, 0, {0x1004, 2, 3}, {0x1000, 1, 10}, true, 5, 2},
                {1, 1, {0x1100, 1, 20}, {0x1108, 1, 21}, false, 9, 9}};
  part.totals = {52, 7, 0};
  part.totals.resize(event_count);
  return grouped;
}

std::string content(const Grouped& grouped, const WriterOptions& options) {
  return write_callgrind(grouped, options, "callgrind.out.42", false).at(0).content;
}

std::string body(const std::string& text) {
  return text.substr(text.find("summary:"));
}

}  // namespace

TEST_CASE("callgrind: a file with lines, word by word") {
  std::string text = content(small(), {});
  CHECK(text.starts_with("# callgrind format\nversion: 1\ncreator: vsup-"));
  CHECK(text.find("cmd: ./prog?with a line break\npart: 1\n\ndesc: Timerange: Basic block 0 - 0\n"
                  "desc: Trigger: Program termination\n\npositions: line\nevents: Ir Dr\nsummary: 52 7\n") !=
        std::string::npos);
  CHECK(body(text) ==
        "summary: 52 7\n\n"
        "ob=(2) /bin/prog\nfl=(2) a.c\nfn=(1) main\n10 5\nfi=(3) b.h\n-7 5 1\n"
        "jfi=(2)\njcnd=2/5 +7 \n* \nfe=(2)\n+8 5 2\ncfn=(2) f'2\ncalls=3 +9 \n* 37 4\n\n"
        "fl=(2)\nfn=(2)\n20 30 4\ncob=(3) /lib/libx.so\ncfi=(1) ???\ncfn=(3) 0x0000000000002000\ncalls=1 -20 \n* 7\n"
        "jump=9 +1 \n* \n\n"
        "ob=(3)\nfl=(1)\nfn=(3)\n0 7\n\n\n"
        "totals: 52 7\n");
}

TEST_CASE("callgrind: instructions, without compression") {
  WriterOptions options{.dump_instr = true, .compress_strings = false, .compress_pos = false};
  std::string text = content(small(), options);
  CHECK(text.find("positions: instr line\n") != std::string::npos);
  CHECK(text.find("ob=/bin/prog\nfl=a.c\nfn=main\n0x1000 10 5\nfi=b.h\n0x1004 3 5 1\n") != std::string::npos);
  CHECK(text.find("cfn=f'2\ncalls=3 0x1100 20 \n0x1009 11 37 4\n") != std::string::npos);
  options = {.dump_line = false, .dump_instr = true};
  text = content(small(), options);
  CHECK(text.find("positions: instr\n") != std::string::npos);
  CHECK(text.find("\nfi=") == std::string::npos);
  CHECK(text.find("fn=(1) main\n0x1000 5\n+4 5 1\n") != std::string::npos);
}

TEST_CASE("callgrind: names of files of parts and threads") {
  Grouped grouped = small();
  grouped.parts.push_back(grouped.parts[0]);
  grouped.parts[0].thread = 1;
  grouped.parts[1].thread = 2;
  grouped.process.part = 3;
  auto files = write_callgrind(grouped, {.separate_threads = true}, "callgrind.out.42", true);
  REQUIRE(files.size() == 2);
  CHECK(files[0].name == "callgrind.out.42.3-01");
  CHECK(files[1].name == "callgrind.out.42.3-02");
  CHECK(files[1].content.find("thread: 2\n") != std::string::npos);
  files = write_callgrind(grouped, {.separate_threads = true}, "callgrind.out.42", false);
  CHECK(files[0].name == "callgrind.out.42-01");
  files = write_callgrind(grouped, {.combine_dumps = true, .separate_threads = true}, "callgrind.out.42", true);
  REQUIRE(files.size() == 1);
  CHECK(files[0].name == "callgrind.out.42");
  CHECK(files[0].append);
  CHECK(files[0].content.starts_with("# callgrind format\n"));
  files = write_callgrind(grouped, {.combine_dumps = true}, "callgrind.out.42", true);
  CHECK(files[0].append);
  CHECK(files[0].content.starts_with("\npart: 3\n"));
  grouped.process.part = 1;
  files = write_callgrind(grouped, {.combine_dumps = true}, "callgrind.out.42", true);
  CHECK_FALSE(files[0].append);
  CHECK(files[0].content.starts_with("# callgrind format\n"));
}

TEST_CASE("cachegrind: a file, word by word") {
  Grouped grouped = small(3);
  grouped.process.descriptions = {"I1 cache: 32768 B, 64 B, 8-way associative"};
  CHECK(write_cachegrind(grouped) ==
        "desc: I1 cache: 32768 B, 64 B, 8-way associative\ncmd: ./prog?with a line break\nevents: Ir Dr Dw\n"
        "fl=???\nfn=???\n0 7 0 0\n"
        "fl=a.c\nfn=f\n20 30 4 0\nfn=main\n10 5 0 0\n11 5 2 0\n"
        "fl=b.h\nfn=main\n3 5 1 0\n"
        "summary: 52 7 0\n");
  CHECK(write_cachegrind(
            Grouped{.process = {}, .events = {"Ir"}, .objects = {}, .files = {}, .functions = {}, .parts = {}})
            .find("summary: 0\n") != std::string::npos);
}

TEST_CASE("collapsed: stacks of equal names are one, numbers sum up") {
  NamedStacks stacks;
  stacks.names = {"main", "a;b", "c"};
  stacks.nodes = {{StackNode::kRoot, 0, 1, 6}, {0, 1, 2, 5}, {1, 2, 3, 3}, {0, 2, 0, 0}};
  CHECK(write_collapsed(stacks) == "main 1\nmain;a:b 2\nmain;a:b;c 3\n");
  CHECK(write_collapsed({}).empty());

  Profile profile = empty_profile();
  uint64_t f = reinterpret_cast<uint64_t>(&::qsort), g = reinterpret_cast<uint64_t>(&::strtol);
  profile.stacks = {{StackNode::kRoot, f, 10}, {0, g, 5}, {0, g + 1, 7}, {2, f, 1}};
  ModuleCodeCache cache;
  std::string text = write_collapsed(name_stacks(profile, cache));
  CHECK(text.starts_with("qsort"));
  std::istringstream lines(text);
  std::string line;
  uint64_t sum = 0;
  size_t count = 0;
  while (std::getline(lines, line)) {
    sum += std::stoull(line.substr(line.rfind(' ')));
    count++;
  }
  CHECK(sum == 23);
  CHECK(count == 3);
}

TEST_CASE("collapsed: a recursion 5,000 deep") {
  NamedStacks stacks;
  stacks.names = {"f"};
  stacks.nodes.push_back({StackNode::kRoot, 0, 0, 1});
  for (uint32_t i = 0; i < 5'000; i++) stacks.nodes.push_back({i, 0, i == 4'999 ? 1u : 0u, 1});
  CHECK(write_collapsed(stacks).ends_with(";f 1\n"));
}

// tests/checks/callgrind_files.py reads these with callgrind_annotate, cg_annotate, cg_diff and cg_merge.
TEST_CASE("callgrind: files for the check of Valgrind's own programs") {
  const char* folder = std::getenv("VSUP_CALLGRIND_FILES");
  if (!folder) return;
  Profile profile = empty_profile();
  profile.events = {"Ir", "Dr", "Dw"};
  profile.process.descriptions = {"I1 cache: 32768 B, 64 B, 8-way associative",
                                  "D1 cache: 32768 B, 64 B, 8-way associative",
                                  "LL cache: 33554432 B, 64 B, 16-way associative"};
  profile.threads.resize(2);
  profile.threads[1].number = 2;
  auto [start, end] = code_around(profile, reinterpret_cast<uint64_t>(&write_cachegrind));
  add_code(profile, profile.threads[0], start, end, 30'000, 1);
  auto [libc_start, libc_end] = code_around(profile, reinterpret_cast<uint64_t>(&::qsort));
  add_code(profile, profile.threads[1], libc_start, libc_end, 30'000, 2);
  for (ThreadProfile& thread : profile.threads) {
    for (BlockCount& block : thread.blocks) {
      block.first_simulated = thread.simulated.size();
      for (uint32_t i = 0; i < profile.shapes[block.shape].instruction_count; i++) {
        thread.simulated.push_back(i % 3 == 0 ? block.count : 0);
        thread.simulated.push_back(i % 5 == 0 ? block.count : 0);
      }
    }
  }
  ModuleCodeCache cache;
  auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(std::string(folder) + "/" + name, std::ios::binary) << text;
  };
  auto write_all = [&](const WriterOptions& options, const std::string& name) {
    Grouped grouped = group(profile, options.group_options(), cache);
    for (const OutputFile& file : write_callgrind(grouped, options, name, false)) write(file.name, file.content);
  };
  write_all({}, "callgrind.out.lines");
  write_all({.dump_instr = true}, "callgrind.out.instr");
  write_all({.dump_line = false, .dump_instr = true}, "callgrind.out.addresses");
  write_all({.dump_instr = true, .compress_strings = false, .compress_pos = false}, "callgrind.out.plain");
  write_all({.separate_threads = true}, "callgrind.out.threads");
  Grouped by_line = group(profile, {}, cache);
  write("cachegrind.out.1", write_cachegrind(by_line));
  std::string totals;
  for (uint64_t total : by_line.parts[0].totals) totals += std::to_string(total) + " ";
  write("totals", totals);
  CHECK(by_line.parts[0].totals[0] == instructions_executed(profile));
}
