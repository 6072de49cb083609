#include "supervisor/symbols/elf_symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace vsup::supervisor {

std::map<std::string, ElfSymbol, std::less<>> find_symbols(const ElfFile& file,
                                                           const std::vector<std::string_view>& names) {
  std::map<std::string, ElfSymbol, std::less<>> found;
  for (const char* section_name : {".symtab", ".dynsym"}) {
    const ElfSection* section = file.section(section_name);
    if (!section || section->link >= file.sections().size()) continue;
    auto symbols = file.contents(*section);
    auto strings = file.contents(file.sections()[section->link]);
    if (!symbols || !strings) continue;
    for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols->size(); at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, symbols->data() + at, sizeof symbol);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings->size()) continue;
      auto* text = reinterpret_cast<const char*>(strings->data() + symbol.st_name);
      const std::string_view name(text, strnlen(text, strings->size() - symbol.st_name));
      if (std::ranges::find(names, name) != names.end())
        found.try_emplace(std::string(name), ElfSymbol{symbol.st_value, symbol.st_size});
    }
  }
  return found;
}

}  // namespace vsup::supervisor
