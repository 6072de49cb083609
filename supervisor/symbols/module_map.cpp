#include "supervisor/symbols/module_map.h"

#include <algorithm>
#include <utility>

namespace vsup::supervisor {
namespace {

MapEntry as_entry(Mapping mapping) {
  MapEntry entry{std::move(mapping)};
  entry.deleted = strip_deleted(entry.path);
  return entry;
}

}  // namespace

bool is_libc(const std::string& path) {
  return path.find("/libc.so") != std::string::npos || path.find("/libc-2") != std::string::npos;
}

std::vector<MapEntry> parse_map_entries(std::string_view text) {
  std::vector<MapEntry> entries;
  for (Mapping& mapping : parse_maps(text)) {
    if (mapping.start >= mapping.end || (!entries.empty() && mapping.start < entries.back().end)) continue;
    entries.push_back(as_entry(std::move(mapping)));
  }
  return entries;
}

std::string Module::name() const {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

ModuleMap::ModuleMap(std::string_view maps_text, pid_t pid) : ModuleMap(parse_map_entries(maps_text), pid) {}

ModuleMap::ModuleMap(std::vector<MapEntry> entries, pid_t pid) : pid_(pid), entries_(std::move(entries)) {
  for (const MapEntry& entry : entries_) {
    if (!entry.is_file() && entry.path != "[vdso]") continue;
    Module* last = modules_.empty() ? nullptr : &modules_.back();
    // The same file mapped twice gives two modules: file offsets rise within one, except where two segments share the
    // file's first page, and then their mappings touch.
    bool goes_on = last && last->path == entry.path && last->inode == entry.inode && last->deleted == entry.deleted &&
                   (entry.offset > last->mappings.front().offset || entry.start == last->end);
    if (!goes_on) {
      modules_.emplace_back();
      last = &modules_.back();
      last->path = entry.path;
      last->inode = entry.inode;
      last->deleted = entry.deleted;
      last->start = entry.start;
    }
    last->end = entry.end;
    last->mappings.push_back(entry);
  }
  // Data files are mapped too: a module has code, or it is not one.
  std::erase_if(modules_, [](const Module& module) {
    return std::none_of(module.mappings.begin(), module.mappings.end(), [](const auto& m) { return m.executable; });
  });
}

ModuleMap ModuleMap::of_process(pid_t pid) {
  return ModuleMap(read_file("/proc/" + std::to_string(pid) + "/maps"), pid);
}

ModuleMap ModuleMap::of_file_at(pid_t pid, uint64_t address) {
  std::vector<MapEntry> entries;
  for (Mapping& mapping : query_file_mappings(pid, address)) entries.push_back(as_entry(std::move(mapping)));
  return ModuleMap(std::move(entries), pid);
}

const MapEntry* ModuleMap::entry_at(uint64_t address) const {
  auto after = std::upper_bound(entries_.begin(), entries_.end(), address,
                                [](uint64_t value, const MapEntry& entry) { return value < entry.start; });
  if (after == entries_.begin() || address >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

const Module* ModuleMap::module_at(uint64_t address) const {
  auto after = std::upper_bound(modules_.begin(), modules_.end(), address,
                                [](uint64_t value, const Module& module) { return value < module.start; });
  if (after == modules_.begin() || address >= std::prev(after)->end) return nullptr;
  const Module& module = *std::prev(after);
  for (const auto& mapping : module.mappings) {
    if (address >= mapping.start && address < mapping.end) return &module;
  }
  return nullptr;
}

void ModuleMap::add_gone(const ModuleMap& earlier) {
  const auto is_free = [](const auto& present, uint64_t start, uint64_t end) {
    const auto after = std::lower_bound(present.begin(), present.end(), end,
                                        [](const auto& one, uint64_t address) { return one.start < address; });
    return after == present.begin() || std::prev(after)->end <= start;
  };
  const auto add = [&is_free](auto& present, const auto& former) {
    std::remove_cvref_t<decltype(present)> gone;
    for (const auto& one : former)
      if (is_free(present, one.start, one.end)) gone.push_back(one);
    present.insert(present.end(), gone.begin(), gone.end());
    std::sort(present.begin(), present.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
  };
  std::vector<MapEntry> files;
  for (const MapEntry& entry : earlier.entries_)
    if (entry.is_file()) files.push_back(entry);
  add(entries_, files);
  add(modules_, earlier.modules_);
}

const Module* ModuleMap::inspect(uint64_t address, const ReadBytes& read_memory) {
  const Module* found = module_at(address);
  if (!found || found->inspected) return found;
  Module& module = modules_[static_cast<size_t>(found - modules_.data())];
  module.inspected = true;
  if (module.mappings.front().offset == 0) module.image = inspect_loaded_image(read_memory, module.start);
  if (module.is_vdso() && module.end - module.start <= (1u << 20)) {
    auto bytes = std::make_shared<std::vector<uint8_t>>(module.end - module.start);
    if (read_memory(module.start, bytes->data(), bytes->size())) module.memory = std::move(bytes);
  }
  return found;
}

std::optional<uint64_t> load_bias(const Module& module, uint64_t address, const ElfFile& file) {
  for (const auto& mapping : module.mappings) {
    if (address < mapping.start || address >= mapping.end) continue;
    auto vaddr = file.vaddr_of_offset(mapping.offset, mapping.executable);
    if (!vaddr) return std::nullopt;
    return mapping.start - *vaddr;
  }
  return std::nullopt;
}

}  // namespace vsup::supervisor
