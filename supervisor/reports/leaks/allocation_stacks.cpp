#include "supervisor/reports/leaks/allocation_stacks.h"

#include <algorithm>

#include "supervisor/symbols/demangle.h"

namespace vsup::supervisor::leaks {
namespace {

using protocol::HeapFunction;

// As Valgrind's replacements are called.
const char* linkage_name(HeapFunction function) {
  switch (function) {
    case HeapFunction::kCalloc:
      return "calloc";
    case HeapFunction::kRealloc:
    case HeapFunction::kReallocArray:
      return "realloc";
    case HeapFunction::kMemalign:
      return "memalign";
    case HeapFunction::kPosixMemalign:
      return "posix_memalign";
    case HeapFunction::kValloc:
      return "valloc";
    case HeapFunction::kPvalloc:
      return "pvalloc";
    case HeapFunction::kNew:
      return "_Znwm";
    case HeapFunction::kNewNothrow:
      return "_ZnwmRKSt9nothrow_t";
    case HeapFunction::kNewAligned:
      return "_ZnwmSt11align_val_t";
    case HeapFunction::kNewAlignedNothrow:
      return "_ZnwmSt11align_val_tRKSt9nothrow_t";
    case HeapFunction::kNewArray:
      return "_Znam";
    case HeapFunction::kNewArrayNothrow:
      return "_ZnamRKSt9nothrow_t";
    case HeapFunction::kNewArrayAligned:
      return "_ZnamSt11align_val_t";
    case HeapFunction::kNewArrayAlignedNothrow:
      return "_ZnamSt11align_val_tRKSt9nothrow_t";
    case HeapFunction::kPythonMalloc:
      return "PyObject_Malloc";
    case HeapFunction::kPythonCalloc:
      return "PyObject_Calloc";
    case HeapFunction::kPythonRealloc:
      return "PyObject_Realloc";
    default:
      return "malloc";
  }
}

bool is_below_main(const std::string& name) {
  // glibc 2.33 and older, 2.34 and newer (csu/libc-start.c), and the entry point (sysdeps/x86_64/start.S).
  return name == "__libc_start_main" || name == "__libc_start_call_main" || name == "__libc_start_main_impl" ||
         name == "generic_start_main" || name == "_start";
}

}  // namespace

uint32_t AllocationStacks::origin(const StackReader& depot, uint32_t stack, HeapFunction function) {
  const uint64_t key = uint64_t{stack} << 8 | static_cast<uint64_t>(function);
  Recent& recent = recent_[key * 0x9e37'79b9'7f4a'7c15 >> (64 - kRecentBits)];
  if (recent.key != key) recent = {key, find_origin(depot, key, stack, function)};
  return recent.number;
}

uint32_t AllocationStacks::find_origin(const StackReader& depot, uint64_t key, uint32_t stack, HeapFunction function) {
  const auto known = by_stack_.find(key);
  if (known != by_stack_.end()) return known->second;
  const auto next = static_cast<uint32_t>(places_.size());
  uint32_t number = next;
  if (naming_.resolution < naming_.num_callers) {
    Shape shape{function, {}};
    for (const CapturedFrame& frame : depot.frames(stack)) {
      if (shape.frames.size() + 1 >= naming_.resolution) break;
      shape.frames.push_back(frame.value);
    }
    number = by_shape_.try_emplace(std::move(shape), next).first->second;
  }
  if (number == next) places_.push_back({stack, function, false, {}});
  by_stack_[key] = number;
  return number;
}

const std::vector<ReportFrame>& AllocationStacks::frames(uint32_t origin, const StackReader& depot,
                                                         const ModuleMap& modules, const FunctionAddresses& allocators,
                                                         Symbolizer& symbolizer) {
  Place& place = places_[origin];
  if (place.named) return place.frames;
  place.named = true;
  ReportFrame first;
  first.linkage = linkage_name(place.function);
  first.function = demangle(first.linkage);
  const auto address = allocators.find(place.function);
  if (address != allocators.end()) {
    first.ip = address->second;
    if (const Module* module = modules.module_at(first.ip)) first.object = module->path;
  }
  place.frames.push_back(std::move(first));
  unsigned callers = 1;
  for (const CapturedFrame& captured : depot.frames(place.stack)) {
    if (callers++ >= naming_.num_callers) break;
    if (captured.kind == protocol::kFramePython) {
      const PythonLocation location = depot.python_location(captured);
      place.frames.push_back({0, location.function, location.function, "", location.file, location.line});
      continue;
    }
    bool is_main = false;
    for (Frame& frame : symbolizer.symbolize(modules, captured.value, captured.lookup())) {
      if (is_below_main(frame.linkage)) {
        if (!naming_.show_below_main) return place.frames;
        frame.function = frame.linkage = "(below main)";
      }
      is_main |= frame.function == "main";
      ReportFrame named;
      named.ip = captured.lookup();
      named.linkage = frame.linkage.empty() ? frame.function : frame.linkage;
      named.function = frame.linkage.empty() || frame.inlined ? frame.function : demangle(frame.linkage);
      named.object = std::move(frame.module);
      named.file = std::move(frame.file);
      named.line = frame.line;
      place.frames.push_back(std::move(named));
    }
    if (is_main && !naming_.show_below_main) break;
  }
  return place.frames;
}

}  // namespace vsup::supervisor::leaks
