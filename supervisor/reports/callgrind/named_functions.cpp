#include "supervisor/reports/callgrind/named_functions.h"

#include <cstddef>
#include <map>

#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/callgrind/code_map.h"
#include "supervisor/session/skip_patterns.h"

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

bool NamedFunctions::apply_rules(const std::string& name, records::FunctionRecord& record) const {
  bool any = false;
  for (const FunctionRule& rule : rules_) {
    if (!matches_pattern(rule.pattern, name)) continue;
    any = true;
    record.flags |= rule.flags;
    if (rule.separate_callers != records::kAsAll) record.separate_callers = rule.separate_callers;
    if (rule.separate_recs != records::kAsAll) record.separate_recs = rule.separate_recs;
    if (rule.group != 0) record.group = rule.group;
  }
  return any;
}

std::pair<ModuleCode*, uint64_t> NamedFunctions::code_at(pid_t pid, uint64_t address) {
  const ModuleMap map = ModuleMap::of_process(pid);
  const Module* module = map.module_at(address);
  ModuleCode* code = module != nullptr ? cache_.find(*module, pid) : nullptr;
  const auto bias = code != nullptr ? code->bias_of(*module) : std::nullopt;
  return bias ? std::pair{code, *bias} : std::pair<ModuleCode*, uint64_t>{};
}

bool NamedFunctions::module_mapped(pid_t pid, const MappedModule& mapped) {
  if (rules_.empty()) return true;
  constexpr uint64_t kCountAt = records::kToolBase + offsetof(records::Header, functions);
  uint64_t count = 0;
  if (!read_value(pid, kCountAt, count) || count > records::kMaxFunctions) return true;  // the agent is not there yet
  std::vector<records::FunctionRecord> functions(count);
  if (count != 0 && !read_memory(pid, records::kFunctionsAt, functions.data(), count * sizeof functions[0]))
    return true;
  const auto [code, bias] = code_at(pid, mapped.start);
  if (code == nullptr) return true;
  bool all = true;
  std::map<uint64_t, records::FunctionRecord> by_pc;
  for (const records::FunctionRecord& known : functions) by_pc.emplace(known.pc, known);
  const SymbolTable& symbols = code->symbols();
  for (uint32_t i = 0; i < symbols.size(); ++i) {
    const FunctionSymbol symbol = symbols.function(i);
    if (symbol.kind != FunctionSymbol::Kind::kSymbol) continue;
    records::FunctionRecord record{.pc = symbol.start + bias,
                                   .flags = 0,
                                   .number = static_cast<uint32_t>(by_pc.size()),
                                   .separate_callers = records::kAsAll,
                                   .separate_recs = records::kAsAll,
                                   .group = 0};
    if (!apply_rules(shown_name(symbol.name), record) || by_pc.contains(record.pc)) continue;
    if (by_pc.size() == records::kMaxFunctions) {
      all = false;
      break;
    }
    by_pc.emplace(record.pc, record);
  }
  if (by_pc.size() == count) return all;
  functions.clear();
  for (const auto& [pc, record] : by_pc) functions.push_back(record);
  write_memory(pid, records::kFunctionsAt, functions.data(), functions.size() * sizeof functions[0]);
  write_value<uint64_t>(pid, kCountAt, functions.size());
  return all;
}

std::string NamedFunctions::name_at(pid_t pid, uint64_t pc) {
  const auto [code, bias] = code_at(pid, pc);
  if (code == nullptr) return {};
  const SymbolTable& symbols = code->symbols();
  for (uint32_t i = 0; i < symbols.size(); ++i)
    if (symbols.function(i).start + bias == pc) return shown_name(symbols.function(i).name);
  return {};
}

}  // namespace vsup::supervisor::callgrind
