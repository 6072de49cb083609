#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "supervisor/reports/html/report_page.h"

using namespace vsup::supervisor;
using namespace vsup::supervisor::html;
using callgrind::NamedStacks;
using callgrind::StackNode;

namespace {

constexpr const char* kHostile = "</script><script>document.title='broken out'</script>&amp;\xff\x01\"'";

// Names of a heap's stacks are a tracee's, too.
constexpr const char* kMassif =
    "desc: --time-unit=ms\ncmd: ./x </script>\ntime_unit: ms\n"
    "#-----------\nsnapshot=0\n#-----------\ntime=0\nmem_heap_B=0\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree="
    "empty\n"
    "#-----------\nsnapshot=1\n#-----------\ntime=50\nmem_heap_B=4096\nmem_heap_extra_B=64\nmem_stacks_B=128\n"
    "heap_tree=peak\n"
    "n2: 4096 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.\n"
    " n1: 3000 0x401136: grow</script> (x.c:12)\n  n0: 3000 0x401200: main (x.c:20)\n"
    " n0: 1096 in 3 places, all below massif's threshold (1.00%)\n"
    "#-----------\nsnapshot=2\n#-----------\ntime=100\nmem_heap_B=1024\nmem_heap_extra_B=16\nmem_stacks_B=96\n"
    "heap_tree=detailed\n"
    "n1: 1024 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.\n n0: 1024 0x401200: keep (x.c:30)\n";
constexpr const char* kHeapStacks =
    "main;<module> (app.py:3);load (app.py:12);malloc 6000\nmain;<module> (app.py:3);malloc 1000\nmain;grow 3000\n";
constexpr const char* kLeaks =
    "==102== 1,024 (1,000 direct, 24 indirect) bytes in 2 blocks are definitely lost in loss record 2 of 2\n"
    "==102==    at 0x4841234: malloc (vg_replace_malloc.c:381)\n"
    "==102==    by 0x401136: <img src=x onerror=\"document.title='broken out'\"> (x.c:12)\n"
    "==102==    by load (app.py:12)\n"
    "==102== \n"
    "==102== 24 bytes in 1 blocks are still reachable in loss record 1 of 2\n"
    "==102==    at 0x4841234: malloc (vg_replace_malloc.c:381)\n"
    "==102==    by 0x401200: keep (x.c:30)\n"
    "==102== \n"
    "==102== LEAK SUMMARY:\n"
    "==102==    definitely lost: 1,000 bytes in 1 blocks\n"
    "==102==    indirectly lost: 24 bytes in 1 blocks\n"
    "==102==      possibly lost: 0 bytes in 0 blocks\n"
    "==102==    still reachable: 24 bytes in 1 blocks\n"
    "==102==         suppressed: 0 bytes in 0 blocks\n";

ReportSession example() {
  ReportSession session;
  session.command = {"sh", "-c", "python3 <x.py & wait"};
  session.tool = "callgrind";
  session.version = "0.1.0";
  session.directory = "/tmp/a session";
  session.state = "exited with status 0";
  session.started = "2026-01-31T12:00:00.000000Z";
  session.seconds = 2.5;
  session.processes.resize(3);
  ReportProcess& shell = session.processes[0];
  shell.pid = 100;
  shell.executable = "/bin/sh";
  shell.arguments = {"sh", "-c", kHostile};
  shell.state = "exited with status 0";
  shell.totals = {{"Ir", 10}};
  shell.views.push_back({"Instructions", "Ir", 10, {{"main", "sh.c", "/bin/sh", 10, 10, 1}}, {}});
  ReportProcess& python = session.processes[1];
  python.pid = 101;
  python.parent = 100;
  python.executable = "/usr/bin/python3";
  python.arguments = {"python3", "x.py"};
  python.state = "killed by SIGKILL";
  python.totals = {{"Ir", 1000}, {"Dr", 300}};
  ReportView& instructions = python.views.emplace_back();
  instructions.title = "Instructions";
  instructions.unit = "Ir";
  instructions.total = 1000;
  instructions.functions = {{"main", "python.c", "/usr/bin/python3", 100, 1000, 1},
                            {"eval", "ceval.c", "/usr/lib/libpython3.so", 500, 900, 12},
                            {kHostile, "???", "/usr/lib/libpython3.so", 400, 400, 7}};
  instructions.stacks.names = {"main", "eval", kHostile, "tiny"};
  instructions.stacks.nodes = {{StackNode::kRoot, 0, 100, 1000},
                               {0, 1, 400, 900},
                               {1, 1, 100, 150},
                               {1, 2, 350, 350},
                               {2, 2, 50, 50},
                               {0, 3, 0, 0}};
  ReportProcess& child = session.processes[2];
  child.pid = 102;
  child.parent = 101;
  child.executable = "/bin/true";
  child.state = "exited with status 0";
  child.memory = read_massif(kMassif);
  child.views.push_back({"Total bytes", "bytes", 0, {}, callgrind::read_collapsed(kHeapStacks)});
  child.views[0].total = total_cost(child.views[0].stacks);
  child.views[0].functions = function_costs(child.views[0].stacks);
  child.leaks = read_leak_log(kLeaks);
  return session;
}

nlohmann::json data_of(const std::string& page) {
  std::string start = "<script type=\"application/json\" id=\"data\">";
  size_t at = page.find(start) + start.size();
  return nlohmann::json::parse(page.substr(at, page.find("</script>", at) - at));
}

}  // namespace

