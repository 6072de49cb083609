#include "supervisor/reports/callgrind/named_functions.h"

#include <algorithm>
#include <cstddef>

#include "agent/tools/callgrind/records.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/callgrind/code_map.h"
#include "supervisor/session/skip_patterns.h"

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

void NamedFunctions::module_mapped(pid_t pid, const MappedModule& mapped) {
  if (toggles_.empty()) return;
  constexpr uint64_t kCountAt = records::kToolBase + offsetof(records::Header, functions);
  uint64_t count = 0;
  if (!read_value(pid, kCountAt, count) || count > records::kMaxFunctions) return;  // the agent is not there yet
  std::vector<records::FunctionRecord> functions(count);
  if (count != 0 && !read_memory(pid, records::kFunctionsAt, functions.data(), count * sizeof functions[0])) return;
  const ModuleMap map = ModuleMap::of_process(pid);
  const Module* module = map.module_at(mapped.start);
  ModuleCode* code = module != nullptr ? cache_.find(*module, pid) : nullptr;
  const auto bias = code != nullptr ? code->bias_of(*module) : std::nullopt;
  if (!bias) return;
  for (const FunctionSymbol& symbol : code->symbols().functions()) {
    if (symbol.kind != FunctionSymbol::Kind::kSymbol || functions.size() == records::kMaxFunctions) continue;
    const std::string name = shown_name(symbol.name);
    if (std::none_of(toggles_.begin(), toggles_.end(), [&](const auto& one) { return matches_pattern(one, name); }))
      continue;
    const uint64_t pc = symbol.start + *bias;
    if (std::any_of(functions.begin(), functions.end(), [pc](const auto& known) { return known.pc == pc; })) continue;
    functions.push_back({pc, records::kFunctionToggles});
  }
  if (functions.size() == count) return;
  write_memory(pid, records::kFunctionsAt, functions.data(), functions.size() * sizeof functions[0]);
  write_value<uint64_t>(pid, kCountAt, functions.size());
}

}  // namespace vsup::supervisor::callgrind
