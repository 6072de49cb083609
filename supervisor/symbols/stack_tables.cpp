#include "supervisor/symbols/stack_tables.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/symbols/process_memory.h"
#include "supervisor/symbols/symbol_module.h"

namespace vsup::supervisor {

namespace {

using protocol::UnwindModule;

std::string identity(const Module& module) {
  if (module.image && !module.image->build_id.empty()) return module.image->build_id;
  if (module.is_vdso()) return module.path;
  const MapEntry& first = module.mappings.front();
  return module.path + '\n' + std::to_string(first.device_major) + ':' + std::to_string(first.device_minor) + ' ' +
         std::to_string(module.inode);
}

std::optional<ElfFile> open_file(const Module& module, pid_t pid) {
  if (module.memory) return ElfFile::from_bytes(*module.memory);
  const UniqueFd fd(open_module_file(module, pid, nullptr));
  if (!fd) return std::nullopt;
  return ElfFile::from_fd(fd.get());
}

// Whether whatever is found by the one directory is found by the other, too.
bool extends(const std::vector<UnwindModule>& before, const std::vector<UnwindModule>& after) {
  const auto same = [](const UnwindModule& a, const UnwindModule& b) {
    return a.start == b.start && a.end == b.end && a.base == b.base && a.rows == b.rows && a.row_count == b.row_count;
  };
  size_t kept = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    if (i > 0 && after[i].start < after[i - 1].end) return false;
    if (kept < before.size() && same(before[kept], after[i])) ++kept;
  }
  return kept == before.size();
}

const MapEntry* first_code(const Module& module) {
  for (const MapEntry& mapping : module.mappings)
    if (mapping.executable) return &mapping;
  return nullptr;
}

}  // namespace

std::shared_ptr<const UnwindTable> UnwindTableCache::table_of(const Module& module, pid_t pid, uint64_t* bias) {
  const std::string name = identity(module);
  auto found = tables_.find(name);
  const bool has_bias = module.image.has_value();
  if (has_bias) *bias = module.image->bias;
  if (found != tables_.end() && (has_bias || !found->second)) return found->second;
  const MapEntry* code = first_code(module);
  auto file = open_file(module, pid);
  auto file_bias = file && code ? load_bias(module, code->start, *file) : std::nullopt;
  if (!has_bias && file_bias) *bias = *file_bias;
  if (found != tables_.end()) return file_bias ? found->second : nullptr;
  std::shared_ptr<const UnwindTable> result;
  if (file && (has_bias || file_bias)) {
    if (auto table = UnwindTable::compile(*file)) result = std::make_shared<UnwindTable>(std::move(*table));
    ++compiled_;
  }
  return tables_.emplace(name, std::move(result)).first->second;
}

bool StackTables::update(pid_t pid, UnwindTableCache& cache) {
  ModuleMap modules = ModuleMap::of_process(pid);
  return update(pid, modules, cache);
}

bool StackTables::update(pid_t pid, ModuleMap& modules, UnwindTableCache& cache) {
  std::set<Key> present;
  bool changed = false;
  if (!add_all(pid, modules, cache, present, changed)) return false;
  changed |= std::erase_if(known_, [&present](const auto& entry) { return !present.contains(entry.first); }) != 0;
  return !changed || publish(pid);
}

bool StackTables::add(pid_t pid, ModuleMap& modules, UnwindTableCache& cache) {
  std::set<Key> present;
  bool changed = false;
  return add_all(pid, modules, cache, present, changed) && (!changed || publish(pid));
}

bool StackTables::add_all(pid_t pid, ModuleMap& modules, UnwindTableCache& cache, std::set<Key>& present,
                          bool& changed) {
  ProcessMemory memory(pid);
  const ReadBytes read = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
  for (const Module& listed : modules.modules()) {
    for (const MapEntry& mapping : listed.mappings) {
      if (!mapping.executable) continue;
      Key key{mapping.start, mapping.end, mapping.offset, listed.inode, listed.path};
      present.insert(key);
      if (known_.contains(key)) continue;
      const Module* module = modules.inspect(mapping.start, read);
      if (module != nullptr &&
          (!add(pid, *module, mapping, cache, key) || !look_for_python(pid, *module, mapping, read)))
        return false;
      changed = true;
    }
  }
  return true;
}

bool StackTables::add(pid_t pid, const Module& module, const MapEntry& mapping, UnwindTableCache& cache,
                      const Key& key) {
  UnwindModule& entry = known_[key];
  entry = {mapping.start, mapping.end, 0, 0, 0};
  uint64_t bias = 0;
  const std::shared_ptr<const UnwindTable> table = cache.table_of(module, pid, &bias);
  if (!table || table->rows().empty()) return true;
  auto [written, is_new] = written_.try_emplace(table.get(), table, protocol::kRowsBase + rows_used_);
  const uint64_t size = table->rows().size() * sizeof(protocol::UnwindRow);
  if (is_new) {
    if (size > protocol::kRowsSize - rows_used_) {
      written_.erase(written);
      return true;
    }
    if (!write_memory(pid, written->second.second, table->rows().data(), size)) return false;
    rows_used_ += (size + 63) / 64 * 64;
  }
  entry.base = bias + table->base();
  entry.rows = written->second.second;
  entry.row_count = table->rows().size();
  return true;
}

// The interpreter is a library with its name, or linked into the program.
bool StackTables::look_for_python(pid_t pid, const Module& module, const MapEntry& code, const ReadBytes& read) {
  if (python_ || module.is_vdso() || !module.image) return true;
  char program[4096];
  const ssize_t size = readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), program, sizeof program);
  const bool is_program = size > 0 && std::string_view(program, static_cast<size_t>(size)) == module.path;
  if (!is_program && module.name().find("python") == std::string::npos) return true;
  const auto file = open_file(module, pid);
  if (!file) return true;
  python_ = find_python(*file, module.image->bias, read);
  if (!python_) return true;
  python_->module_start = module.start;
  python_->module_end = module.end;
  python_->code_start = code.start;
  python_->code_end = code.end;
  if (!python_->layout) return true;
  python_->layout->stacks = python_stacks_;
  python_->layout->code_start = code.start;
  python_->layout->code_end = code.end;
  return write_value(pid, protocol::kCallstackBase + offsetof(protocol::CallstackControl, python), *python_->layout) &&
         write_value(pid, protocol::kCallstackBase + offsetof(protocol::CallstackControl, python_ready), uint64_t{1});
}

bool StackTables::publish(pid_t pid) {
  std::vector<UnwindModule> modules;
  for (const auto& [key, module] : known_)
    if (module.row_count != 0 && modules.size() < protocol::kMaxUnwindModules) modules.push_back(module);
  if (!extends(published_, modules)) ++epoch_;
  const uint64_t header[3] = {++generation_, epoch_, modules.size()};
  published_ = modules;
  std::vector<uint8_t> bytes(sizeof header + modules.size() * sizeof(UnwindModule));
  memcpy(bytes.data(), header, sizeof header);
  if (!modules.empty()) memcpy(bytes.data() + sizeof header, modules.data(), modules.size() * sizeof(UnwindModule));
  const uint64_t address = protocol::kDirectoryBase[generation_ % 2];
  return write_memory(pid, address, bytes.data(), bytes.size()) &&
         write_value(pid, protocol::kCallstackBase + offsetof(protocol::CallstackControl, directory), address);
}

}  // namespace vsup::supervisor
