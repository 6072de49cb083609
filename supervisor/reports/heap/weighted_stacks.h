// Purpose: captured stacks weighted by bytes, for flame graphs.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/heap/described_frame.h"

namespace vsup::supervisor {

// A stack's id in the depot, and its weight.
using StackWeights = std::vector<std::pair<uint32_t, uint64_t>>;

// Whole stacks, outermost first; a native frame is its function, a Python frame its function, file and line. Those
// without weight are left out.
callgrind::NamedStacks weighted_stacks(const StackReader& stacks, const StackWeights& weights,
                                       const std::function<const DescribedFrame&(const CapturedFrame&)>& describe);

// "DIRECTORY/heap.peak.123.collapsed"; `what` is live, peak or total.
std::string heap_stacks_name(const std::string& directory, const char* what, pid_t pid);

}  // namespace vsup::supervisor
