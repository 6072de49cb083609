#include "supervisor/reports/leaks/leak_report.h"

#include <doctest/doctest.h>

#include <map>

using namespace vsup::supervisor;
using namespace vsup::supervisor::leaks;

namespace {

struct Check {
  LossRecords records;
  LeakTotals totals;
  SuppressionSet suppressions;
  ErrorDedup dedup;
  LeakReportOptions options;
  std::map<uint32_t, std::vector<ReportFrame>> stacks;

  void block(LeakKind kind, uint32_t origin, uint64_t size, uint64_t indirect = 0, uint8_t heuristic = kNoHeuristic) {
    records.add(kind, origin, {size, indirect, 1}, heuristic);
    const std::string name = "f" + std::to_string(origin);
    stacks[origin] = {{0x10a0, "malloc", "malloc", "/usr/lib/libc.so.6", "", 0},
                      {0x2000 + origin, name + "(int)", "_Z2" + name + "i", "/tmp/prog", "/src/a & b/prog.cpp", 7}};
  }
  LeakReport report() {
    LeakReport made = make_leak_report(
        records, totals, options, [this](uint32_t origin) -> const std::vector<ReportFrame>& { return stacks[origin]; },
        suppressions, dedup);
    totals = made.totals;
    return made;
  }
};

}  // namespace

TEST_CASE("leak report: records, smallest first, and the summary, in Memcheck's words") {
  Check check;
  check.options.shown = kAllLeakKinds;
  check.block(LeakKind::kDefinite, 1, 100, 200);
  check.block(LeakKind::kDefinite, 1, 100, 200);
  check.block(LeakKind::kIndirect, 2, 1400);
  check.block(LeakKind::kReachable, 3, 40, 0, kMultipleInheritance);
  check.block(LeakKind::kPossible, 4, 40);
  const LeakReport report = check.report();
  CHECK(report.text ==
        "40 bytes in 1 blocks are still reachable in loss record 1 of 4\n"
        "   at 0x10A0: malloc (in /usr/lib/libc.so.6)\n"
        "   by 0x2003: f3(int) (prog.cpp:7)\n"
        "\n"
        "40 bytes in 1 blocks are possibly lost in loss record 2 of 4\n"
        "   at 0x10A0: malloc (in /usr/lib/libc.so.6)\n"
        "   by 0x2004: f4(int) (prog.cpp:7)\n"
        "\n"
        "600 (200 direct, 400 indirect) bytes in 2 blocks are definitely lost in loss record 3 of 4\n"
        "   at 0x10A0: malloc (in /usr/lib/libc.so.6)\n"
        "   by 0x2001: f1(int) (prog.cpp:7)\n"
        "\n"
        "1,400 bytes in 1 blocks are indirectly lost in loss record 4 of 4\n"
        "   at 0x10A0: malloc (in /usr/lib/libc.so.6)\n"
        "   by 0x2002: f2(int) (prog.cpp:7)\n"
        "\n"
        "LEAK SUMMARY:\n"
        "   definitely lost: 200 bytes in 2 blocks\n"
        "   indirectly lost: 1,400 bytes in 1 blocks\n"
        "     possibly lost: 40 bytes in 1 blocks\n"
        "   still reachable: 40 bytes in 1 blocks\n"
        "                      of which reachable via heuristic:\n"
        "                        multipleinheritance: 40 bytes in 1 blocks\n"
        "        suppressed: 0 bytes in 0 blocks\n");
  // Definitely and possibly lost are errors, whatever is shown.
  CHECK(check.dedup.summary() == "ERROR SUMMARY: 2 errors from 2 contexts (suppressed: 0 from 0)");
  CHECK(report.errors.size() == 4);
  CHECK(report.errors[2].bytes == 600);
}

TEST_CASE("leak report: hints") {
  Check check;
  check.block(LeakKind::kReachable, 1, 8);
  CHECK(
      check.report().text.ends_with("Reachable blocks (those to which a pointer was found) are not shown.\n"
                                    "To see them, rerun with: --leak-check=full --show-leak-kinds=all\n"));
  check.options.detail = LeakDetail::kSummary;
  CHECK(check.report().text.ends_with("Rerun with --leak-check=full to see details of leaked memory\n"));
  CHECK(check.dedup.errors() == 0);
}