TEST_CASE("report page: data is whole and no name breaks out of it") {
  std::string page = render_report_page(example());
  CHECK(page.find("broken out'</script>") == std::string::npos);
  CHECK(page.find("<img") == std::string::npos);
  CHECK(page.find("http:") == page.find("http://www.w3.org/2000/svg"));  // a name, never fetched
  CHECK(page.find("https:") == std::string::npos);
  // The end tags are those of the page's own scripts.
  size_t ends = 0;
  for (size_t at = page.find("</script"); at != std::string::npos; at = page.find("</script", at + 1)) ends++;
  CHECK(ends == 2);
  auto data = data_of(page);
  REQUIRE(data["processes"].size() == 3);
  auto python = data["processes"][1], view = python["views"][0];
  CHECK(python["totals"][1][0] == "Dr");
  CHECK(view["functions"].size() == 3);
  CHECK(view["total"] == 1000);
  CHECK(view["stacks"]["parent"] == nlohmann::json({-1, 0, 1, 1, 2}));
  CHECK(view["stacks"]["self"] == nlohmann::json({100, 400, 100, 350, 50}));
  CHECK(view["stacks"]["left_out"] == 1);
  size_t hostile = view["stacks"]["name"][3];
  CHECK(data["strings"][hostile].get<std::string>().starts_with("</script><script>"));
  CHECK(render_report_page({}).find("id=\"data\"") != std::string::npos);
}

