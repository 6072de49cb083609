#include "agent/tools/cachesim/instrument.h"

#include <stddef.h>

#include "agent/base/memory.h"
#include "agent/base/syscall.h"
#include "agent/engine/link.h"
#include "agent/tools/cachesim/code.h"

namespace vsup::agent::cachesim {

Configuration configuration;

namespace {

using protocol::kRax;
using protocol::kRcx;
using protocol::kRdx;
using protocol::kRsp;

constexpr uint32_t kMaxGroupEvents = 24;
constexpr uint32_t kMaxBlockAccesses = 320;

struct PlannedInstr {
  InstrRecord record;
  uint32_t flags_read, flags_written;
  uint16_t gpr_written;
  uint16_t first_access;
  uint8_t access_count;
  Repetition repetition;
  uint8_t untaken;   // branches
  bool fetches;      // its line is not the one of the instruction before
  bool fetch_first;  // of two lines, the first is not known to be the last used
  uint32_t first_line, second_line;
};

// Of the block that is being translated.
struct {
  bool simulated;
  uint32_t planned;  // instructions whose accesses have been emitted
  uint32_t access_count;
  BlockCounter counter;
  PlannedInstr instrs[kMaxBlockInstructions];
  DataAccess accesses[kMaxBlockAccesses];
} plan;

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

uint32_t counter_of(const InstrRecord& record, Group wanted) {
  uint32_t counter = record.first_counter;
  for (const GroupShape& group : kGroups) {
    if (group.bit == wanted) break;
    if ((record.groups & group.bit) != 0) counter += group.counters;
  }
  return counter;
}

uint32_t counters_of(const InstrRecord& record) {
  uint32_t count = 0;
  for (const GroupShape& group : kGroups)
    if ((record.groups & group.bit) != 0) count += group.counters;
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

// Whether the arithmetic flags are overwritten before anything reads them, from an instruction on.
bool flags_dead(const Block& block, uint32_t index) {
  uint32_t open = kFlagsArithmetic;
  for (; index < block.count; ++index) {
    if ((plan.instrs[index].flags_read & open) != 0) return false;
    open &= ~plan.instrs[index].flags_written;
    if (open == 0) return true;
  }
  return false;
}

uint32_t add_descriptor(const Descriptor& place) {
  descriptors()[descriptors_used] = place;
  return descriptors_used++;
}

// Who pays for lines that the instruction loads: Descriptor::second_line.
uint32_t owner_of(const PlannedInstr& planned) {
  return configuration.has(kLineUse) ? counter_of(planned.record, kUseGroup) + 1 : 0;
}

struct GroupEvent {
  uint16_t instr;
  bool is_fetch;
  uint64_t pc, next_pc;
  DataAccess access;
};

// The group that starts at an instruction: what it checks, in order.
struct {
  uint32_t count;
  uint32_t end;  // first instruction after it
  uint16_t registers;
  bool accesses;
  GroupEvent events[kMaxGroupEvents + kMaxAccesses + 1];
} group;

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
    // Two registers must be left over.
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

uint32_t describe(const GroupEvent& event, const PlannedInstr& planned) {
  const bool write = event.access.write;
  const uint32_t counter = counter_of(planned.record, write ? kWriteGroup : kReadGroup);
  if (!configuration.has(kLineUse) && PackedAccess::fits(event.access.size))
    return PackedAccess::pack(counter, event.access.size, write);
  return add_descriptor({.address = event.pc,
                         .counter = counter,
                         .first_line = 0,
                         .second_line = owner_of(planned),
                         .size = event.access.size,
                         .kind = write ? Kind::kWrite : Kind::kRead,
                         .conditional_counter = 0});
}

void emit_events(Code& code, const Block& block, GprIndex s, GprIndex t) {
  for (uint32_t i = 0; i < group.count; ++i) {
    const GroupEvent& event = group.events[i];
    const PlannedInstr& planned = plan.instrs[event.instr];
    if (event.is_fetch) {
      const Descriptor place{.address = event.pc,
                             .counter = counter_of(planned.record, kFetchGroup),
                             .first_line = planned.first_line,
                             .second_line = configuration.has(kLineUse) ? owner_of(planned) : planned.second_line,
                             .size = block.instructions[event.instr].length,
                             .kind = Kind::kFetch,
                             .conditional_counter = 0};
      code.fetch(place, add_descriptor(place), planned.fetch_first);
      continue;
    }
    code.data(event.access, event.next_pc, describe(event, planned), s, t);
  }
}

// What is the same at every execution.
void emit_totals(Emitter& out, uint32_t instructions, uint32_t offset) {
  if (plan.counter.executions != 0) out.add_to(plan.counter.executions, 1);
  out.cover(offset, {.step = true});
  out.set_kind(protocol::StateKind::kStepCounting);
  if (plan.counter.instructions != 0) out.add_to(plan.counter.instructions, instructions);
  out.cover(offset, {.step = true});
  out.set_kind(protocol::StateKind::kExact);
}

GprIndex scratch_beside(uint16_t used) {
  static constexpr uint8_t kCandidates[] = {0, 1, 2, 6, 7, 3, 8, 9, 10, 11, 5, 13, 14, 15};
  for (const uint8_t candidate : kCandidates)
    if ((used >> candidate & 1) == 0) return static_cast<GprIndex>(candidate);
  return kRax;  // gather() leaves two
}

void emit_group(Emitter& out, const Block& block, uint32_t index, const Source& source) {
  Code code(out);
  gather(block, index, raw(source.pc));
  const uint32_t end = group.end;
  const bool totals = index == 0 && (plan.counter.executions != 0);
  plan.planned = end;
  if (group.count == 0 && !totals) return;
  const bool keep_flags = !flags_dead(block, index);
  if (keep_flags && group.count == 0) {
    out.spill(kRcx);
    out.cover(source.offset);
    out.add_keeping_flags(plan.counter.executions, 1, kRcx);
    out.cover(source.offset, {.step = true});
    out.set_kind(protocol::StateKind::kStepCounting);
    out.add_keeping_flags(plan.counter.instructions, block.count, kRcx);
    out.unspill(kRcx);
    out.cover(source.offset, {.step = true});
    out.set_kind(protocol::StateKind::kExact);
    return;
  }
  const GprIndex s = scratch_beside(group.registers);
  const GprIndex t = scratch_beside(static_cast<uint16_t>(group.registers | 1u << s));
  if (keep_flags) out.spill(kRax);
  if (group.accesses && !(keep_flags && s == kRax)) out.spill(s);
  out.cover(source.offset);
  if (group.accesses) out.spill(t);
  if (keep_flags) {
    out.save_flags();
    if ((group.registers & 1) != 0) out.unspill(kRax);
  }
  if (totals) emit_totals(out, block.count, source.offset);
  emit_events(code, block, s, t);
  if (group.accesses) {
    out.unspill(t);
    if (s != kRax || !keep_flags) out.unspill(s);
  }
  if (keep_flags) {
    out.restore_flags();
    out.unspill(kRax);
  }
  out.cover(source.offset, {.step = true});
}

void emit_repetition(Emitter& out, const Instr& instr, const Source& source, const PlannedInstr& planned) {
  Round round{};
  for (unsigned i = 0; i < planned.access_count; ++i) {
    const DataAccess& access = plan.accesses[planned.first_access + i];
    if (access.write)
      round.writes_destination = true;
    else if (access.address.base == protocol::kRsi)
      round.reads_source = true;
    else
      round.reads_destination = true;
  }
  const auto from_first = [&planned](Group one) {
    return static_cast<uint8_t>(counter_of(planned.record, one) - planned.record.first_counter);
  };
  round.address32 = instr.address32;
  round.source_segment = instr.segment;
  round.repetition = planned.repetition;
  round.length = instr.length;
  round.miss_read = from_first(kReadGroup);
  round.miss_write = from_first(kWriteGroup);
  const uint32_t number = add_descriptor({.address = raw(source.pc),
                                          .counter = planned.record.first_counter,
                                          .first_line = round.pack(),
                                          .second_line = owner_of(planned),
                                          .size = plan.accesses[planned.first_access].size,
                                          .kind = Kind::kRepetition,
                                          .conditional_counter = from_first(kConditional)});
  emit_tool_exit(out, reinterpret_cast<uint64_t>(&descriptors()[number]), out.here() + 5);
  out.cover(source.offset);
}

// A branch by flags or rcx, or one that Valgrind makes of a locked instruction.
void emit_conditional(Emitter& out, const Instr& instr, const Source& source, const PlannedInstr& planned) {
  const uint32_t number = add_descriptor({.address = raw(source.pc),
                                          .counter = counter_of(planned.record, kConditional),
                                          .first_line = 0,
                                          .second_line = 0,
                                          .size = 0,
                                          .kind = Kind::kConditional,
                                          .conditional_counter = 0});
  Code code(out);
  out.spill(kRax);
  out.cover(source.offset);
  out.spill(kRdx);
  out.save_flags();
  if (planned.untaken != 0) {
    out.load_constant(kRax, 0);
  } else {
    code.taken(instr, kRax, kRdx);
    // Valgrind takes a branch to the next instruction for the inverse of itself, unless it has inverted it before, as
    // it does with the odd conditions. Callgrind does so at the end of its blocks alone, which go on after loop and
    // jrcxz.
    const bool to_next = instr.target == raw(source.next());
    const bool loop_flips = instr.flow == Flow::kLoop && !configuration.has(kCallgrindRules);
    if (to_next && (loop_flips || (instr.flow == Flow::kCondJump && (instr.condition() & 1) == 0))) {
      static constexpr uint8_t kFlip[] = {0x83, 0xf0, 0x01};  // xor eax, 1
      out.bytes(kFlip, sizeof kFlip);
    }
  }
  code.always(number, kRax);
  out.restore_flags();
  out.unspill(kRdx);
  out.unspill(kRax);
  out.cover(source.offset, {.step = true});
}

void emit_indirect(Emitter& out, const Source& source, const PlannedInstr& planned) {
  const uint32_t number = add_descriptor({.address = raw(source.pc),
                                          .counter = counter_of(planned.record, kIndirect),
                                          .first_line = 0,
                                          .second_line = 0,
                                          .size = 0,
                                          .kind = Kind::kIndirect,
                                          .conditional_counter = 0});
  Code code(out);
  out.spill(kRax);
  out.spill(kRcx);
  out.cover(source.offset);
  emit_load_target(out, source);
  out.save_flags();
  code.always(number, kRcx);
  out.restore_flags();
  out.unspill(kRcx);
  out.unspill(kRax);
  out.cover(source.offset, {.step = true});
}

void emit_call_site(Emitter& out, const Source& source, uint32_t counter) {
  out.gs_absolute(0xc7, 0, kSystemCallOffset + offsetof(SystemCallState, site));  // mov qword gs:[site], imm32
  out.u32(counter + 1);
  out.cover(source.offset);
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

// -1 if the other ways do not fit in what the processor can scale, or the room there is.
int8_t scale_of_rest(const CacheShape& d1) {
  const uint64_t line = uint64_t{1} << d1.line_bits;
  for (unsigned scale = 0; scale < 4 && d1.ways > 1; ++scale)
    if (line << scale >= uint64_t{8} * (d1.ways - 1))
      return d1.sets * line << scale <= kI1FirstOffset - kD1RestOffset ? static_cast<int8_t>(scale) : int8_t{-1};
  return -1;
}

}  // namespace

bool configure(uint32_t ir_offset, uint32_t collect_offset, uint32_t moved_offset) {
  configuration.moved_offset = moved_offset;
  configuration.ir_offset = ir_offset;
  configuration.collect_offset = collect_offset;
  configuration.flags = vsup_settings.tool_options[kFlagsOption];
  configuration.i1 = CacheShape::unpack(vsup_settings.tool_options[kI1Option]);
  configuration.d1 = CacheShape::unpack(vsup_settings.tool_options[kD1Option]);
  configuration.ll = CacheShape::unpack(vsup_settings.tool_options[kLLOption]);
  configuration.settles_hits = !configuration.has(kLineUse) && !configuration.has(kWriteBack);
  configuration.d1_rest_scale = scale_of_rest(configuration.d1);
  // Half of what is executed out of the way of hits lies there, and is spread over more pages than the TLB holds.
  if (configuration.has(kCaches)) ask_for_huge_pages(protocol::kColdBase, protocol::kColdSize);
  return (configuration.flags & (kCaches | kBranches | kBus | kSystemCalls)) != 0;
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

void before(Emitter& out, const Block& block, uint32_t index, const Source& source) {
  if (!plan.simulated) return;
  if (index >= plan.planned) emit_group(out, block, index, source);
  const PlannedInstr& planned = plan.instrs[index];
  const Instr& instr = block.instructions[index];
  if (planned.repetition != Repetition::kNone) emit_repetition(out, instr, source, planned);
  if ((planned.record.groups & kConditional) != 0 && planned.repetition == Repetition::kNone)
    emit_conditional(out, instr, source, planned);
  if ((planned.record.groups & kIndirect) != 0) emit_indirect(out, source, planned);
  if ((planned.record.groups & kCallGroup) != 0) emit_call_site(out, source, counter_of(planned.record, kCallGroup));
}

bool owns(uint64_t cookie) {
  return cookie >= kDescriptorsAt && cookie < kDescriptorsAt + uint64_t{kMaxDescriptors} * sizeof(Descriptor);
}

uint32_t exit_taken(protocol::ThreadContext& ctx, uint64_t cookie, uint32_t retry) {
  const auto& place = *reinterpret_cast<const Descriptor*>(cookie);
  ctx.app_pc = place.address;
  simulate_repetition(ctx, place);
  return retry;
}

void empty_caches(const protocol::ThreadContext& ctx) {
  zero_pages(ctx.self + kStateOffset, kCountersOffset - kStateOffset);
  zero_pages(ctx.self + kLLOffset, kSimulationEnd - kLLOffset);
  ask_for_huge_pages(ctx.self + kLLOffset, kSimulationEnd - kLLOffset);
}

void clear_counts(const protocol::ThreadContext& ctx) {
  memset(totals_of(ctx), 0, kEventCount * sizeof(uint64_t));
  zero_pages(ctx.self + kCountersOffset, kLLOffset - kCountersOffset);
  ask_for_huge_pages(ctx.self + kCountersOffset, kLLOffset - kCountersOffset);
}

}  // namespace vsup::agent::cachesim
