#include "supervisor/symbols/allocation_functions.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>
#include <unordered_map>

#include "supervisor/symbols/demangle.h"

namespace vsup::supervisor {

namespace {

using protocol::HeapFunction;

const std::unordered_map<std::string_view, HeapFunction>& names() {
  static const std::unordered_map<std::string_view, HeapFunction> all = {
#define HEAP_FUNCTION(name, function) {name, HeapFunction::function},
#include "protocol/alloc_functions.def"
#undef HEAP_FUNCTION
  };
  return all;
}

// Local symbols of these names are other functions, but for what a static link has made local.
bool counts(const Elf64_Sym& symbol, HeapFunction function) {
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  return binding == STB_GLOBAL || binding == STB_WEAK || binding == STB_GNU_UNIQUE ||
         function == HeapFunction::kFindFrame || function == HeapFunction::kFork;
}

void add_named(const Elf64_Sym& symbol, const std::string& name, const NamedFunctions& wanted,
               std::vector<NamedFunction>& named) {
  const auto found = wanted.find(demangle(name));
  if (found != wanted.end()) named.push_back({symbol.st_value, symbol.st_size, found->second});
}

void collect(const ElfFile& file, const char* section_name, std::map<uint64_t, AllocationFunction>& found,
             const NamedFunctions& wanted, AllocationFunctions& result) {
  const ElfSection* section = file.section(section_name);
  if (section == nullptr || section->link >= file.sections().size()) return;
  const auto symbols = file.contents(*section);
  const auto strings = file.contents(file.sections()[section->link]);
  if (!symbols || !strings) return;
  for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols->size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, symbols->data() + at, sizeof symbol);
    // An indirect function's value is its resolver's; none of these is one.
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) continue;
    if (symbol.st_name >= strings->size()) continue;
    const char* name = reinterpret_cast<const char*>(strings->data()) + symbol.st_name;
    const std::string_view text(name, strnlen(name, strings->size() - symbol.st_name));
    if (text == "_dl_debug_state") result.debug_state = symbol.st_value;
    if (!wanted.empty()) add_named(symbol, std::string(text), wanted, result.named);
    const auto known = names().find(text);
    if (known == names().end() || !counts(symbol, known->second)) continue;
    found.try_emplace(symbol.st_value, AllocationFunction{symbol.st_value, symbol.st_size, known->second});
  }
}

}  // namespace

AllocationFunctions find_allocation_functions(const ElfFile& file, const NamedFunctions& named) {
  AllocationFunctions result;
  if (!file.is_x86_64()) return result;
  std::map<uint64_t, AllocationFunction> found;
  collect(file, ".dynsym", found, named, result);
  collect(file, ".symtab", found, named, result);
  for (const auto& [vaddr, function] : found) result.functions.push_back(function);
  return result;
}

}  // namespace vsup::supervisor
