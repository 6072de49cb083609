#include "supervisor/reports/heap/heap_modules.h"

#include <algorithm>
#include <map>
#include <string>

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
    // The loader says when it begins to add modules, too; nothing is there then.
    const bool begins = loader_.state(tid).r_state == r_debug::RT_ADD;
    if (begins && !known_.empty() && !waits_for_python()) return changes;
    ModuleMap map = ModuleMap::of_process(tid);
    ProcessMemory memory(tid);
    const ReadBytes read = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
    std::map<uint64_t, Key> present;
    for (const Module& listed : map.modules()) {
      if (listed.is_vdso() || listed.path.empty() || listed.path[0] != '/') continue;
      const auto code = std::find_if(listed.mappings.begin(), listed.mappings.end(),
                                     [](const MapEntry& mapping) { return mapping.executable; });
      if (code == listed.mappings.end()) continue;
      const Key key{listed.path, listed.inode};
      present[listed.start] = key;
      const auto known = known_.find(listed.start);
      if (known != known_.end() && known->second == key) continue;
      if (const Module* module = map.inspect(code->start, read)) add(*module, code->start, tid, changes);
    }
    for (const auto& [start, key] : known_) {
      const auto still = present.find(start);
      if (still == present.end() || still->second != key) changes.gone.push_back(start);
    }
    known_ = std::move(present);
    tables_.update(tid, map, shared_->tables);
    if (waits_for_python()) hook_python(read, changes);
    return changes;
  }

 private:
  using Key = std::pair<std::string, uint64_t>;

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
  std::map<uint64_t, Key> known_;  // by start
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
