#include "supervisor/reports/massif/record_reader.h"

#include <cstddef>

#include "agent/tools/massif/records.h"
#include "protocol/heap.h"
#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor::massif {

namespace {

namespace records = agent::massif;

bool read_details(const StoppedProcess& process, uint32_t room, uint64_t max_snapshots, SnapshotData& snapshot) {
  const uint64_t room_size = records::kDetailsSize / max_snapshots & ~uint64_t{4095};
  const uint64_t start = records::kDetailsAt + room * room_size;
  uint64_t count = 0;
  if (!process.read(start, &count, sizeof count)) return false;
  if (count > (room_size - records::kRoomHeader) / sizeof(records::Detail)) return false;
  std::vector<records::Detail> details(count);
  if (count != 0 && !process.read(start + records::kRoomHeader, details.data(), count * sizeof(records::Detail)))
    return false;
  for (const records::Detail& detail : details)
    snapshot.stacks.emplace_back(detail.stack,
                                 (detail.bytes_low | uint64_t{detail.bytes_high} << 32) & ~records::kSeen);
  return true;
}

// One number for each stack that ever allocated.
bool read_numbers(const StoppedProcess& process, const StackReader& stacks, uint64_t start, uint64_t count,
                  std::vector<std::pair<uint32_t, uint64_t>>& numbers) {
  if (count > records::kMaxStacks || count > stacks.nodes()) return false;
  std::vector<uint64_t> read(count);
  if (count != 0 && !process.read(start, read.data(), count * sizeof read[0])) return false;
  for (uint32_t stack = 0; stack < count; ++stack)
    if (read[stack] != 0) numbers.emplace_back(stack, read[stack] & ~records::kSeen);
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

}  // namespace

std::optional<HeapProfile> read_profile(const StoppedProcess& process, uint64_t max_snapshots, bool weighted) {
  records::Header header{};
  if (!process.read(records::kToolBase, &header, sizeof header)) return {};
  if (header.snapshot_count > records::kMaxSnapshots) return {};
  std::vector<records::Snapshot> taken(header.snapshot_count);
  if (!taken.empty() && !process.read(records::kSnapshotsAt, taken.data(), taken.size() * sizeof taken[0])) return {};
  HeapProfile profile = start_profile(process);
  for (const records::Snapshot& one : taken) {
    if (one.kind == records::kSnapshotUnused) continue;
    SnapshotData& snapshot = profile.snapshots.emplace_back();
    snapshot.peak = one.kind == records::kSnapshotPeak;
    snapshot.time = one.time;
    snapshot.heap_bytes = one.heap_bytes;
    snapshot.extra_bytes = one.extra_bytes;
    snapshot.stack_bytes = one.stack_bytes;
    snapshot.detailed = one.detail != 0 && one.detail <= max_snapshots &&
                        read_details(process, one.detail - 1, max_snapshots, snapshot);
  }
  profile.weighted = weighted &&
                     read_numbers(process, profile.stacks, records::kLiveAt, header.stack_limit, profile.live) &&
                     read_numbers(process, profile.stacks, records::kTotalsAt, header.stack_limit, profile.totals);
  return profile;
}

std::optional<HeapProfile> read_present(const StoppedProcess& process, bool detailed) {
  records::Header header{};
  if (!process.read(records::kToolBase, &header, sizeof header)) return {};
  HeapProfile profile = start_profile(process);
  SnapshotData& snapshot = profile.snapshots.emplace_back();
  snapshot.detailed = detailed;
  snapshot.time = header.moved_bytes;
  snapshot.heap_bytes = header.heap_bytes;
  snapshot.extra_bytes = header.extra_bytes;
  snapshot.stack_bytes = header.stack_bytes;
  if (detailed && !read_numbers(process, profile.stacks, records::kLiveAt, header.stack_limit, snapshot.stacks))
    return {};
  return profile;
}

}  // namespace vsup::supervisor::massif
