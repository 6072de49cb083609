#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "supervisor/reports/crash_report.h"
#include "supervisor/reports/disassembly.h"

using namespace vsup::supervisor;

TEST_CASE("disassembly: every byte once, undecodable ones as .byte") {
  // mov rax, [rdi]; kmovq rax, k1 (unknown to capstone 4.0.2); ret
  const uint8_t code[] = {0x48, 0x8b, 0x07, 0xc4, 0xe1, 0xfb, 0x93, 0xc1, 0xc3};
  auto lines = disassemble(code, 0x1000);
  size_t total = 0;
  for (const auto& line : lines) total += line.size;
  CHECK(total == sizeof code);
  CHECK(lines[0].text == "mov rax, qword ptr [rdi]");
  CHECK(lines.back().text == "ret");
  const uint8_t bad[] = {0x06, 0x06};
  lines = disassemble(bad, 0);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].text == ".byte 0x06, 0x06");
  CHECK(disassemble({}, 0).empty());
}

TEST_CASE("disassembly: the marked instruction starts a line") {
  // The tail of a mov with imm64 comes first; then nop, ret at 0x1009.
  const uint8_t code[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x90, 0xc3, 0x90};
  auto lines = disassemble_around(code, 0x1000, 0x1009);
  bool found = false;
  for (const auto& line : lines) found |= line.address == 0x1009 && line.text == "ret";
  CHECK(found);
  bool arrow = false;
  for (const auto& line : format_disassembly(code, 0x1000, 0x1009)) arrow |= line.starts_with("=> 0x1009: c3 ");
  CHECK(arrow);
}

TEST_CASE("disassembly: random bytes, every one shown once from the first line on") {
  std::mt19937 random(5);
  for (int round = 0; round < 500; round++) {
    std::vector<uint8_t> code(random() % 64);
    for (auto& byte : code) byte = static_cast<uint8_t>(random());
    uint64_t pc = 0x1000 + random() % 80;
    auto lines = disassemble_around(code, 0x1000, pc);
    if (lines.empty()) continue;
    uint64_t at = lines[0].address;
    bool starts = false;
    for (const auto& line : lines) {
      CHECK(line.address == at);
      at += line.size;
      starts |= line.address == pc;
    }
    CHECK(at == 0x1000 + code.size());
    CHECK(starts == (pc >= 0x1000 && pc < 0x1000 + code.size()));
  }
}

TEST_CASE("crash_report: what the page says, with code and registers") {
  CrashInput input;
  AgentCrash& crash = input.crash;
  crash.pid = 12;
  crash.tid = 13;
  input.thread_name = "work\ner";
  crash.signal = 11;
  crash.fault_address = 0xdead;
  crash.page.emplace();
  std::memset(&*crash.page, 0, sizeof *crash.page);
  crash.page->valid = 1;
  std::strcpy(crash.page->condition, "fragment != nullptr");
  std::strcpy(crash.page->file, "agent/engine/dispatch.cpp");
  crash.page->line = 77;
  crash.page->app_pc = 0x401000;
  crash.page->cache_pc = vsup::protocol::kCacheBase + 0x20;
  crash.registers.rip = vsup::protocol::kArenaBase + 0x1234;
  crash.registers.rax = 0x1122334455667788;
  input.app_code = {0x401000, {0x90, 0xc3}};
  std::string all;
  for (const auto& line : format_crash_report(input)) {
    for (char c : line) CHECK(c >= ' ');
    all += line + "\n";
  }
  for (const char* part : {"process 12, thread 13 (work?er)", "failed: fragment != nullptr",
                           "at agent/engine/dispatch.cpp:77", "signal 11", "(agent)", "rax 1122334455667788",
                           "app pc 0x401000, cache pc 0x270010000020", "=> 0x401000: 90"}) {
    CAPTURE(part);
    CHECK(all.find(part) != std::string::npos);
  }
}

TEST_CASE("crash_report: a page of garbage") {
  std::mt19937 random(9);
  for (int round = 0; round < 200; round++) {
    CrashInput input;
    input.crash.page.emplace();
    input.crash.context.emplace();
    auto fill = [&](void* to, size_t size) {
      for (size_t i = 0; i < size; i++) static_cast<uint8_t*>(to)[i] = static_cast<uint8_t>(1 + random() % 255);
    };
    fill(&*input.crash.page, sizeof *input.crash.page);
    fill(&*input.crash.context, sizeof *input.crash.context);
    fill(&input.crash.registers, sizeof input.crash.registers);
    auto lines = format_crash_report(input);
    CHECK(lines.size() < 100);
    for (const auto& line : lines) {
      CHECK(line.size() < 1024);
      for (char c : line) CHECK((c >= 0x20 && c < 0x7f));
    }
  }
}

TEST_CASE("crash_report: reading code of a process") {
  auto pc = reinterpret_cast<uint64_t>(&format_crash_report);
  CodeBytes code = read_code_around(getpid(), pc);
  REQUIRE(code.bytes.size() == 80);
  CHECK(std::memcmp(code.bytes.data() + (pc - code.address), reinterpret_cast<void*>(pc), 8) == 0);
  CHECK(read_code_around(getpid(), 0).bytes.empty());
  CHECK(read_code_around(getpid(), ~0ull).bytes.empty());
}
