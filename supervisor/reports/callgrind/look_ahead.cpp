#include "supervisor/reports/callgrind/look_ahead.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "agent/tools/callgrind/records.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/callgrind/code_periods.h"

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

namespace {

// At once: some milliseconds' work, for which a profile may have to wait.
constexpr uint64_t kMostBlocks = 8192;

}  // namespace

void LookAhead::watch(pid_t pid, pid_t reachable, const MappedModule& module, ModuleCode& code) {
  const std::optional<uint64_t> bias = code.bias_of(module_of_code(module));
  if (!bias || code.lines().empty()) return;
  Process& process = processes_[pid];
  process.reachable = reachable;
  std::erase_if(process.code,
                [&](const auto& other) { return module.start < other.second.end && other.first < module.end; });
  if (process.code.size() < CodePeriods::kMost) process.code[module.start] = {module.end, *bias, &code.lines()};
}

bool LookAhead::look() {
  bool found = false;
  for (auto& [pid, process] : processes_) found |= look(process);
  return found;
}

bool LookAhead::look(Process& process) {
  constexpr uint64_t kCountAt = records::kToolBase + offsetof(records::Header, blocks);
  uint64_t count = 0;
  if (!read_value(process.reachable, kCountAt, count) || count > records::kMaxBlocks) return false;
  count = std::min(count, process.seen + kMostBlocks);
  if (count <= process.seen) return false;
  std::vector<records::BlockRecord> blocks(count - process.seen);
  if (!read_memory(process.reachable, records::kBlocksAt + process.seen * sizeof blocks[0], blocks.data(),
                   blocks.size() * sizeof blocks[0]))
    return false;
  process.seen = count;
  for (const records::BlockRecord& block : blocks) {
    const auto after = process.code.upper_bound(block.app_pc);
    if (after == process.code.begin()) continue;
    const Code& code = std::prev(after)->second;
    if (block.app_pc < code.end) code.lines->at(block.app_pc - code.bias);
  }
  return true;
}

}  // namespace vsup::supervisor::callgrind
