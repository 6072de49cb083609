#include "supervisor/reports/suppressions.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace vsup::supervisor;

namespace {

std::string entry(const std::string& body) {
  return "{\n   name\n   Memcheck:Leak\n" + body + "}\n";
}

std::string error_of(const std::string& text) {
  SuppressionSet set;
  try {
    set.add_text("f.supp", text, 24);
  } catch (const SuppressionError& error) {
    CHECK(set.entries().empty());
    return error.what();
  }
  return "";
}

std::vector<SuppressionFrame> stack_of(std::initializer_list<const char*> functions) {
  std::vector<SuppressionFrame> stack;
  for (const char* function : functions) stack.push_back({function, "/usr/lib/libx.so.1", "x.c", 7});
  return stack;
}

bool covers(const std::string& body, const std::vector<SuppressionFrame>& stack, LeakKind kind = LeakKind::kDefinite,
            unsigned max_callers = 24) {
  SuppressionSet set;
  set.add_text("f.supp", entry(body), max_callers);
  return set.match_leak(kind, stack) != nullptr;
}

}  // namespace

TEST_CASE("suppressions: every element of the syntax") {
  SuppressionSet set;
  set.add_text("dir/f.supp",
               "# comment\n"
               "\n"
               "{\n"
               "   first {name} # not a comment\n"
               "\t Helgrind,Memcheck:Param  \n"
               "   write(buf)\n"
               "   # comment inside\n"
               "   fun:*write*\n"
               "   ...\n"
               "   obj:/usr/lib/libc.so.6\n"
               "   src:x.c:7\n"
               "}\n"
               "{\n   other tool\n   Helgrind:Race\n   whatever it says\n   fun:f\n}\n"
               "{\n   <insert_a_suppression_name_here>\n   Memcheck:Leak\n   match-leak-kinds: definite,possible\n"
               "   fun:_ZNSt6vectorIiSaIiEE3fooEv\n}\n"
               "{\n   no newline at the end\n   Memcheck:Value0\n   fun:f\n}",
               24);
  REQUIRE(set.entries().size() == 3);
  const Suppression& first = set.entries()[0];
  CHECK(first.name == "first {name} # not a comment");
  CHECK(first.kind == SuppressionKind::kParam);
  CHECK(first.extra == "write(buf)");
  CHECK(first.line == 4);
  CHECK(first.file == "dir/f.supp");
  REQUIRE(first.locations.size() == 4);
  CHECK(first.locations[1].kind == SuppressionLocation::Kind::kAnyFrames);
  CHECK(first.locations[3].pattern == "x.c:7");
  CHECK(set.entries()[1].leak_kinds == (leak_kinds_of(LeakKind::kDefinite) | leak_kinds_of(LeakKind::kPossible)));
  CHECK(set.entries()[2].kind == SuppressionKind::kCond0);
}

TEST_CASE("suppressions: errors say file, line and what") {
  CHECK(error_of("{\n") == "f.supp:1: the file ends where the entry's name should be");
  CHECK(error_of("\n\nfun:x\n") == "f.supp:3: an entry starts with '{', not 'fun:x'");
  CHECK(error_of("{\n}\n") == "f.supp:2: an entry without a name");
  CHECK(error_of("{\nn\nMemcheck\nfun:f\n}\n") == "f.supp:3: 'Memcheck' should be tool:kind");
  CHECK(error_of("{\nn\nMemcheck:Leek\nfun:f\n}\n") == "f.supp:3: 'Leek' is no kind of Memcheck's errors");
  CHECK(error_of(entry("")) == "f.supp:4: an entry without locations");
  CHECK(error_of(entry("f\n")) == "f.supp:4: a location is ..., fun:, obj: or src:, not 'f'");
  CHECK(error_of(entry("fun:\n")) == "f.supp:4: a pattern is missing after 'fun:'");
  CHECK(error_of(entry("...\n...\n")) == "f.supp:6: at least one location must be another than ...");
  CHECK(error_of(entry("match-leak-kinds: all,some\nfun:f\n")).starts_with("f.supp:4: match-leak-kinds: takes all"));
  CHECK(error_of("{\nn\nMemcheck:Param\n}\n") == "f.supp:4: the name of a parameter is missing");
  CHECK(error_of(entry("fun:f\n") + "{\nn\nMemcheck:Leak\nfun:f\n").starts_with("f.supp:9: the file ends"));
  CHECK(error_of("{\nn\nHelgrind:Race\nfun:f\n").starts_with("f.supp:4: the file ends"));
  SuppressionSet set;
  CHECK_THROWS_WITH_AS(set.add_file("/nonexistent/x.supp", 24), "/nonexistent/x.supp: No such file or directory",
                       SuppressionError);
  CHECK_THROWS_AS(set.add_file("/", 24), SuppressionError);
}

