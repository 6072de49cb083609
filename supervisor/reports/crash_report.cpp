#include "supervisor/reports/crash_report.h"

#include <string.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "supervisor/reports/disassembly.h"
#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxAppFrames = 40;

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

std::vector<std::string> format_crash_report(const CrashInput& input) {
  std::vector<std::string> lines;
  std::string name = printable(input.thread_name.data(), input.thread_name.size());
  lines.push_back(text("vsup: the agent broke in process %d, thread %d (%s); the program ends here.", input.pid,
                       input.tid, name.c_str()));
  uint64_t app_pc = input.app_pc, cache_pc = input.cache_pc;
  bool has_page = input.page && input.page->valid == 1;
  if (has_page) {
    const auto& page = *input.page;
    lines.push_back(text("  failed: %s", printable(page.condition, sizeof page.condition).c_str()));
    lines.push_back(text("  at %s:%llu, values 0x%llx 0x%llx 0x%llx 0x%llx",
                         printable(page.file, sizeof page.file).c_str(), hex(page.line), hex(page.values[0]),
                         hex(page.values[1]), hex(page.values[2]), hex(page.values[3])));
    if (app_pc == 0) app_pc = page.app_pc;
    if (cache_pc == 0) cache_pc = page.cache_pc;
    if (page.fragment != 0) lines.push_back(text("  fragment 0x%llx", hex(page.fragment)));
  }
  if (input.signal != 0) {
    const char* description = sigdescr_np(input.signal);
    lines.push_back(text("  signal %d (%s), address 0x%llx", input.signal, description ? description : "?",
                         hex(input.fault_address)));
  }
  lines.push_back(text("  stopped at 0x%llx (%s), flags 0x%llx, gs base 0x%llx", hex(input.pc), place_of(input.pc),
                       hex(input.flags), hex(input.gs_base)));
  append_registers(lines, input.gpr);
  if (app_pc != 0 || cache_pc != 0) {
    lines.push_back(text("  app pc 0x%llx, cache pc 0x%llx", hex(app_pc), hex(cache_pc)));
  }
  if (input.fragment) {
    const auto& fragment = *input.fragment;
    uint64_t start = protocol::kCacheBase + fragment.cache_start;
    lines.push_back(text("  fragment of app pc 0x%llx (%u bytes): cache 0x%llx to 0x%llx, flags %u",
                         hex(fragment.app_pc), fragment.app_size, hex(start), hex(start + fragment.cache_size),
                         fragment.flags));
  }
  if (input.context) {
    const auto& context = *input.context;
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
  append_code(lines, "agent code", input.agent_code, input.pc);
  if (!input.app_frames.empty()) {
    lines.push_back("  stack of the program:");
    size_t shown = std::min(input.app_frames.size(), kMaxAppFrames);
    for (size_t i = 0; i < shown; i++) {
      std::string frame = describe(input.app_frames[i]);
      lines.push_back((i == 0 ? "    at " : "    by ") + printable(frame.data(), std::min<size_t>(frame.size(), 400)));
    }
    if (shown < input.app_frames.size()) lines.push_back(text("    and %zu more", input.app_frames.size() - shown));
  }
  if (!input.agent_file.empty()) {
    lines.push_back(text("  gdb: add-symbol-file %s 0x%llx",
                         printable(input.agent_file.data(), input.agent_file.size()).c_str(),
                         hex(input.agent_text_start)));
  }
  return lines;
}

}  // namespace vsup::supervisor
