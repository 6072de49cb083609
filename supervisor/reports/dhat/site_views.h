// Purpose: the dhat tool's records as what people look at: the file for DHAT's viewers, and weights of stacks.
#pragma once

#include <functional>

#include "supervisor/reports/dhat/dhat_writer.h"
#include "supervisor/reports/dhat/site_reader.h"
#include "supervisor/reports/heap/weighted_stacks.h"

namespace vsup::supervisor::dhat {

using Describe = std::function<const DescribedFrame&(const CapturedFrame& frame)>;

// Stacks end at main, as Valgrind shows them.
DhatFile dhat_file(const SiteRecords& records, const Describe& describe);

enum class Weight { kLive, kPeak, kTotal };

StackWeights weights_of(const SiteRecords& records, Weight weight);

}  // namespace vsup::supervisor::dhat
