#include "supervisor/symbols/warm_up.h"

#include <unistd.h>

#include <algorithm>

#include "supervisor/ptrace/proc_files.h"
#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor {
namespace {

const Module* find_named(const ModuleMap& map, std::string_view start) {
  const auto found = std::find_if(map.modules().begin(), map.modules().end(),
                                  [start](const Module& module) { return module.name().starts_with(start); });
  return found == map.modules().end() ? nullptr : &*found;
}

void open(Symbolizer& symbolizer, ModuleMap& map, const Module* module) {
  if (module == nullptr) return;
  ProcessMemory memory(map.pid());
  map.inspect(module->mappings.front().start,
              [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); });
  symbolizer.open_debug_information(map, module->mappings.front().start);
}

}  // namespace

void warm_up(Symbolizer& symbolizer, pid_t pid) {
  constexpr std::string_view kLibrary = "libc.so", kLoader = "ld-linux";
  ModuleMap map = ModuleMap::of_process(pid);
  const Module* loader = find_named(map, kLoader);
  if (const Module* library = find_named(map, kLibrary)) {
    open(symbolizer, map, library);
  } else if (loader != nullptr) {
    // The loader has not mapped it yet: it is vsup's own, if the loader is.
    ModuleMap own = ModuleMap::of_process(::getpid());
    const Module* own_loader = find_named(own, kLoader);
    const bool same = own_loader != nullptr && own_loader->inode == loader->inode && own_loader->path == loader->path;
    if (same) open(symbolizer, own, find_named(own, kLibrary));
  }
  const std::string program = read_link("/proc/" + std::to_string(pid) + "/exe");
  for (const Module& module : map.modules())
    if (module.path == program) return open(symbolizer, map, &module);
}

void warm_up_module(Symbolizer& symbolizer, pid_t pid, uint64_t address) {
  ModuleMap map = ModuleMap::of_file_at(pid, address);
  if (map.modules().empty()) return;
  ProcessMemory memory(pid);
  map.inspect(address, [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); });
  symbolizer.linkage_name(map, address);
}

}  // namespace vsup::supervisor
