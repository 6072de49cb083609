#include "agent/tools/cachesim/plan.h"

namespace vsup::agent::cachesim {

Plan plan;
AccessGroup group;

namespace {

using protocol::kRax;
using protocol::kRsp;

uint32_t counters_used = 0;
uint32_t descriptors_used = 0;

uint32_t line_size() {
  uint32_t bits = configuration.i1.line_bits;
  if (configuration.d1.line_bits < bits) bits = configuration.d1.line_bits;
  if (configuration.ll.line_bits < bits) bits = configuration.ll.line_bits;
  return 1u << bits;
}

InstrRecord& record_of(uint32_t index) {
  return reinterpret_cast<InstrRecord*>(kInstrsAt)[index];
}

uint32_t counters_of(const InstrRecord& record) {
  uint32_t count = 0;
  for (const GroupShape& shape : kGroups)
    if ((record.groups & shape.bit) != 0) count += shape.counters;
  return count;
}

// Fills in which lines the instruction is fetched from. Within a block a line is the last used of its set as long as it
// is the line of the instruction before.
bool plan_fetch(const Block& block, uint32_t index, uint64_t pc, uint64_t previous_line) {
  PlannedInstr& planned = plan.instrs[index];
  const CacheShape& i1 = configuration.i1;
  const uint64_t last_byte = pc + block.instructions[index].length - 1;
  const uint64_t first = pc >> i1.line_bits, second = last_byte >> i1.line_bits;
  planned.fetch_first = first != previous_line || configuration.has(kLineUse);
  planned.fetches = planned.fetch_first || second != first;
  // Where the other levels' lines are shorter, an instruction may straddle there what it does not here; that matters
  // after a miss only.
  if (!planned.fetches) return true;
  planned.first_line = line_number(pc);
  planned.second_line = second != first ? line_number(last_byte) : 0;
  return planned.first_line != 0 && (second == first || planned.second_line != 0);
}

// What is known of a general register within a group: its value there less its value at the group's start.
struct KnownRegisters {
  uint16_t known = 0xffff;
  int64_t added[16] = {};

  bool knows(uint8_t reg) const { return reg >= 16 || (known >> reg & 1) != 0; }
  void step(const Instr& instr, uint16_t written);

