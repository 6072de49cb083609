#include "supervisor/reports/callgrind/code_map.h"

#include <algorithm>
#include <cstdio>

#include "supervisor/symbols/demangle.h"

namespace vsup::supervisor::callgrind {
namespace {

// Generated code may hold many functions in one mapping; an entry further away names nothing.
constexpr uint64_t kMaxUnnamedBytes = 1 << 20;

}  // namespace

std::string shown_name(std::string_view linkage_name) {
  // With a version it is another name to callgrind too.
  for (std::string_view below :
       {"_start", "__libc_start_main", "__libc_start_call_main", "__libc_start_main_impl", "generic_start_main"}) {
    if (linkage_name == below) return "(below main)";
  }
  return demangle(std::string(linkage_name));
}

CodeMap::CodeMap(std::span<const Module> modules, ModuleCodeCache& cache, pid_t pid, std::vector<uint64_t> entries)
    : cache_(cache), pid_(pid), called_(std::move(entries)) {
  std::sort(called_.begin(), called_.end());
  entries_.reserve(modules.size());
  for (const Module& module : modules) entries_.push_back({&module, nullptr, false, 0, kUnknown, false, {}, {}});
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.module->start < b.module->start; });
}

CodeMap::Entry* CodeMap::entry_of(uint64_t pc) {
  if (last_ && pc >= last_->module->start && pc < last_->module->end) return last_;
  auto after = std::upper_bound(entries_.begin(), entries_.end(), pc,
                                [](uint64_t value, const Entry& entry) { return value < entry.module->start; });
  if (after == entries_.begin() || pc >= std::prev(after)->module->end) return nullptr;
  last_ = &*std::prev(after);
  Entry& entry = *last_;
  if (!entry.opened) {
    entry.opened = true;
    auto [id, is_new] = object_ids_.try_emplace(entry.module->path, static_cast<uint32_t>(objects_.size()));
    if (is_new) objects_.push_back(entry.module->path);
    entry.object = id->second;
    entry.code = cache_.find(*entry.module, pid_);
    auto bias = entry.code ? entry.code->bias_of(*entry.module) : std::nullopt;
    if (!bias) entry.code = nullptr;
    entry.bias = bias.value_or(entry.module->image ? entry.module->image->bias : entry.module->start);
    if (entry.code) {
      entry.has_lines = !entry.code->lines().empty();
      entry.functions.assign(entry.code->symbols().size(), kNotYet);
    }
  }
  return &entry;
}

uint32_t CodeMap::function_at(uint64_t pc) {
  Entry* entry = entry_of(pc);
  if (entry && entry->code) {
    uint32_t index = entry->code->symbols().find(pc - entry->bias);
    if (index != SymbolTable::kNone) {
      uint32_t& known = entry->functions[index];
      if (known == kNotYet) {
        uint32_t added = add_function(entry, entry->code->symbols().function(index));
        entry->functions[index] = added;
        return added;
      }
      return known;
    }
  }
  // The nearest entry below that lies in the same module, or in none.
  uint64_t start = pc;
  auto after = std::upper_bound(called_.begin(), called_.end(), pc);
  if (after != called_.begin()) {
    uint64_t nearest = *std::prev(after);
    if (pc - nearest < kMaxUnnamedBytes && entry_of(nearest) == entry) {
      bool named = entry && entry->code && entry->code->symbols().find(nearest - entry->bias) != SymbolTable::kNone;
      if (!named) start = nearest;
    }
    if (entry) last_ = entry;
  }
  return unnamed_function(entry, start);
}

uint32_t CodeMap::add_function(Entry* entry, const FunctionSymbol& symbol) {
  if (symbol.kind == FunctionSymbol::Kind::kUnnamed || symbol.name.empty()) {
    return unnamed_function(entry, symbol.start + entry->bias);
  }
  Function function;
  function.object = entry->object;
  function.address = symbol.start;
  function.name = shown_name(symbol.name);
  if (symbol.kind == FunctionSymbol::Kind::kPlt) function.name += "@plt";
  SourceLine line = line_at(symbol.start + entry->bias);
  function.file = line.file;
  function.line = line.line;
  functions_.push_back(std::move(function));
  return static_cast<uint32_t>(functions_.size() - 1);
}

uint32_t CodeMap::unnamed_function(Entry* entry, uint64_t start) {
  auto [known, is_new] = unnamed_.try_emplace(start, static_cast<uint32_t>(functions_.size()));
  if (!is_new) return known->second;
  Function function;
  function.named = false;
  function.object = entry ? entry->object : kUnknown;
  function.address = entry ? start - entry->bias : start;
  char name[32];
  std::snprintf(name, sizeof name, "0x%016llx", static_cast<unsigned long long>(function.address));
  function.name = name;
  SourceLine line = line_at(start);
  function.file = line.file;
  function.line = line.line;
  functions_.push_back(std::move(function));
  return known->second;
}

SourceLine CodeMap::line_at(uint64_t pc) {
  Entry* entry = entry_of(pc);
  if (entry == nullptr || entry->code == nullptr || !entry->has_lines) return {};
  LineTable& table = entry->code->lines();
  SourceLine line = table.at(pc - entry->bias);
  if (line.file == 0) return {};
  if (line.file >= entry->files.size()) entry->files.resize(table.files().size(), kNotYet);
  uint32_t& id = entry->files[line.file];
  if (id == kNotYet) id = file_id(table.files()[line.file]);
  return {id, line.line};
}

bool CodeMap::has_lines(uint64_t pc) {
  Entry* entry = entry_of(pc);
  return entry && entry->has_lines;
}

uint64_t CodeMap::link_time(uint64_t pc) {
  Entry* entry = entry_of(pc);
  return entry ? pc - entry->bias : pc;
}

uint32_t CodeMap::file_id(const std::string& path) {
  auto [id, is_new] = file_ids_.try_emplace(path, static_cast<uint32_t>(files_.size()));
  if (is_new) files_.push_back(path);
  return id->second;
}

}  // namespace vsup::supervisor::callgrind
