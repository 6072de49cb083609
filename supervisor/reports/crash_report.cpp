#include "supervisor/reports/crash_report.h"

#include <string.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "supervisor/ptrace/proc_files.h"
#include "supervisor/reports/disassembly.h"
#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor {
namespace {

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

unsigned long long hex(uint64_t value) {
  return value;
}

void append_registers(std::vector<std::string>& lines, const uint64_t (&gpr)[16]) {
  static constexpr const char* kNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                             "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (size_t i = 0; i < 16; i += 4) {
    std::string line = "   ";
    for (size_t j = i; j < i + 4; j++) line += text(" %-3s %016llx", kNames[j], hex(gpr[j]));
    lines.push_back(line);
  }
}

void append_code(std::vector<std::string>& lines, const char* title, const CodeBytes& code, uint64_t pc) {
  if (code.bytes.empty()) return;
  lines.push_back(text("  %s around 0x%llx:", title, hex(pc)));
  for (const std::string& line : format_disassembly(code.bytes, code.address, pc)) lines.push_back("   " + line);
}

const char* place_of(uint64_t pc) {
  using namespace protocol;
  if (pc < kArenaBase || pc >= kArenaBase + kArenaSize) return "native code";
  if (pc < kSharedBase) return "agent";
  if (pc >= kCacheBase && pc < kColdBase) return "code cache";
  if (pc >= kColdBase && pc < kLiteralBase) return "stubs of the code cache";
  return "agent data";
}

}  // namespace

std::string printable(const char* text, size_t size) {
  std::string result;
  for (size_t i = 0; i < size && text[i] != 0; i++) {
    result += text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
  }
  return result;
}

CodeBytes read_code_around(pid_t pid, uint64_t pc) {
  constexpr uint64_t kBefore = 32, kAfter = 48;
  ProcessMemory memory(pid);
  CodeBytes code;
  code.address = pc - std::min(pc, kBefore);
  code.bytes.resize(kBefore + kAfter);
  if (memory.read(code.address, code.bytes.data(), code.bytes.size())) return code;
  // Near the end or the start of a mapping.
  uint64_t page = pc & ~(ProcessMemory::kPageSize - 1);
  uint64_t start = std::max(code.address, page);
  uint64_t end = std::min(pc + kAfter, page + ProcessMemory::kPageSize);
  code.address = start;
  code.bytes.resize(end - start);
  if (!memory.read(start, code.bytes.data(), code.bytes.size())) code.bytes.clear();
  return code;
}

uint64_t app_pc_of(const AgentCrash& crash) {
  if (crash.page && crash.page->app_pc != 0) return crash.page->app_pc;
  return crash.context ? crash.context->app_pc : 0;
}

uint64_t cache_pc_of(const AgentCrash& crash) {
  if (crash.page && crash.page->cache_pc != 0) return crash.page->cache_pc;
  return crash.context ? crash.context->next_cache_pc : 0;
}

std::vector<std::string> format_crash_report(const CrashInput& input) {
  const AgentCrash& crash = input.crash;
  std::vector<std::string> lines;
  lines.push_back(text("  process %d, thread %d (%s)", crash.pid, crash.tid,
                       printable(input.thread_name.data(), input.thread_name.size()).c_str()));
  if (crash.page) {
    const auto& page = *crash.page;
    lines.push_back(text("  failed: %s", printable(page.condition, sizeof page.condition).c_str()));
    lines.push_back(text("  at %s:%llu, values 0x%llx 0x%llx 0x%llx 0x%llx",
                         printable(page.file, sizeof page.file).c_str(), hex(page.line), hex(page.values[0]),
                         hex(page.values[1]), hex(page.values[2]), hex(page.values[3])));
    if (page.fragment != 0) lines.push_back(text("  fragment 0x%llx", hex(page.fragment)));
  }
  if (crash.signal != 0) {
    const char* description = sigdescr_np(crash.signal);
    lines.push_back(text("  signal %d (%s), address 0x%llx", crash.signal, description ? description : "?",
                         hex(crash.fault_address)));
  }
  const uint64_t pc = crash.registers.rip, app_pc = app_pc_of(crash), cache_pc = cache_pc_of(crash);
  lines.push_back(text("  stopped at 0x%llx (%s), flags 0x%llx, gs base 0x%llx", hex(pc), place_of(pc),
                       hex(crash.registers.eflags), hex(crash.registers.gs_base)));
  uint64_t gpr[16];
  for (unsigned index = 0; index < 16; ++index) gpr[index] = get_gpr(crash.registers, index);
  append_registers(lines, gpr);
  if (app_pc != 0 || cache_pc != 0) {
    lines.push_back(text("  app pc 0x%llx, cache pc 0x%llx", hex(app_pc), hex(cache_pc)));
  }
  if (crash.context) {
    const auto& context = *crash.context;
    lines.push_back(
        text("  context 0x%llx, slot %llu: app pc 0x%llx, syscall pc 0x%llx, next cache pc 0x%llx, exit %llu,",
             hex(context.self), hex(context.slot_index), hex(context.app_pc), hex(context.syscall_pc),
             hex(context.next_cache_pc), hex(context.exit_id)));
    lines.push_back(text("    pending %llu, service %llu, app flags 0x%llx, app gs base 0x%llx; app registers:",
                         hex(context.pending), hex(context.service), hex(context.rflags), hex(context.app_gs_base)));
    append_registers(lines, context.gpr);
  }
  append_code(lines, "code cache", input.cache_code, cache_pc);
  append_code(lines, "app code", input.app_code, app_pc);
  append_code(lines, "agent code", input.agent_code, pc);
  return lines;
}

std::string describe_crash(const AgentCrash& crash) {
  CrashInput input{.crash = crash,
                   .thread_name = thread_name(crash.pid, crash.tid),
                   .cache_code = read_code_around(crash.pid, cache_pc_of(crash)),
                   .app_code = read_code_around(crash.pid, app_pc_of(crash)),
                   .agent_code = read_code_around(crash.pid, crash.registers.rip)};
  std::string lines;
  for (const std::string& line : format_crash_report(input)) lines += (lines.empty() ? "" : "\n") + line;
  return lines;
}

}  // namespace vsup::supervisor
