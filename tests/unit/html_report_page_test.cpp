#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "supervisor/reports/html/report_page.h"

using namespace vsup::supervisor;
using namespace vsup::supervisor::html;
using callgrind::NamedStacks;
using callgrind::StackNode;

namespace {

constexpr const char* kHostile = "</script><script>document.title='broken out'</script>&amp;\xff\x01\"'";

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
  shell.functions = {{"main", "sh.c", "/bin/sh", 10, 10, 1}};
  ReportProcess& python = session.processes[1];
  python.pid = 101;
  python.parent = 100;
  python.executable = "/usr/bin/python3";
  python.arguments = {"python3", "x.py"};
  python.state = "killed by SIGKILL";
  python.totals = {{"Ir", 1000}, {"Dr", 300}};
  python.functions = {{"main", "python.c", "/usr/bin/python3", 100, 1000, 1},
                      {"eval", "ceval.c", "/usr/lib/libpython3.so", 500, 900, 12},
                      {kHostile, "???", "/usr/lib/libpython3.so", 400, 400, 7}};
  python.stacks.names = {"main", "eval", kHostile, "tiny"};
  python.stacks.nodes = {{StackNode::kRoot, 0, 100, 1000},
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
  CHECK(page.find("http:") == page.find("http://www.w3.org/2000/svg"));  // a name, never fetched
  CHECK(page.find("https:") == std::string::npos);
  auto data = data_of(page);
  REQUIRE(data["processes"].size() == 3);
  auto python = data["processes"][1];
  CHECK(python["totals"][1][0] == "Dr");
  CHECK(python["functions"].size() == 3);
  CHECK(python["stacks"]["total"] == 1000);
  CHECK(python["stacks"]["parent"] == nlohmann::json({-1, 0, 1, 1, 2}));
  CHECK(python["stacks"]["left_out"] == 1);
  CHECK(python["stacks"]["names"][2].get<std::string>().starts_with("</script><script>"));
  CHECK(render_report_page({}).find("id=\"data\"") != std::string::npos);
}

TEST_CASE("report page: narrow frames and cheap functions are left out") {
  ReportSession session = example();
  ReportProcess& process = session.processes[1];
  process.stacks.names.clear();
  process.stacks.nodes = {{StackNode::kRoot, 0, 0, 200'000}};
  process.functions.clear();
  for (uint32_t i = 0; i < 20'000; i++) {
    process.stacks.names.push_back("function number " + std::to_string(i));
    process.stacks.nodes.push_back({0, i, 10, 10});
    process.functions.push_back({process.stacks.names[i], "", "", i, i, 1});
  }
  std::string page = render_report_page(session);
  CHECK(page.size() < 200'000);
  auto data = data_of(page)["processes"][1];
  CHECK(data["stacks"]["left_out"] == 20'000);
  CHECK(data["functions"].size() == 500);
  CHECK(data["function_count"] == 20'000);
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

// tests/checks/report_page.py opens it in a browser.
TEST_CASE("report page: a file for the browser's check") {
  const char* name = std::getenv("VSUP_REPORT_PAGE");
  if (!name) return;
  std::ofstream(name, std::ios::binary) << render_report_page(example());
}
