// Purpose: /proc/PID/maps as data, and the ELF modules in it.
// Assumes: nothing about the text: a line that does not parse is skipped.
// Promises: plain data, so that it can be taken while a process stands still and used later, on any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/ptrace/proc_files.h"
#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

// Whether a file is the C library, by its name.
bool is_libc(const std::string& path);

// Its path is without " (deleted)".
struct MapEntry : Mapping {
  bool deleted = false;  // the file was unlinked or replaced since it was mapped

  bool is_file() const { return inode != 0 && !path.empty() && path[0] == '/'; }
};

// In the order of the text, which the kernel sorts by address. Overlapping or reversed ranges are dropped.
std::vector<MapEntry> parse_map_entries(std::string_view text);

// A file mapped as a program, or the vdso.
struct Module {
  std::string path;  // "[vdso]" for the vdso
  uint64_t start = 0, end = 0;
  uint64_t inode = 0;
  bool deleted = false;
  std::vector<MapEntry> mappings;

  // Filled by ModuleMap::inspect, from the process's memory.
  bool inspected = false;
  std::optional<LoadedImage> image;
  std::shared_ptr<const std::vector<uint8_t>> memory;  // the vdso's bytes: it has no file

  std::string name() const;  // last part of the path
  bool is_vdso() const { return path == "[vdso]"; }
};

class ModuleMap {
 public:
  ModuleMap() = default;
  explicit ModuleMap(std::string_view maps_text, pid_t pid = 0);
  explicit ModuleMap(std::vector<MapEntry> entries, pid_t pid = 0);  // in the order of their addresses

  // Takes /proc/PID/maps; empty if the process is gone.
  static ModuleMap of_process(pid_t pid);

  // What is mapped of the file at `address`, without reading all of /proc/PID/maps; empty where the kernel has no way
  // to ask.
  static ModuleMap of_file_at(pid_t pid, uint64_t address);

  pid_t pid() const { return pid_; }
  const std::vector<MapEntry>& entries() const { return entries_; }
  const std::vector<Module>& modules() const { return modules_; }
  const MapEntry* entry_at(uint64_t address) const;
  const Module* module_at(uint64_t address) const;

  // Adds the modules of `earlier` that are not there any more, unless others lie in their place.
  void add_gone(const ModuleMap& earlier);

  // Reads the module's headers from memory, once: build id, load bias, unwind header; the whole image of a vdso.
  const Module* inspect(uint64_t address, const ReadBytes& read_memory);

 private:
  pid_t pid_ = 0;
  std::vector<MapEntry> entries_;
  std::vector<Module> modules_;
};

// Address in the process minus link-time address for the mapping that holds `address`, by the file's program headers;
// nullopt when the file does not match the mapping.
std::optional<uint64_t> load_bias(const Module& module, uint64_t address, const ElfFile& file);

}  // namespace vsup::supervisor
