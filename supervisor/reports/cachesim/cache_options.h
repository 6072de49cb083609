// Purpose: which caches are simulated: this processor's as Valgrind 3.19 finds them, or as options say.
// Promises: what is found or given has a number of sets that is a power of two and fits the slot.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/tools/cachesim/records.h"
#include "supervisor/session/tool_options.h"

namespace vsup::supervisor::cachesim {

struct Cache {
  uint64_t size = 0, ways = 0, line = 0;
};

struct CacheSet {
  Cache i1, d1, ll;
};

// Of a processor: what cpuid answers.
struct CpuidAnswer {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
using Cpuid = CpuidAnswer (*)(uint32_t leaf, uint32_t subleaf);
CpuidAnswer this_cpuid(uint32_t leaf, uint32_t subleaf);

// Valgrind's defaults where the processor does not say.
CacheSet detect_caches(Cpuid cpuid);

// "SIZE,WAYS,LINE"; throws OptionError, naming the option.
Cache parse_cache(const std::string& option, const std::string& text);

// Makes the number of sets a power of two by more ways, as Valgrind does with the last level's.
void adjust_last_level(Cache& cache);

// "32768 B, 64 B, 8-way associative"
std::string describe(const Cache& cache);

struct Simulation {
  bool caches = false, branches = false;
  bool write_back = false, prefetch = false, line_use = false;
  bool bus = false;
  bool system_calls = false, system_cpu_time = false;
  uint64_t time_unit = 0;  // of system calls, in nanoseconds
  bool callgrind = false;  // its rules and its order of events, else cachegrind's
  CacheSet shapes;

  bool any() const { return caches || branches || bus || system_calls; }
  uint64_t flags() const;  // agent::cachesim::Flag
  // Ir first, then those that are simulated.
  std::vector<agent::cachesim::Event> events() const;
  // Of the "desc:" lines; empty without caches. Cachegrind's has its values in a column.
  std::vector<std::string> descriptions() const;
  // Of the "event:" lines, which tell units.
  std::vector<std::string> explanations() const;
};

const char* event_name(agent::cachesim::Event event);

// Options cache-sim, branch-sim, I1, D1 and LL; callgrind's simulate-wb, simulate-hwpref, cacheuse, collect-bus and
// collect-systime, too. Throws OptionError.
Simulation simulation_of(const ToolOptionValues& options, bool callgrind);

void configure(const Simulation& simulation, protocol::AgentSettings& settings);

}  // namespace vsup::supervisor::cachesim