TEST_CASE("leak report: suppressed records count apart, generated suppressions follow each record") {
  Check check;
  check.options.generate_suppressions = true;
  check.suppressions.add_text("s", "{\n known\n Memcheck:Leak\n fun:malloc\n fun:_Z2f1i\n}\n", 12);
  check.block(LeakKind::kDefinite, 1, 10);
  check.block(LeakKind::kDefinite, 1, 10);
  check.block(LeakKind::kDefinite, 2, 30);
  const LeakReport report = check.report();
  CHECK(report.shown == 1);
  CHECK(report.text.starts_with("30 bytes in 1 blocks are definitely lost in loss record 2 of 2\n"));
  CHECK(report.text.find("\n\n{\n   <insert_a_suppression_name_here>\n   Memcheck:Leak\n   match-leak-kinds: "
                         "definite\n   fun:malloc\n   fun:_Z2f2i\n}\nLEAK SUMMARY:") != std::string::npos);
  CHECK(report.text.find("        suppressed: 20 bytes in 2 blocks\n") != std::string::npos);
  CHECK(check.dedup.summary() == "ERROR SUMMARY: 1 errors from 1 contexts (suppressed: 1 from 1)");
  CHECK(check.suppressions.used_lines()[0] == "used_suppression:      1 known s:2 suppressed: 20 bytes in 2 blocks");
}

TEST_CASE("leak report: what has changed since the check before") {
  Check check;
  check.options.shown = kAllLeakKinds;
  check.block(LeakKind::kReachable, 1, 100);
  check.block(LeakKind::kDefinite, 2, 10);
  check.block(LeakKind::kDefinite, 3, 5);
  check.report();
  check.records.begin_check();
  check.block(LeakKind::kReachable, 1, 100);
  check.block(LeakKind::kReachable, 1, 60);
  check.block(LeakKind::kDefinite, 2, 10);
  check.block(LeakKind::kPossible, 4, 7);
  check.options.delta = LeakDelta::kIncreased;
  LeakReport report = check.report();
  CHECK(report.shown == 2);
  CHECK(report.text.find("160 (+60) bytes in 2 (+1) blocks are still reachable") != std::string::npos);
  CHECK(report.text.find("7 (+7) bytes in 1 (+1) blocks are possibly lost") != std::string::npos);
  CHECK(report.text.find("   definitely lost: 10 (-5) bytes in 1 (-1) blocks\n") != std::string::npos);
  check.records.begin_check();
  check.block(LeakKind::kReachable, 1, 100);
  check.block(LeakKind::kDefinite, 5, 1);
  check.options.delta = LeakDelta::kNew;
  report = check.report();
  CHECK(report.shown == 1);
  CHECK(report.text.starts_with("1 (+1) bytes in 1 (+1) blocks are definitely lost"));
  check.records.begin_check();
  check.block(LeakKind::kReachable, 1, 100);
  check.options.delta = LeakDelta::kChanged;
  report = check.report();
  CHECK(report.shown == 1);
  CHECK(report.text.starts_with("0 (-1) bytes in 0 (-1) blocks are definitely lost"));
}

TEST_CASE("leak report: XML of any names") {
  Check check;
  check.options.generate_suppressions = true;
  check.block(LeakKind::kDefinite, 1, 10);
  check.stacks[1][1].function = "operator<<(A&, B const&)]]>\x01\xff\xc3\xa9";
  check.stacks[1][1].linkage = "x]]>\xff";
  XmlProgram program;
  program.pid = 5;
  program.parent = 4;
  program.preamble = {"vsup"};
  program.user_comment = "<b>";
  program.vsup_words = {"/usr/bin/vsup", "--tool=leaks"};
  program.program_words = {"./prog", "a&b"};
  const std::string xml = valgrind_xml(program, check.report().errors, {{2, "a<b"}});
  CHECK(xml.find("<fn>operator&lt;&lt;(A&amp;, B const&amp;)]]&gt;??\xc3\xa9</fn>") != std::string::npos);
  CHECK(xml.find("      <dir>/src/a &amp; b</dir>\n      <file>prog.cpp</file>\n      <line>7</line>\n") !=
        std::string::npos);
  CHECK(xml.find("<usercomment>&lt;b&gt;</usercomment>") != std::string::npos);
  CHECK(xml.find("   fun:x]]??\n}\n]]>") != std::string::npos);
  CHECK(xml.find("<count>2</count>\n    <name>a&lt;b</name>") != std::string::npos);
  CHECK(xml_escaped("\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80\xef\xbf\xbf\xc3") == std::string(14, '?'));
}
