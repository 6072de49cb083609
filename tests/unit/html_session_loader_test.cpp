#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "supervisor/reports/callgrind/callgrind_reader.h"
#include "supervisor/reports/callgrind/callgrind_writer.h"
#include "supervisor/reports/html/session_loader.h"
#include "tests/unit/callgrind_synthetic.h"

using namespace callgrind_test;
using namespace vsup::supervisor::html;

namespace {

Profile profile_of_this_program() {
  Profile profile = empty_profile();
  profile.events = {"Ir", "Dr"};
  profile.threads.emplace_back();
  auto [start, end] = code_around(profile, reinterpret_cast<uint64_t>(&load_session));
  add_code(profile, profile.threads[0], start, end, 20'000);
  for (size_t i = 0; i < 100; i++) {
    profile.threads[0].extra.push_back({profile.shapes[i].pc, 0, 1, static_cast<int64_t>(i)});
  }
  return profile;
}

}  // namespace

TEST_CASE("callgrind reader: what was written comes back") {
  Profile profile = profile_of_this_program();
  ModuleCodeCache cache;
  for (WriterOptions options : {WriterOptions{}, WriterOptions{.dump_instr = true},
                                WriterOptions{.dump_instr = true, .compress_strings = false, .compress_pos = false},
                                WriterOptions{.dump_line = false, .dump_instr = true}}) {
    Grouped written = group(profile, options.group_options(), cache);
    auto files = write_callgrind(written, options, "callgrind.out", false);
    auto read = read_callgrind(files.at(0).content);
    REQUIRE(read);
    CHECK(read->events == written.events);
    REQUIRE(read->parts.size() == 1);
    CHECK(read->parts[0].totals == written.parts[0].totals);
    CHECK(read->parts[0].rows.size() == written.parts[0].rows.size());
    CHECK(read->parts[0].calls.size() == written.parts[0].calls.size());
    auto before = function_costs(written, {}), after = function_costs(*read, {});
    // What is only jumped to has no cost, and jumps are not read.
    auto is_empty = [](const ReportFunction& function) { return function.inclusive == 0 && function.calls == 0; };
    std::erase_if(before, is_empty);
    std::erase_if(after, is_empty);
    auto order = [](const ReportFunction& a, const ReportFunction& b) {
      return std::tie(a.name, a.file, a.self) < std::tie(b.name, b.file, b.self);
    };
    std::sort(before.begin(), before.end(), order);
    std::sort(after.begin(), after.end(), order);
    REQUIRE(before.size() == after.size());
    size_t different = 0;
    for (size_t i = 0; i < before.size(); i++) {
      different += before[i].name != after[i].name || before[i].file != after[i].file ||
                   before[i].object != after[i].object || before[i].self != after[i].self ||
                   before[i].inclusive != after[i].inclusive || before[i].calls != after[i].calls;
    }
    CHECK(different == 0);
  }
}

TEST_CASE("callgrind reader: damaged text does no harm") {
  Profile profile = profile_of_this_program();
  ModuleCodeCache cache;
  std::string good = write_callgrind(group(profile, {}, cache), {}, "x", false).at(0).content.substr(0, 20'000);
  CHECK_FALSE(read_callgrind(""));
  CHECK_FALSE(read_callgrind("hello\n"));
  std::mt19937 random(7);
  for (int round = 0; round < 300; round++) {
    std::string text = good;
    for (unsigned i = 0; i < 1 + random() % 50; i++) text[random() % text.size()] = static_cast<char>(random());
    text.resize(random() % text.size());
    if (auto read = read_callgrind(text)) function_costs(*read, {});
  }
}

TEST_CASE("collapsed: what was written comes back") {
  std::string text = "main 1\nmain;a b c 2\nmain;a b c;d 3\n";
  NamedStacks stacks = read_collapsed(text);
  CHECK(write_collapsed(stacks) == text);
  CHECK(stacks.nodes[0].inclusive == 6);
  CHECK(read_collapsed("\n;\nx\n 3\nf y\n").nodes.empty());
}

TEST_CASE("collapsed: too large a text tells narrow costs with the frames above them") {
  std::string text = "a 1\na;b 20\na;b;c 4\na;b;d 300\na;b;d;e 2\n";
  NamedStacks stacks = read_collapsed(text);
  CHECK(write_collapsed(stacks, 1000) == text);
  std::string less = write_collapsed(stacks, 90);
  CHECK(less == "a 1\na;b 24\na;b;d 302\n");
  CHECK(write_collapsed(stacks, 0) == "a 327\n");  // never less than the outermost frames
  // A stack as deep as the stack of a program allows.
  std::string path = "f";
  for (int i = 0; i < 20'000; i++) path += ";f";
  NamedStacks deep = read_collapsed(path + " 7\n");
  CHECK(write_collapsed(deep, 1000).size() < 1000);
  CHECK(read_collapsed(write_collapsed(deep, 1000)).nodes[0].inclusive == 7);
}

TEST_CASE("session loader: a directory becomes a page") {
  char folder[] = "/tmp/vsup-report-XXXXXX";
  REQUIRE(mkdtemp(folder));
  std::string directory = folder, error;
  CHECK_FALSE(load_session(directory, &error));
  CHECK(error.find("session.json") != std::string::npos);
  std::ofstream(directory + "/session.json") << R"({"vsup": "0.1.0", "command": ["x", "y"], "tool": "callgrind",
    "state": "ended", "exit_status": 0, "seconds": 1.5, "processes": [
    {"pid": 7, "parent": 0, "image": 0, "directory": "7.0-x", "executable": "/bin/x", "arguments": ["x", "y"],
     "state": "killed", "signal": {"number": 9, "name": "SIGKILL"}},
    {"pid": 8, "parent": 7, "image": 0, "directory": "../../etc", "executable": "/bin/y", "arguments": 3}, 4]})";
  std::filesystem::create_directory(directory + "/7.0-x");
  Profile profile = profile_of_this_program();
  ModuleCodeCache cache;
  WriterOptions options;
  Grouped grouped = group(profile, options.group_options(), cache);
  std::ofstream(directory + "/7.0-x/callgrind.out.7") << write_callgrind(grouped, options, "x", false)[0].content;
  std::ofstream(directory + "/7.0-x/callgrind.out.7.collapsed") << "main 5\nmain;f 7\n";
  std::ofstream(directory + "/7.0-x/heap.live.7.collapsed") << "main;f 3\n";
  std::ofstream(directory + "/7.0-x/heap.peak.7.collapsed") << "main;f 9\n";
  std::ofstream(directory + "/7.0-x/other.collapsed") << "main;f 1\n";
  std::ofstream(directory + "/7.0-x/massif.out.7")
      << "desc: x\ncmd: x\ntime_unit: i\n#---\nsnapshot=0\n#---\ntime=0\nmem_heap_B=9\nmem_heap_extra_B=0\n"
         "mem_stacks_B=0\nheap_tree=empty\n";
  std::ofstream(directory + "/7.0-x/log.txt") << "==7==    definitely lost: 3 bytes in 1 blocks\n";
  std::filesystem::create_symlink("/etc/passwd", directory + "/7.0-x/link.collapsed");
  auto session = load_session(directory, &error);
  REQUIRE(session);
  CHECK(session->state == "exited with status 0");
  REQUIRE(session->processes.size() == 2);
  const ReportProcess& process = session->processes[0];
  CHECK(process.state == "killed by SIGKILL");
  REQUIRE(process.totals.size() == 2);
  CHECK(process.totals[0].second == instructions_executed(profile));
  REQUIRE(process.views.size() == 5);
  CHECK(process.views[0].title == "Live bytes");
  CHECK(process.views[0].total == 3);
  CHECK(process.views[1].title == "Peak bytes");
  CHECK(process.views[1].functions.size() == 2);
  CHECK(process.views[2].title == "other");
  CHECK(process.views[3].title == "Instructions");
  CHECK(process.views[3].unit == "Ir");
  CHECK(process.views[3].functions.size() > 10);
  CHECK(process.views[3].stacks.nodes.size() == 2);
  CHECK(process.views[4].title == "Data reads");
  CHECK(process.views[4].total == process.totals[1].second);
  CHECK(process.views[4].stacks.nodes.empty());
  REQUIRE(process.memory);
  CHECK(process.memory->snapshots.size() == 1);
  REQUIRE(process.leaks.sums.size() == 1);
  CHECK(process.leaks.sums[0].bytes == 3);
  CHECK(session->processes[1].directory.empty());
  CHECK(render_report_page(*session).find("SIGKILL") != std::string::npos);
  std::ofstream(directory + "/session.json") << "{\"vsup\": ";
  CHECK_FALSE(load_session(directory, &error));
  std::filesystem::remove_all(directory);
}
