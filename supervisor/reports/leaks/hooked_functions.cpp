#include "supervisor/reports/leaks/hooked_functions.h"

#include <algorithm>
#include <string>

namespace vsup::supervisor::leaks {
namespace {

using namespace protocol;

bool is_interposer(const ModuleMap& modules, uint64_t address) {
  const Module* module = modules.module_at(address);
  if (module == nullptr) return false;
  const auto is_in = [module](const char* library) { return module->path.find(library) != std::string::npos; };
  return !is_libc(module->path) && !is_in("/libstdc++.so") && !is_in("/ld-linux");
}

}  // namespace

std::map<HeapFunction, uint64_t> hooked_functions(const StoppedProcess& process, const ModuleMap& modules) {
  std::map<HeapFunction, uint64_t> functions;
  HeapControl control{};
  if (!process.read(kHeapLayerBase, &control, sizeof control)) return functions;
  for (uint64_t i = 0; i < std::min<uint64_t>(control.hook_count, kMaxHooks); ++i) {
    HookSite site{};
    if (!process.read(kHookSitesBase + i * kHookSiteStride, &site, sizeof site)) break;
    if (site.status != kHookMade) continue;
    const auto [known, first] = functions.try_emplace(site.function, site.address);
    if (!first && !is_interposer(modules, known->second) && is_interposer(modules, site.address))
      known->second = site.address;
  }
  return functions;
}

}  // namespace vsup::supervisor::leaks
