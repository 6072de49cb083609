#include "supervisor/reports/heap/heap_modules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/loader_modules.h"
#include "supervisor/symbols/allocation_functions.h"
#include "supervisor/symbols/process_memory.h"
#include "supervisor/symbols/python_allocators.h"
#include "supervisor/symbols/stack_tables.h"
#include "supervisor/symbols/symbol_module.h"

namespace vsup::supervisor {

namespace {

struct Shared {
  const protocol::AgentSettings settings;
  const NamedFunctions named;
  UnwindTableCache tables;
  std::map<std::string, AllocationFunctions> functions;  // by path and inode
};

class HeapModules : public ModuleWatch {
 public:
  explicit HeapModules(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
    tables_.set_python_stacks(static_cast<protocol::PythonStacks>(shared_->settings.python_stacks));
  }

  std::unique_ptr<ModuleWatch> clone() const override { return std::make_unique<HeapModules>(*this); }

  ModuleChanges update(pid_t tid) override {
    ModuleChanges changes;
    ProcessMemory memory(tid);
    const ReadBytes read = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
    const r_debug loader = loader_.state(tid);
    if (loader.r_state == r_debug::RT_DELETE) loader_.forget();
    // The loader says when it begins to add or take modules, too; nothing has changed then.
    const bool begins = loader.r_state != r_debug::RT_CONSISTENT;
    if (begins && !known_.empty() && !waits_for_python()) return changes;
    auto added = begins ? std::nullopt : new_modules(tid, loader);
    if (added) {
      for (ModuleMap& map : *added) {
        add_new(map, read, tid, changes);
        tables_.add(tid, map, shared_->tables);
      }
    } else {
      update_all(read, tid, changes);
    }
    if (waits_for_python()) hook_python(read, changes);
    return changes;
  }

 private:
  using Key = std::pair<std::string, uint64_t>;
  using Present = std::map<uint64_t, Key>;  // by start

  // What the loader has mapped since the last call. Nothing when it has taken modules away, or says of none (they may
  // be in a namespace of their own): then all of /proc/PID/maps has to be read, which costs milliseconds where there
  // are hundreds of modules.
  std::optional<std::vector<ModuleMap>> new_modules(pid_t tid, const r_debug& loader) {
    const auto added = loader_.added(tid, loader);
    if (!added || added->empty() || known_.empty()) return {};
    std::vector<ModuleMap> maps;
    for (const LoaderModule& module : *added) {
      maps.push_back(ModuleMap::of_file_at(tid, module.bias));
      const auto& found = maps.back().modules();
      if (found.size() != 1 || known_.contains(found[0].start)) return {};
    }
    return maps;
  }

  void update_all(const ReadBytes& read, pid_t tid, ModuleChanges& changes) {
    ModuleMap map = ModuleMap::of_process(tid);
    const Present present = add_new(map, read, tid, changes);
    for (const auto& [start, key] : known_) {
      const auto still = present.find(start);
      if (still == present.end() || still->second != key) changes.gone.push_back(start);
    }
    known_ = present;
    tables_.update(tid, map, shared_->tables);
  }

  Present add_new(ModuleMap& map, const ReadBytes& read, pid_t tid, ModuleChanges& changes) {
    Present present;
    for (const Module& listed : map.modules()) {
      if (listed.is_vdso() || listed.path.empty() || listed.path[0] != '/') continue;
      const auto code = std::find_if(listed.mappings.begin(), listed.mappings.end(),
                                     [](const MapEntry& mapping) { return mapping.executable; });
      if (code == listed.mappings.end()) continue;
      const Key key{listed.path, listed.inode};
      present[listed.start] = key;
      const auto [known, is_new] = known_.try_emplace(listed.start, key);
      if (!is_new && known->second == key) continue;
      changes.added.push_back({listed.path, listed.start, listed.end, listed.mappings.front().offset, false});
      if (const Module* module = map.inspect(code->start, read)) add(*module, code->start, tid, changes);
    }
    return present;
  }

  void add(const Module& module, uint64_t code, pid_t tid, ModuleChanges& changes) {
    const std::string name = module.path + '\n' + std::to_string(module.inode);
    auto found = shared_->functions.find(name);
    std::optional<uint64_t> bias;
    if (module.image) bias = module.image->bias;
    if (found == shared_->functions.end() || !bias) {
      const UniqueFd fd(open_module_file(module, tid, nullptr));
      const auto file = fd ? ElfFile::from_fd(fd.get()) : std::nullopt;
      if (!file) return;
      if (!bias) bias = load_bias(module, code, *file);
      found = shared_->functions.insert_or_assign(name, find_allocation_functions(*file, shared_->named)).first;
    }
    if (!bias) return;
    for (const AllocationFunction& function : found->second.functions) {
      changes.places.push_back({function.vaddr + *bias, function.size, function.function, module.start, module.end});
    }
    for (const NamedFunction& function : found->second.named) {
      const uint64_t start = function.vaddr + *bias;
      changes.named.push_back({{start, start + function.size, function.kind}, module.start});
    }
    if (found->second.debug_state != 0) changes.loader_breakpoint = found->second.debug_state + *bias;
  }

  bool waits_for_python() const {
    return !python_hooked_ && tables_.python() != nullptr &&
           shared_->settings.python_malloc != protocol::kPythonMallocIgnore;
  }

  // Its pointers are not there before the loader has relocated the interpreter: then the next change finds them.
  void hook_python(const ReadBytes& read, ModuleChanges& changes) {
    const PythonFound* python = tables_.python();
    const auto pointers = shared_->settings.python_malloc == protocol::kPythonMallocTrack
                              ? find_object_allocators(*python, read)
                              : find_arena_allocator(*python, read);
    for (const AllocatorPointer& pointer : pointers)
      changes.places.push_back({pointer.address, 0, pointer.function, python->module_start, python->module_end, true});
    python_hooked_ = !pointers.empty();
  }

  std::shared_ptr<Shared> shared_;
  LoaderModules loader_;
  StackTables tables_;
  bool python_hooked_ = false;
  Present known_;
};

}  // namespace

std::function<std::unique_ptr<ModuleWatch>()> heap_module_watches(const protocol::AgentSettings& settings,
                                                                  NamedFunctions named) {
  return [shared =
              std::make_shared<Shared>(Shared{settings, std::move(named), {}, {}})]() -> std::unique_ptr<ModuleWatch> {
    return std::make_unique<HeapModules>(shared);
  };
}

}  // namespace vsup::supervisor
