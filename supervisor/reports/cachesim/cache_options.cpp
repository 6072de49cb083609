#include "supervisor/reports/cachesim/cache_options.h"

#include <bit>

namespace vsup::supervisor::cachesim {

namespace {

namespace records = agent::cachesim;
using records::Event;

// What Valgrind's largest register needs: an access may straddle two lines, not three.
constexpr uint64_t kSmallestLine = 32;

records::CacheShape shape_of(const Cache& cache) {
  return {.sets = static_cast<uint32_t>(cache.size / cache.line / cache.ways),
          .ways = static_cast<uint32_t>(cache.ways),
          .line_bits = static_cast<uint32_t>(std::countr_zero(cache.line))};
}

std::string problem_of(const Cache& cache) {
  if (cache.ways == 0 || cache.line == 0 || cache.size % (cache.line * cache.ways) != 0 ||
      !std::has_single_bit(cache.size / cache.line / cache.ways))
    return "the number of sets is not a power of two";
  if (!std::has_single_bit(cache.line)) return "the line size is not a power of two";
  if (cache.line < kSmallestLine) return "a line is at least 32 bytes";
  if (cache.size <= cache.line) return "the cache is not larger than a line";
  return {};
}

}  // namespace

Cache parse_cache(const std::string& option, const std::string& text) {
  const std::vector<std::string> parts = split_at_commas(text);
  uint64_t numbers[3] = {};
  bool valid = parts.size() == 3;
  for (size_t i = 0; i < 3 && valid; ++i) valid = parse_count(parts[i], false, numbers[i]) && numbers[i] <= 0x7fff'ffff;
  if (!valid) throw OptionError("--" + option + "=" + text + ": expected SIZE,WAYS,LINE in bytes");
  const Cache cache{numbers[0], numbers[1], numbers[2]};
  const std::string problem = problem_of(cache);
  if (!problem.empty()) throw OptionError("--" + option + "=" + text + ": " + problem);
  return cache;
}

std::string describe(const Cache& cache) {
  const std::string sizes = std::to_string(cache.size) + " B, " + std::to_string(cache.line) + " B, ";
  return sizes + (cache.ways == 1 ? "direct-mapped" : std::to_string(cache.ways) + "-way associative");
}

const char* event_name(Event event) {
  static constexpr const char* kNames[] = {"Ir",      "Dr",      "Dw",   "I1mr",     "D1mr",    "D1mw",
                                           "ILmr",    "DLmr",    "DLmw", "ILdmr",    "DLdmr",   "DLdmw",
                                           "Bc",      "Bcm",     "Bi",   "Bim",      "AcCost1", "SpLoss1",
                                           "AcCost2", "SpLoss2", "Ge",   "sysCount", "sysTime", "sysCpuTime"};
  static_assert(std::size(kNames) == records::kEventCount);
  return kNames[event];
}

uint64_t Simulation::flags() const {
  uint64_t flags = 0;
  if (caches) flags |= records::kCaches;
  if (branches) flags |= records::kBranches;
  if (write_back) flags |= records::kWriteBack;
  if (prefetch) flags |= records::kPrefetch;
  if (line_use) flags |= records::kLineUse;
  if (bus) flags |= records::kBus;
  if (system_calls) flags |= records::kSystemCalls;
  if (system_cpu_time) flags |= records::kSystemCpuTime;
  if (callgrind) flags |= records::kCallgrindRules;
  return flags;
}

std::vector<Event> Simulation::events() const {
  using enum Event;
  std::vector<Event> all{kIr};
  if (callgrind) {
    const records::EventList list = records::simulated_events(flags());
    all.insert(all.end(), list.events, list.events + list.count);
    return all;
  }
  const auto add = [&all](std::initializer_list<Event> more) { all.insert(all.end(), more); };
  if (caches) add({kI1mr, kILmr, kDr, kD1mr, kDLmr, kDw, kD1mw, kDLmw});
  if (branches) add({kBc, kBcm, kBi, kBim});
  return all;
}

std::vector<std::string> Simulation::descriptions() const {
  if (!caches) return {};
  const std::string gap = callgrind ? " " : "         ";
  return {"I1 cache:" + gap + describe(shapes.i1), "D1 cache:" + gap + describe(shapes.d1),
          "LL cache:" + gap + describe(shapes.ll)};
}

// Valgrind 3.19's words.
std::vector<std::string> Simulation::explanations() const {
  if (!system_calls) return {};
  const char* unit = time_unit == 1 ? "ns" : time_unit == 1000 ? "us" : "ms";
  std::vector<std::string> lines{std::string("sysTime : sysTime (elapsed ") + unit + ")"};
  if (system_cpu_time) lines.emplace_back("sysCpuTime : sysCpuTime (system cpu ns)");
  return lines;
}

Simulation simulation_of(const ToolOptionValues& options, bool callgrind) {
  Simulation simulation;
  simulation.callgrind = callgrind;
  simulation.caches = options.yes("cache-sim");
  simulation.branches = options.yes("branch-sim");
  simulation.shapes = detect_caches(this_cpuid);
  const auto given = [&options](const char* name, Cache& cache) {
    if (options.given(name)) cache = parse_cache(name, options.text(name));
  };
  given("I1", simulation.shapes.i1);
  given("D1", simulation.shapes.d1);
  given("LL", simulation.shapes.ll);
  if (callgrind) {
    simulation.write_back = options.yes("simulate-wb");
    simulation.prefetch = options.yes("simulate-hwpref");
    simulation.line_use = options.yes("cacheuse");
    simulation.bus = options.yes("collect-bus");
    const std::string unit = options.text("collect-systime");
    simulation.system_calls = unit != "no";
    simulation.system_cpu_time = unit == "nsec";
    simulation.time_unit = unit == "nsec" ? 1 : unit == "usec" ? 1000 : 1'000'000;
    if (!simulation.caches && (simulation.write_back || simulation.prefetch || simulation.line_use))
      throw OptionError(
          "--simulate-wb, --simulate-hwpref and --cacheuse say how caches are simulated: give --cache-sim=yes, too");
    if (simulation.line_use && (simulation.write_back || simulation.prefetch))
      throw OptionError(
          "--cacheuse has no write-back and no prefetcher: leave --simulate-wb and --simulate-hwpref out");
  }
  if (!simulation.caches) return simulation;
  const auto check = [](const char* name, const Cache& cache) {
    const std::string problem = problem_of(cache);
    if (!problem.empty())
      throw OptionError(std::string("this processor's ") + name + " cache (" + describe(cache) +
                        ") cannot be simulated: " + problem + "; give --" + name + "=");
  };
  check("I1", simulation.shapes.i1);
  check("D1", simulation.shapes.d1);
  check("LL", simulation.shapes.ll);
  const auto fits = simulation.line_use ? records::fits_with_use : records::fits;
  if (!fits(shape_of(simulation.shapes.i1), shape_of(simulation.shapes.d1), shape_of(simulation.shapes.ll)))
    throw OptionError("a cache of this size cannot be simulated; give --I1=, --D1= or --LL=");
  return simulation;
}

void configure(const Simulation& simulation, protocol::AgentSettings& settings) {
  settings.tool_options[records::kFlagsOption] = simulation.flags();
  settings.tool_options[records::kTimeUnitOption] = simulation.time_unit;
  settings.tool_options[records::kI1Option] = shape_of(simulation.shapes.i1).pack();
  settings.tool_options[records::kD1Option] = shape_of(simulation.shapes.d1).pack();
  settings.tool_options[records::kLLOption] = shape_of(simulation.shapes.ll).pack();
}

}  // namespace vsup::supervisor::cachesim
