// Purpose: an address of a profile to object, function, file and line.
// Assumes: one thread at a time; the modules and the cache outlive it.
// Promises: asking in rising order is fast; each name and path is made once. Names are callgrind's: demangled,
// "(below main)", "puts@plt" for an entry of a procedure linkage table, "0x0000000000001234" for code without a name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/symbols/module_code.h"

namespace vsup::supervisor::callgrind {

class CodeMap {
 public:
  static constexpr uint32_t kUnknown = 0;  // index of "???" in objects() and files()

  struct Function {
    uint32_t object = kUnknown, file = kUnknown;
    uint32_t line = 0;     // of its first instruction
    uint64_t address = 0;  // of its first instruction, link-time
    std::string name;
    bool named = true;
  };

  // `entries`: addresses that are known to be called. They name the functions in code that belongs to no file.
  CodeMap(std::span<const Module> modules, ModuleCodeCache& cache, pid_t pid, std::vector<uint64_t> entries);

  uint32_t function_at(uint64_t pc);  // index into functions()
  SourceLine line_at(uint64_t pc);    // file: index into files()
  bool has_lines(uint64_t pc);        // whether line_at can know anything in pc's object
  uint64_t link_time(uint64_t pc);    // pc itself, where there is no object

  const std::vector<Function>& functions() const { return functions_; }
  const std::vector<std::string>& objects() const { return objects_; }
  const std::vector<std::string>& files() const { return files_; }

 private:
  struct Entry {
    const Module* module = nullptr;
    ModuleCode* code = nullptr;
    bool opened = false;
    uint64_t bias = 0;
    uint32_t object = kUnknown;
    bool has_lines = false;
    std::vector<uint32_t> functions;  // by SymbolTable index, kNotYet
    std::vector<uint32_t> files;      // by LineTable index, kNotYet
  };
  static constexpr uint32_t kNotYet = ~0u;

  Entry* entry_of(uint64_t pc);
  uint32_t add_function(Entry* entry, const FunctionSymbol& symbol);
  uint32_t unnamed_function(Entry* entry, uint64_t start);
  uint32_t file_id(const std::string& path);

  std::vector<Entry> entries_;
  ModuleCodeCache& cache_;
  pid_t pid_;
  std::vector<uint64_t> called_;  // sorted
  Entry* last_ = nullptr;
  std::vector<Function> functions_;
  std::vector<std::string> objects_{"???"}, files_{"???"};
  std::unordered_map<std::string, uint32_t> object_ids_, file_ids_;
  std::unordered_map<uint64_t, uint32_t> unnamed_;  // by address in the process
};

// The name that callgrind shows for a linkage name.
std::string shown_name(std::string_view linkage_name);

}  // namespace vsup::supervisor::callgrind
