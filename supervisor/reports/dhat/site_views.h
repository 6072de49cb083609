// Purpose: the dhat tool's records as what people look at: the file for DHAT's viewers, and stacks weighted by bytes.
#pragma once

#include <functional>

#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/dhat/dhat_writer.h"
#include "supervisor/reports/dhat/site_reader.h"
#include "supervisor/reports/heap/described_frame.h"

namespace vsup::supervisor::dhat {

using Describe = std::function<DescribedFrame(const CapturedFrame& frame)>;

// Stacks end at main, as Valgrind shows them.
DhatFile dhat_file(const SiteRecords& records, const Describe& describe);

enum class Weight { kLive, kPeak, kTotal };

// Whole stacks, outermost first; a native frame is its function, a Python frame its function, file and line.
callgrind::NamedStacks weighted_stacks(const SiteRecords& records, Weight weight, const Describe& describe);

}  // namespace vsup::supervisor::dhat
