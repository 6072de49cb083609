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

std::optional<HeapProfile> read_profile(const StoppedProcess& process, uint64_t max_snapshots) {
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
  if (!detailed || header.stack_limit > records::kMaxStacks) return profile;
  std::vector<uint64_t> live(header.stack_limit);
  if (!live.empty() && !process.read(records::kLiveAt, live.data(), live.size() * sizeof live[0])) return {};
  for (uint32_t stack = 0; stack < live.size(); ++stack)
    if (live[stack] != 0) snapshot.stacks.emplace_back(stack, live[stack] & ~records::kSeen);
  return profile;
}

}  // namespace vsup::supervisor::massif
