#include "supervisor/reports/callgrind/cut_blocks.h"

#include <algorithm>
#include <cstddef>

#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

namespace {

constexpr uint32_t kProbes = 64;  // places that are tried before the table counts as full

uint64_t hash_of(const records::CutRecord& record) {
  const uint64_t mixed =
      (record.place ^ uint64_t{record.context} << 40 ^ uint64_t{record.kind} << 61) * 0x9e37'79b9'7f4a'7c15;
  return mixed >> 32;
}

bool same_place(const records::CutRecord& a, const records::CutRecord& b) {
  return a.place == b.place && a.kind == b.kind && a.context == b.context;
}

// One more of `wanted`; false when there is no room.
bool count_cut(pid_t tid, uint64_t slot, records::CutRecord wanted) {
  const uint64_t first = hash_of(wanted) % (records::kMaxCuts - kProbes);
  const uint64_t at = slot + records::kCutsOffset + first * sizeof wanted;
  std::vector<records::CutRecord> probed(kProbes);
  if (!read_memory(tid, at, probed.data(), probed.size() * sizeof wanted)) return false;
  const auto place = std::find_if(probed.begin(), probed.end(), [&](const records::CutRecord& record) {
    return record.count == 0 || same_place(record, wanted);
  });
  if (place == probed.end()) return false;
  const bool fresh = place->count == 0;
  wanted.count = place->count + 1;
  const auto distance = static_cast<uint64_t>(place - probed.begin());
  if (!write_memory(tid, at + distance * sizeof wanted, &wanted, sizeof wanted)) return false;
  uint64_t used = 0;
  if (!fresh || !read_value(tid, slot + records::kCutCountOffset, used)) return true;
  return write_value(tid, slot + records::kCutCountOffset, used + 1);
}

void add_to(pid_t tid, uint64_t address, uint64_t amount) {
  uint64_t value = 0;
  if (amount != 0 && read_value(tid, address, value)) write_value(tid, address, value + amount);
}

}  // namespace

// What was counted and not executed, or executed and not counted.
struct CutBlocks::Cut {
  records::CutRecord record{};
  uint64_t instructions = 0;
  uint64_t sum = 0;  // what the sum of instructions is to change by
  // The block's, in the table of all lengths, and those that it had executed; of a single one nobody knows.
  uint64_t first = 0, executed = 0, count = 0;
  bool summed = false;
};

std::optional<uint32_t> CutBlocks::block_at(pid_t pid, pid_t tid, uint64_t blocks, uint64_t tag) {
  Known& known = blocks_[pid];
  if (known.seen > blocks) known = {};
  std::vector<records::BlockRecord> fresh(blocks - known.seen);
  if (!fresh.empty() && read_memory(tid, records::kBlocksAt + known.seen * sizeof fresh[0], fresh.data(),
                                    fresh.size() * sizeof fresh[0])) {
    for (size_t i = 0; i < fresh.size(); ++i)
      if (fresh[i].is_part == 0) known.latest[fresh[i].app_pc] = static_cast<uint32_t>(known.seen + i);
    known.seen = blocks;
  }
  const auto found = known.latest.find(tag);
  return found != known.latest.end() ? std::optional(found->second) : std::nullopt;
}

std::optional<CutBlocks::Cut> CutBlocks::cut_of(pid_t pid, pid_t tid, const records::Header& header,
                                                const BlockLeft& left) {
  Cut cut;
  if (left.tag == 0) {
    cut.record = {left.pc, 0, records::kCutOne, 0};
    cut.instructions = 1;
    cut.sum = 0 - uint64_t{1};
    return cut;
  }
  const auto index = block_at(pid, tid, header.blocks, left.tag);
  records::BlockRecord block{};
  if (!index || !read_value(tid, records::kBlocksAt + *index * sizeof block, block) ||
      uint64_t{block.lengths} + block.count > header.lengths || left.pc < left.tag || left.pc - left.tag > block.size)
    return {};
  std::vector<uint8_t> lengths(block.count);
  if (!read_memory(tid, records::kLengthsAt + block.lengths, lengths.data(), lengths.size())) return {};
  uint64_t executed = 0;
  for (uint64_t pc = left.tag; pc < left.pc && executed < block.count;) pc += lengths[executed++];
  cut.record.place = *index | executed << 32;
  cut.record.kind = left.counted ? records::kCutTail : records::kCutHead;
  cut.instructions = left.counted ? block.count - executed : executed;
  cut.sum = executed - (left.summed ? block.count : 0);
  cut.first = block.lengths;
  cut.executed = executed;
  cut.count = block.count;
  cut.summed = left.summed;
  return cut;
}

// What depends on a block's execution alone is in the thread's running totals, too.
void CutBlocks::take_back_totals(pid_t tid, uint64_t slot, const Cut& cut) const {
  namespace cachesim = agent::cachesim;
  const uint64_t first = cut.first + (cut.summed ? cut.executed : 0);
  std::vector<cachesim::InstrRecord> instrs(cut.summed ? cut.count - cut.executed : cut.executed);
  if (instrs.empty() || !read_memory(tid, cachesim::kInstrsAt + first * sizeof instrs[0], instrs.data(),
                                     instrs.size() * sizeof instrs[0]))
    return;
  uint64_t amounts[cachesim::kEventCount] = {};
  for (const cachesim::InstrRecord& instr : instrs) {
    cachesim::for_each_execution(instr,
                                 [&amounts](cachesim::Event event, uint64_t amount) { amounts[event] += amount; });
  }
  for (unsigned event = 0; event < cachesim::kEventCount; ++event) {
    add_to(tid, slot + cachesim::kTotalsOffset + sizeof(uint64_t) * event,
           cut.summed ? 0 - amounts[event] : amounts[event]);
  }
}

void CutBlocks::add(pid_t pid, pid_t tid, uint64_t slot, const BlockLeft& left) {
  records::Header header{};
  if (!read_value(tid, records::kToolBase, header) || header.blocks > records::kMaxBlocks ||
      header.lengths > records::kMaxLengths)
    return;
  if (header.switches != 0) {
    uint64_t collect = 0;
    if (!read_value(tid, slot + records::kCollectOffset, collect) || collect == 0) return;
  }
  std::optional<Cut> cut = cut_of(pid, tid, header, left);
  if (!cut || cut->instructions == 0) return;
  if (header.counters != 0) {
    uint64_t top = 0;
    records::Frame frame{};
    if (!read_value(tid, slot + offsetof(protocol::ThreadContext, tool_stack), top) ||
        !read_value(tid, top - sizeof frame, frame))
      return;
    cut->record.context = frame.context;
  }
  if (!left.exited && !count_cut(tid, slot, cut->record)) return;
  add_to(tid, slot + records::kAccumulatorOffset, cut->sum);
  if (simulation_.any()) take_back_totals(tid, slot, *cut);
}

std::vector<records::CutRecord> read_cuts(pid_t tid, uint64_t slot) {
  uint64_t used = 0;
  std::vector<records::CutRecord> cuts;
  if (!read_value(tid, slot + records::kCutCountOffset, used) || used == 0) return cuts;
  cuts.resize(records::kMaxCuts);
  if (!read_memory(tid, slot + records::kCutsOffset, cuts.data(), cuts.size() * sizeof cuts[0])) cuts.clear();
  std::erase_if(cuts, [](const records::CutRecord& record) { return record.count == 0; });
  return cuts;
}

}  // namespace vsup::supervisor::callgrind
