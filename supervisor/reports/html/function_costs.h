// Purpose: what each function costs by itself and with all it calls, from a profile, from stacks, or from both.
// Promises: pure. A function that calls itself, directly or not, has its inclusive cost counted once where stacks tell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/callgrind/group.h"

namespace vsup::supervisor::html {

struct ReportFunction {
  std::string name, file, object;
  uint64_t self = 0, inclusive = 0, calls = 0;  // of one event; calls of this function
};

// Functions of a profile, all parts together. A function's inclusive cost is exact where `stacks` tell it; else its own
// cost and that of its calls but those to itself, at most the total (functions that call each other in a circle would
// count twice). `event` is a place in the profile's events, which stacks must have counted.
std::vector<ReportFunction> function_costs(const callgrind::Grouped& profile, const callgrind::NamedStacks& stacks,
                                           size_t event = 0);

// Functions of stacks alone. A name "function (file.c:12)" is the function and its file, all its lines together.
std::vector<ReportFunction> function_costs(const callgrind::NamedStacks& stacks);

// The sum of what the outermost frames cost.
uint64_t total_cost(const callgrind::NamedStacks& stacks);

// "function (file.c:12)" or "function (in /lib/libc.so.6)" in its pieces; without a place the name is all there is.
struct FrameName {
  std::string_view function, file, object, line;
};
FrameName split_frame_name(std::string_view name);

// Whether a frame is Python code, by the source that its name tells: "load (model.py:12)", "run (<string>:1)"; Cython's
// .pyx counts as well.
bool is_python_frame(std::string_view name);

}  // namespace vsup::supervisor::html