TEST_CASE("report page: heap, Python frames and leaks") {
  auto data = data_of(render_report_page(example()));
  auto child = data["processes"][2];
  REQUIRE(child["views"].size() == 3);
  CHECK(child["views"][0]["total"] == 10'000);
  CHECK(child["views"][1]["snapshot"] == 1);
  CHECK(child["views"][1]["title"] == "Snapshot 1 (peak)");
  CHECK(child["views"][1]["total"] == 4096);
  CHECK(child["memory"]["time_unit"] == "ms");
  CHECK(child["memory"]["snapshots"][0] == nlohmann::json({0, 0, 0, 0, 0, 0, -1}));
  CHECK(child["memory"]["snapshots"][1] == nlohmann::json({1, 50, 4096, 64, 128, 2, 1}));
  std::vector<std::string> python;
  for (size_t id : data["python"]) python.push_back(data["strings"][id]);
  CHECK(python == std::vector<std::string>{"<module> (app.py:3)", "load (app.py:12)"});
  REQUIRE(child["leaks"]["records"].size() == 2);
  CHECK(child["leaks"]["records"][0][1] == 1024);
  CHECK(child["leaks"]["records"][0][3].size() == 3);
  CHECK(child["leaks"]["sums"].size() == 5);
}

TEST_CASE("report page: narrow frames and cheap functions are left out") {
  ReportSession session = example();
  ReportView& view = session.processes[1].views[0];
  view.stacks.names.clear();
  view.stacks.nodes = {{StackNode::kRoot, 0, 0, 200'000}};
  view.functions.clear();
  for (uint32_t i = 0; i < 20'000; i++) {
    view.stacks.names.push_back("function number " + std::to_string(i));
    view.stacks.nodes.push_back({0, i, 10, 10});
    view.functions.push_back({view.stacks.names[i], "", "", i, i, 1});
  }
  PageLimits limits;
  limits.view_frames = 5'000;
  auto shown = data_of(render_report_page(session, limits))["processes"][1]["views"][0];
  CHECK(shown["stacks"]["cost"].size() == 5'000);  // though all are as wide
  CHECK(shown["stacks"]["cost"][0] == 200'000);
  CHECK(shown["stacks"]["left_out"] == 15'001);
  CHECK(shown["functions"].size() == 500);
  CHECK(shown["function_count"] == 20'000);
}

// Every kept frame has its parent, whatever the costs say.
TEST_CASE("report page: a tree whose costs make no sense") {
  ReportSession session = example();
  ReportView& view = session.processes[1].views[0];
  view.stacks.names = {"f"};
  view.stacks.nodes = {{StackNode::kRoot, 0, 0, 0}, {0, 0, 9, 9}, {1, 0, 5, 5}, {StackNode::kRoot, 0, 1, ~uint64_t{0}}};
  auto stacks = data_of(render_report_page(session))["processes"][1]["views"][0]["stacks"];
  CHECK(stacks["parent"] == nlohmann::json({-1}));
}

TEST_CASE("report page: costs of functions, recursion once") {
  callgrind::Grouped grouped;
  grouped.events = {"Ir"};
  grouped.objects = {"???", "/bin/x"};
  grouped.files = {"???", "x.c"};
  grouped.functions = {{1, 1, 1, 0, "f", "f", true}, {1, 1, 1, 0, "f'2", "f", true}, {1, 1, 9, 0, "g", "g", true}};
  grouped.parts.resize(1);
  auto& part = grouped.parts[0];
  part.costs = {10, 20, 30, 50, 30};
  part.rows = {{0, {}, 0}, {1, {}, 1}, {2, {}, 2}};
  part.calls = {{0, 1, {}, 0, 0, 2, 3}, {1, 2, {}, 0, 0, 5, 4}};
  part.totals = {60};
  auto functions = function_costs(grouped, {});
  REQUIRE(functions.size() == 2);
  CHECK(functions[0].name == "f");
  CHECK(functions[0].self == 30);
  CHECK(functions[0].inclusive == 60);
  CHECK(functions[0].calls == 2);
  CHECK(functions[1].inclusive == 30);
  CHECK(functions[1].calls == 5);

  NamedStacks stacks;
  stacks.names = {"f", "g"};
  stacks.nodes = {{StackNode::kRoot, 0, 10, 55}, {0, 0, 20, 45}, {1, 1, 25, 25}};
  functions = function_costs(grouped, stacks);
  CHECK(functions[0].inclusive == 55);
  CHECK(functions[1].inclusive == 30);  // never less than its own
}

TEST_CASE("report page: costs of functions from stacks alone") {
  auto functions =
      function_costs(callgrind::read_collapsed("f (x.c:1);g (x.c:5);f (x.c:2) 7\nf (x.c:1);h (in /lib/l.so) 3\n"));
  REQUIRE(functions.size() == 3);
  CHECK(functions[0].name == "f");
  CHECK(functions[0].file == "x.c");
  CHECK(functions[0].self == 7);
  CHECK(functions[0].inclusive == 10);  // not 17
  CHECK(functions[2].name == "h");
  CHECK(functions[2].object == "/lib/l.so");
}

TEST_CASE("report page: which frames are Python's") {
  for (const char* name : {"load (model.py:12)", "<module> (<string>:1)", "f (/a b/x.pyx:7)", "g (<frozen os>:3)"}) {
    CHECK_MESSAGE(is_python_frame(name), name);
  }
  for (const char* name :
       {"f", "operator()(int)", "f (x.c:12)", "f (in /usr/lib/x.py)", "a.py", " (x.py:1)", "f (x.py)"}) {
    CHECK_FALSE_MESSAGE(is_python_frame(name), name);
  }
}

// tests/checks/report_page.py opens them in a browser.
TEST_CASE("report page: a file for the browser's check") {
  const char* name = std::getenv("VSUP_REPORT_PAGE");
  if (!name) return;
  std::ofstream(name, std::ios::binary) << render_report_page(example());
  // 100,000 frames, 40 deep on the average.
  ReportSession session = example();
  ReportView& view = session.processes[1].views[0];
  view.stacks = {};
  std::mt19937 random(3);
  for (uint32_t i = 0; i < 2'000; i++) view.stacks.names.push_back("function number " + std::to_string(i));
  for (uint32_t i = 0; i < 100'000; i++) {
    uint32_t back = 1 + static_cast<uint32_t>(random()) % 400;
    view.stacks.nodes.push_back({i < back ? StackNode::kRoot : i - back, i % 2'000, 1 + random() % 100, 0});
  }
  for (uint32_t i = 100'000; i > 0; i--) {
    auto& node = view.stacks.nodes[i - 1];
    node.inclusive += node.self;
    if (node.parent != StackNode::kRoot) view.stacks.nodes[node.parent].inclusive += node.inclusive;
  }
  view.total = total_cost(view.stacks);
  session.processes[1].totals = {{"Ir", view.total}};
  std::ofstream(name + std::string(".large.html"), std::ios::binary) << render_report_page(session);
}
