#include "supervisor/symbols/module_code.h"

#include <unistd.h>

#include <cstdlib>

namespace vsup::supervisor {

std::unique_ptr<ModuleCode> ModuleCode::open(const Module& module, pid_t pid) {
  if (module.memory) {
    auto elf = ElfFile::from_bytes(*module.memory);
    if (!elf || elf->class_bits() != 64) return nullptr;
    return std::unique_ptr<ModuleCode>(new ModuleCode(std::move(*elf), nullptr, module, pid));
  }
  std::string path;
  int fd = open_module_file(module, pid, &path);
  if (fd < 0) return nullptr;
  auto elf = ElfFile::from_fd(fd);
  ::close(fd);
  if (!elf || elf->class_bits() != 64) return nullptr;
  auto debug = open_debug_file(*elf, module.path);
  return std::unique_ptr<ModuleCode>(new ModuleCode(std::move(*elf), debug ? &*debug : nullptr, module, pid));
}

ModuleCode::ModuleCode(ElfFile elf, const ElfFile* debug, Module module, pid_t pid)
    : elf_(std::move(elf)), module_(std::move(module)), pid_(pid), symbols_(elf_, debug) {
  // libdw is slow to find out that there is nothing.
  const char* servers = std::getenv("DEBUGINFOD_URLS");
  has_lines_ = debug || elf_.section(".debug_line") || elf_.section(".zdebug_line") || (servers && *servers);
  elf_.forget_sections();
}

LineTable& ModuleCode::lines() {
  if (lines_) return *lines_;
  std::unique_ptr<SymbolModule> symbols;
  if (has_lines_) {
    if (module_.memory) {
      symbols = SymbolModule::from_memory(module_.memory, module_.path);
    } else {
      std::string opened;
      int fd = open_module_file(module_, pid_, &opened);
      if (fd >= 0) symbols = SymbolModule::from_file(fd, opened.starts_with("/usr/lib/debug/") ? opened : module_.path);
    }
  }
  return lines_.emplace(std::move(symbols));
}

std::optional<uint64_t> ModuleCode::bias_of(const Module& module) const {
  if (module.image) return module.image->bias;
  if (module.is_vdso()) return module.start - elf_.lowest_vaddr();
  for (const MapEntry& entry : module.mappings) {
    if (!entry.executable) continue;
    if (auto bias = load_bias(module, entry.start, elf_)) return bias;
  }
  return std::nullopt;
}

ModuleCode* ModuleCodeCache::find(const Module& module, pid_t pid) {
  std::string key = module.image ? module.image->build_id : std::string();
  if (key.empty()) {
    // Nothing identifies the file but its place; another inode is another file.
    key = module.path + "|" + std::to_string(module.inode);
    if (module.is_vdso()) key += "|" + std::to_string(module.end - module.start);
  }
  auto found = cache_.find(key);
  if (found != cache_.end()) return found->second.get();
  if (cache_.size() >= kMaxModules) return nullptr;
  return cache_.emplace(key, ModuleCode::open(module, pid)).first->second.get();
}

}  // namespace vsup::supervisor