 private:
  void add(unsigned reg, int64_t amount) { added[reg] += amount; }
};

void KnownRegisters::step(const Instr& instr, uint16_t written) {
  const bool one_byte = instr.space == Space::kLegacy && instr.map == OpMap::kOneByte;
  const bool wide = (instr.rex & 8) != 0;
  const unsigned rm = (instr.modrm & 7u) | ((instr.rex & 1) != 0 ? 8 : 0);
  const unsigned reg = (instr.modrm >> 3 & 7u) | ((instr.rex & 4) != 0 ? 8 : 0);
  uint16_t changed = written;
  if (one_byte) {
    const uint8_t opcode = instr.opcode;
    const bool push = (opcode >= 0x50 && opcode < 0x58) || opcode == 0x68 || opcode == 0x6a || opcode == 0x9c ||
                      (opcode == 0xff && (instr.modrm >> 3 & 7) == 6);
    const bool pop = (opcode >= 0x58 && opcode < 0x60) || opcode == 0x8f || opcode == 0x9d;
    const int64_t size = instr.operand16 ? 2 : 8;
    const bool immediate = (opcode == 0x81 || opcode == 0x83) && wide && !instr.mem.present;
    const unsigned operation = instr.modrm >> 3 & 7;
    if (push) {
      add(kRsp, -size);
      changed &= static_cast<uint16_t>(~(1u << kRsp));
    } else if (pop && opcode != 0x5c) {
      add(kRsp, size);
      changed &= static_cast<uint16_t>(~(1u << kRsp));
    } else if (immediate && (operation == 0 || operation == 5)) {
      add(rm, operation == 0 ? instr.imm : -instr.imm);
      changed = 0;
    } else if (opcode == 0x8d && wide && !instr.address32 && instr.mem.base == reg && instr.mem.index == kNoReg) {
      add(reg, instr.mem.displacement);
      changed = 0;
    } else if (opcode == 0xff && wide && !instr.mem.present && operation <= 1) {
      add(rm, operation == 0 ? 1 : -1);
      changed = 0;
    }
  }
  known &= static_cast<uint16_t>(~changed);
}

unsigned bits_in(uint32_t set) {
  unsigned count = 0;
  for (; set != 0; set &= set - 1) ++count;
  return count;
}

uint16_t registers_of(const DataAccess& access) {
  uint32_t used = 0;
  if (access.address.base < 16) used |= 1u << access.address.base;
  if (access.address.index < 16) used |= 1u << access.address.index;
  if (access.kind == AddressKind::kBitOffset || access.kind == AddressKind::kBitRemainder)
    used |= 1u << access.bit_register;
  if (access.kind == AddressKind::kByteIndex) used |= 1u << kRax;
  return static_cast<uint16_t>(used);
}

// Expresses an access by the registers at the group's start; false when that cannot be done.
bool move_to_start(const KnownRegisters& now, DataAccess& access) {
  const uint16_t used = registers_of(access);
  if ((used & ~now.known) != 0) return false;
  int64_t moved = 0;
  if (access.address.base < 16) moved += now.added[access.address.base];
  if (access.address.index < 16) moved += now.added[access.address.index] * access.address.scale;
  if (access.kind != AddressKind::kPlain) {
    const unsigned bits = access.kind == AddressKind::kByteIndex ? unsigned{kRax} : access.bit_register;
    if (now.added[bits] != 0) return false;
  }
  if (moved == 0) return true;
  access.address.displacement += moved;
  return access.address.displacement >= -0x7fff'ffff && access.address.displacement <= 0x7fff'ffff;
}

bool is_conditional(const Instr& instr) {
  return instr.flow == Flow::kCondJump || instr.flow == Flow::kLoop;
}
bool is_indirect(const Instr& instr) {
  return instr.flow == Flow::kJumpIndirect || instr.flow == Flow::kCallIndirect;
}

void plan_record(const Instr& instr, PlannedInstr& planned) {
  InstrRecord& record = planned.record;
  record = {};
  const bool repeats = planned.repetition != Repetition::kNone;
  if (planned.fetches) record.groups |= kFetchGroup;
  for (unsigned i = 0; i < planned.access_count; ++i) {
    const bool write = plan.accesses[planned.first_access + i].write;
    record.groups |= write ? kWriteGroup : kReadGroup;
    if (repeats) continue;
    if (write)
      ++record.writes;
    else
      ++record.reads;
  }
  if (repeats) record.groups |= kVariableGroup | kConditional;
  if (configuration.has(kLineUse)) record.groups |= kUseGroup;
  if (configuration.has(kBranches)) {
    const uint8_t branches = is_conditional(instr) ? 1 : planned.untaken;
    record.branches = branches & 0x7f;
    if (branches != 0) record.groups |= kConditional;
    if (is_indirect(instr)) record.groups |= kIndirect;
  }
  if (configuration.has(kBus) && locks_bus(instr)) record.locks = 1;
  if (configuration.has(kSystemCalls) && instr.flow == Flow::kSyscall) record.groups |= kCallGroup;
  record.first_counter = counters_used;
  counters_used += counters_of(record);
}

}  // namespace

uint32_t counter_of(const InstrRecord& record, Group wanted) {
  uint32_t counter = record.first_counter;
  for (const GroupShape& shape : kGroups) {
    if (shape.bit == wanted) break;
    if ((record.groups & shape.bit) != 0) counter += shape.counters;
  }
  return counter;
}

uint32_t add_descriptor(const Descriptor& place) {
  descriptors()[descriptors_used] = place;
  return descriptors_used++;
}

void gather(const Block& block, uint32_t start, uint64_t pc) {
  group.count = 0;
  group.registers = 0;
  group.accesses = false;
  KnownRegisters known;
  uint32_t index = start;
  for (; index < block.count && group.count < kMaxGroupEvents; ++index) {
    const PlannedInstr& planned = plan.instrs[index];
    const bool repeats = planned.repetition != Repetition::kNone;
    if (repeats && index != start) break;
    const uint32_t before = group.count;
    const uint64_t next = pc + block.instructions[index].length;
    if (planned.fetches) group.events[group.count++] = {static_cast<uint16_t>(index), true, pc, next, {}};
    bool possible = true;
    uint16_t registers = 0;
    for (unsigned i = 0; i < planned.access_count && !repeats && possible; ++i) {
      GroupEvent& event = group.events[group.count++];
      event = {static_cast<uint16_t>(index), false, pc, next, plan.accesses[planned.first_access + i]};
      possible = move_to_start(known, event.access);
      registers |= registers_of(event.access);
    }
    // Three registers must be left over.
    if (!possible || bits_in(group.registers | registers) > 11) {
      group.count = before;
      break;
    }
    if (planned.access_count != 0 && !repeats) group.accesses = true;
    group.registers |= registers;
    pc = next;
    if (repeats) {
      ++index;
      break;
    }
    known.step(block.instructions[index], planned.gpr_written);
  }
  group.end = index;
}

bool begin(const Block& block, uint32_t first_instr, BlockCounter counter) {
  plan.simulated = first_instr + block.count <= kMaxInstrs && counters_used + 23 * block.count <= kMaxCounters &&
                   descriptors_used + kMaxBlockAccesses + 4 * block.count <= kMaxDescriptors;
  if (!plan.simulated) return false;
  plan.planned = plan.access_count = 0;
  plan.counter = counter;
  const bool caches = configuration.has(kCaches);
  uint64_t pc = raw(block.tag), previous_line = ~uint64_t{0};
  for (uint32_t i = 0; i < block.count; ++i) {
    const Instr& instr = block.instructions[i];
    PlannedInstr& planned = plan.instrs[i];
    Effects what;
    effects(instr, what);
    InstrAccesses found;
    find_accesses(instr, what, line_size(), configuration.has(kCallgrindRules), found);
    planned.flags_read = what.flags_read;
    planned.flags_written = what.flags_written;
    planned.gpr_written = what.gpr_written;
    // Rounds are counted where their accesses or branches are.
    planned.repetition = caches || configuration.has(kBranches) ? found.repetition : Repetition::kNone;
    planned.untaken = configuration.has(kBranches) ? found.untaken_branches : uint8_t{0};
    planned.first_access = static_cast<uint16_t>(plan.access_count);
    planned.access_count = 0;
    planned.fetches = false;
    // A vector of addresses cannot be checked by general registers.
    const bool counted = (caches || planned.repetition != Repetition::kNone) && !instr.mem.vsib;
    for (unsigned j = 0; j < found.count && counted && plan.access_count < kMaxBlockAccesses; ++j) {
      plan.accesses[plan.access_count++] = found.access[j];
      ++planned.access_count;
    }
    if (caches) {
      plan.simulated = plan.simulated && plan_fetch(block, i, pc, previous_line);
      previous_line = (pc + instr.length - 1) >> configuration.i1.line_bits;
    }
    plan_record(instr, planned);
    record_of(first_instr + i) = planned.record;
    pc += instr.length;
  }
  return plan.simulated;
}

BlockTotals block_totals(const Block& block) {
  uint32_t amounts[kEventCount] = {};
  for (uint32_t i = 0; i < block.count; ++i) {
    for_each_execution(plan.instrs[i].record, [&amounts](Event event, uint32_t amount) { amounts[event] += amount; });
  }
  BlockTotals totals;
  for (unsigned event = 0; event < kEventCount; ++event) {
    if (amounts[event] != 0) totals.entries[totals.count++] = {kTotalsOffset + 8u * event, amounts[event]};
  }
  return totals;
}

uint32_t add_context(uint32_t first_instr, uint32_t count) {
  if (count == 0) return 0;
  const uint32_t first = record_of(first_instr).first_counter;
  const InstrRecord& last = record_of(first_instr + count - 1);
  const uint32_t size = last.first_counter + counters_of(last) - first;
  if (size == 0 || counters_used + size > kMaxCounters) return 0;
  const uint32_t moved = counters_used - first;
  counters_used += size;
  return moved;
}

}  // namespace vsup::agent::cachesim
