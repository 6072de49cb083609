#include "supervisor/reports/massif/record_reader.h"

#include <x86intrin.h>

#include <algorithm>
#include <cstddef>

#include "agent/tools/massif/records.h"
#include "protocol/heap.h"
#include "supervisor/base/large_allocator.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/reports/heap/tick_rate.h"
#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor::massif {

namespace {

namespace records = agent::massif;

bool read_changes(const StoppedProcess& process, const records::Header& header, HeapProfile& profile) {
  if (header.log > 1) return false;
  const uint64_t count = header.log_count[header.log];
  // As many as there may be would be much memory: one that has them has filled it.
  if (count > records::kMaxChanges || !may_have_filled(process.tid(), count * sizeof(records::Change))) return false;
  resize_pages(profile.changes, count);
  return count == 0 || process.read(records::kLogAt[header.log], profile.changes.data(),
                                    profile.changes.size() * sizeof profile.changes[0]);
}

bool read_seen(const StoppedProcess& process, const StackReader& stacks, uint64_t count, std::vector<uint32_t>& seen) {
  if (count > records::kMaxStacks || count > stacks.nodes()) return false;
  seen.resize(count);
  if (count != 0 && !process.read(records::kSeenStacksAt, seen.data(), count * sizeof seen[0])) return false;
  for (uint32_t& stack : seen)
    if (stack >= stacks.nodes()) stack = 0;
  return true;
}

// One number for each stack that ever allocated, where it is not 0.
bool read_numbers(const StoppedProcess& process, uint64_t start, const std::vector<uint32_t>& seen,
                  std::vector<std::pair<uint32_t, uint64_t>>& numbers) {
  if (seen.empty()) return true;
  std::vector<uint64_t> read(*std::max_element(seen.begin(), seen.end()) + uint64_t{1});
  if (!process.read(start, read.data(), read.size() * sizeof read[0])) return false;
  for (const uint32_t stack : seen)
    if ((read[stack] & records::kLiveBytes) != 0) numbers.emplace_back(stack, read[stack] & records::kLiveBytes);
  return true;
}

HeapProfile start_profile(const StoppedProcess& process) {
  HeapProfile profile;
  profile.pid = process.pid();
  profile.stacks = StackReader::of_process(process.tid());
  profile.modules = ModuleMap::of_process(process.tid());
  ProcessMemory memory(process.tid());
  const ReadBytes read = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
  for (const MapEntry& entry : profile.modules.entries())
    if (entry.executable) profile.modules.inspect(entry.start, read);
  process.read(protocol::kHeapLayerBase + offsetof(protocol::HeapControl, lost_blocks), &profile.lost_blocks,
               sizeof profile.lost_blocks);
  return profile;
}

uint64_t present_time(const records::Header& header, uint64_t time_unit) {
  if (time_unit == records::kTimeBytes) return header.moved_bytes;
  if (time_unit == records::kTimeInstructions) return header.instructions;
  const uint64_t ticks = __rdtsc() - header.start_ticks;
  return ticks / std::max<uint64_t>(ticks_per_second() / 1000, 1);
}

}  // namespace

std::optional<HeapProfile> read_profile(const StoppedProcess& process, bool weighted) {
  records::Header header{};
  if (!process.read(records::kToolBase, &header, sizeof header)) return {};
  if (header.snapshot_count > records::kMaxSnapshots) return {};
  std::vector<records::Snapshot> taken(header.snapshot_count);
  if (!taken.empty() && !process.read(records::kSnapshotsAt, taken.data(), taken.size() * sizeof taken[0])) return {};
  HeapProfile profile = start_profile(process);
  profile.lost_changes = header.cut_details;
  if (!read_seen(process, profile.stacks, header.seen_count, profile.seen)) return {};
  const bool details = read_changes(process, header, profile);
  if (!details) profile.changes.clear();
  size_t changes = 0;
  for (const records::Snapshot& one : taken) {
    if (one.kind == records::kSnapshotUnused) continue;
    SnapshotData& snapshot = profile.snapshots.emplace_back();
    snapshot.peak = one.kind == records::kSnapshotPeak;
    snapshot.time = one.time;
    snapshot.heap_bytes = one.heap_bytes;
    snapshot.extra_bytes = one.extra_bytes;
    snapshot.stack_bytes = one.stack_bytes;
    snapshot.detailed = details && one.detailed != 0 && one.log_end[header.log] >= changes &&
                        one.log_end[header.log] <= profile.changes.size();
    if (!snapshot.detailed) continue;
    snapshot.changes = changes = one.log_end[header.log];
    snapshot.seen = one.seen;
  }
  profile.weighted = weighted && read_numbers(process, records::kLiveAt, profile.seen, profile.live) &&
                     read_numbers(process, records::kTotalsAt, profile.seen, profile.totals);
  return profile;
}

std::optional<HeapProfile> read_present(const StoppedProcess& process, uint64_t time_unit, bool detailed) {
  records::Header header{};
  if (!process.read(records::kToolBase, &header, sizeof header)) return {};
  HeapProfile profile = start_profile(process);
  if (detailed && !read_seen(process, profile.stacks, header.seen_count, profile.seen)) return {};
  SnapshotData& snapshot = profile.snapshots.emplace_back();
  snapshot.detailed = detailed;
  snapshot.time = present_time(header, time_unit);
  snapshot.heap_bytes = header.heap_bytes;
  snapshot.extra_bytes = header.extra_bytes;
  snapshot.stack_bytes = header.stack_bytes;
  snapshot.seen = profile.seen.size();
  std::vector<std::pair<uint32_t, uint64_t>> held;
  if (detailed && !read_numbers(process, records::kLiveAt, profile.seen, held)) return {};
  for (const auto& [stack, bytes] : held) profile.changes.push_back({stack, bytes});
  snapshot.changes = profile.changes.size();
  return profile;
}

}  // namespace vsup::supervisor::massif