TEST_CASE("suppressions: which stacks an entry covers") {
  const auto stack = stack_of({"malloc", "_Z3newv", "helper", "helper", "main"});
  CHECK(covers("fun:malloc\n", stack));
  CHECK(covers("fun:malloc\nfun:_Z3newv\nfun:helper\nfun:helper\nfun:main\n", stack));
  CHECK_FALSE(covers("fun:_Z3newv\n", stack));
  CHECK_FALSE(covers("fun:malloc\nfun:helper\n", stack));
  CHECK_FALSE(covers("fun:malloc\nfun:_Z3newv\nfun:helper\nfun:helper\nfun:main\nfun:start\n", stack));
  CHECK(covers("fun:malloc\n...\nfun:main\n", stack));
  CHECK(covers("...\nfun:helper\nfun:main\n", stack));
  CHECK(covers("...\nfun:main\n...\n", stack));
  CHECK_FALSE(covers("...\nfun:absent\n", stack));
  CHECK(covers("obj:*/libx.so*\n", stack));
  CHECK(covers("src:x.c\n", stack));
  CHECK(covers("src:x.c:7\nsrc:*:7\n", stack));
  CHECK_FALSE(covers("src:x.c:8\n", stack));
  CHECK(covers("match-leak-kinds: possible\nfun:malloc\n", stack, LeakKind::kPossible));
  CHECK_FALSE(covers("match-leak-kinds: possible\nfun:malloc\n", stack, LeakKind::kDefinite));
  CHECK_FALSE(covers("match-leak-kinds: none\nfun:malloc\n", stack));
  // Stacks are cut at --num-callers, so are entries.
  CHECK(covers("fun:malloc\nfun:_Z3newv\nfun:other\n", stack, LeakKind::kDefinite, 2));
  // And at 24.
  std::string most = "fun:malloc\n";
  for (int i = 1; i < 24; ++i) most += "...\n";
  CHECK(covers(most + "fun:other\n", stack, LeakKind::kDefinite, 30));
  CHECK(error_of(entry(most + "f\n")) == "f.supp:28: a location is ..., fun:, obj: or src:, not 'f'");
  CHECK(covers("fun:???\nobj:???\n", {{"", "", "", 0}, {"", "", "", 0}}));
}

TEST_CASE("suppressions: use counts, the last used line is the most used") {
  SuppressionSet set;
  set.add_text("f.supp", entry("fun:a\n") + entry("fun:b\n") + entry("fun:c\n"), 24);
  for (const char* name : {"b", "a", "b"}) {
    Suppression* found = set.match_leak(LeakKind::kReachable, stack_of({name}));
    REQUIRE(found != nullptr);
    ++found->used;
    found->used_blocks += 2;
    found->used_bytes += 1000;
  }
  const auto lines = set.used_lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "used_suppression:      1 name f.supp:2 suppressed: 1,000 bytes in 2 blocks");
  CHECK(lines[1] == "used_suppression:      2 name f.supp:7 suppressed: 2,000 bytes in 4 blocks");
}

TEST_CASE("suppressions: a generated one covers what it was made from") {
  std::vector<SuppressionFrame> stack = stack_of({"malloc", "f"});
  stack.push_back({"", "/opt/x.so", "", 0});
  stack.push_back({"", "", "", 0});
  const std::string text = generated_leak_suppression(LeakKind::kPossible, stack);
  CHECK(text ==
        "{\n   <insert_a_suppression_name_here>\n   Memcheck:Leak\n   match-leak-kinds: possible\n   fun:malloc\n"
        "   fun:f\n   obj:/opt/x.so\n   obj:*\n}");
  SuppressionSet set;
  set.add_text("g", text, 24);
  CHECK(set.match_leak(LeakKind::kPossible, stack) != nullptr);
  CHECK(set.match_leak(LeakKind::kDefinite, stack) == nullptr);
}

TEST_CASE("suppressions: files in use load without complaint") {
  // What Valgrind and Debian's python3 bring; and the elements that Sage's pyalloc.supp and sage.supp use.
  for (const char* path : {"/usr/libexec/valgrind/default.supp", "/usr/lib/valgrind/python3.supp",
                           "/usr/lib/valgrind/debian.supp", "/usr/lib/valgrind/ncurses.supp"}) {
    if (!std::filesystem::exists(path)) continue;
    SuppressionSet set;
    CHECK_NOTHROW(set.add_file(path, 12));
    CHECK(set.entries().size() > 0);
  }
  SuppressionSet set;
  set.add_text("sage.supp",
               "{\n  <insert a suppression name here>\n  Memcheck:Leak\n  fun:malloc\n  obj:/usr/bin/bash\n"
               "  obj:/usr/bin/bash\n}\n"
               "{\n  Addr4_PyMalloc\n  Memcheck:Addr4\n  fun:PyObject_Free\n}\n"
               "{\n   CythonInit\n   Memcheck:Leak\n   match-leak-kinds: possible\n   fun:malloc\n"
               "   fun:_PyObject_GC_*\n   ...\n   fun:__Pyx_InitCachedConstants\n}\n"
               "{\n   strlen in dlerror\n   Memcheck:Cond\n   ...\n   fun:dlerror*\n   obj:*\n}\n",
               12);
  CHECK(set.entries().size() == 4);
}
