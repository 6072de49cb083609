// Purpose: puts the unwind tables of a process's modules where its agent walks stacks by them.
// Assumes: an injected agent; calls on one thread.
// Promises: no stop of the process is needed: what the agent may be reading is never changed, and a new directory comes
// into use by one store. A module that cannot be read is left out: stacks through it then go by frame pointer.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/callstack.h"
#include "supervisor/symbols/module_map.h"
#include "supervisor/symbols/python_layout.h"
#include "supervisor/symbols/unwind_table.h"

namespace vsup::supervisor {

// Compiled tables by build id, or by file where there is none: the processes of a session load the same libraries.
class UnwindTableCache {
 public:
  // Null: the module has no call frame information that can be used. `module` was inspected; *bias is its address in
  // the process minus the link-time address.
  std::shared_ptr<const UnwindTable> table_of(const Module& module, pid_t pid, uint64_t* bias);

  uint64_t compiled() const { return compiled_; }

 private:
  std::map<std::string, std::shared_ptr<const UnwindTable>> tables_;
  uint64_t compiled_ = 0;
};

// The tables of one address space. The copy of a fork's child starts as a copy of its parent's.
class StackTables {
 public:
  // What is to be done when an interpreter is found; before the first update.
  void set_python_stacks(protocol::PythonStacks stacks) { python_stacks_ = stacks; }
  // The interpreter that was found; null: none so far.
  const PythonFound* python() const { return python_ ? &*python_ : nullptr; }

  // Makes the agent's directory match the executable mappings: call it when modules have come or gone. False when
  // the process cannot be written to.
  bool update(pid_t pid, UnwindTableCache& cache);
  bool update(pid_t pid, ModuleMap& modules, UnwindTableCache& cache);
  // `modules` are all that has changed, and have come.
  bool add(pid_t pid, ModuleMap& modules, UnwindTableCache& cache);

  size_t modules() const { return known_.size(); }
  uint64_t rows_bytes() const { return rows_used_; }

 private:
  struct Key {
    uint64_t start, end, offset, inode;
    std::string path;
    auto operator<=>(const Key&) const = default;  // NOLINT(modernize-use-nullptr): not what it is about
  };
  bool add_all(pid_t pid, ModuleMap& modules, UnwindTableCache& cache, std::set<Key>& present, bool& changed);
  bool add(pid_t pid, const Module& module, const MapEntry& mapping, UnwindTableCache& cache, const Key& key);
  bool publish(pid_t pid);
  bool look_for_python(pid_t pid, const Module& module, const MapEntry& code, const ReadBytes& read);

  std::map<Key, protocol::UnwindModule> known_;  // with row_count 0 for those that have no table
  std::map<const UnwindTable*, std::pair<std::shared_ptr<const UnwindTable>, uint64_t>>
      written_;  // address of its rows
  uint64_t rows_used_ = 0;
  std::vector<protocol::UnwindModule> published_;
  uint64_t generation_ = 0, epoch_ = 1;
  protocol::PythonStacks python_stacks_ = protocol::kPythonStacksYes;
  std::optional<PythonFound> python_;
};

}  // namespace vsup::supervisor
