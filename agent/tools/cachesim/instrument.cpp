#include "agent/tools/cachesim/instrument.h"

#include <stddef.h>

#include "agent/base/memory.h"
#include "agent/base/syscall.h"
#include "agent/engine/link.h"
#include "agent/tools/cachesim/code.h"
#include "agent/tools/cachesim/plan.h"

namespace vsup::agent::cachesim {

Configuration configuration;

namespace {

using protocol::kRax;
using protocol::kRcx;
using protocol::kRdx;

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

// Who pays for lines that the instruction loads: Descriptor::second_line.
uint32_t owner_of(const PlannedInstr& planned) {
  return configuration.has(kLineUse) ? counter_of(planned.record, kUseGroup) + 1 : 0;
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
      const bool packs = configuration.plain && place.second_line == 0;
      code.fetch(place, packs ? PackedAccess::pack_fetch(place.counter, place.size) : add_descriptor(place),
                 planned.fetch_first);
      continue;
    }
    code.data(event.access, event.next_pc, describe(event, planned), s, t);
  }
}

// What is the same at every execution.
void emit_totals(Emitter& out, uint32_t instructions, uint32_t offset) {
  if (plan.counter.executions != 0) out.add_to(plan.counter.executions, 1);
  out.count_to(offset, protocol::StateKind::kStepCounting);
  if (plan.counter.instructions != 0) out.add_to(plan.counter.instructions, instructions);
  out.count_to(offset, protocol::StateKind::kExact);
}

GprIndex scratch_beside(uint16_t used) {
  static constexpr uint8_t kCandidates[] = {0, 1, 2, 6, 7, 3, 8, 9, 10, 11, 5, 13, 14, 15};
  for (const uint8_t candidate : kCandidates)
    if ((used >> candidate & 1) == 0) return static_cast<GprIndex>(candidate);
  return kRax;  // gather() leaves three
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
    out.count_to(source.offset, protocol::StateKind::kStepCounting);
    out.add_keeping_flags(plan.counter.instructions, block.count, kRcx);
    out.unspill(kRcx);
    out.count_to(source.offset, protocol::StateKind::kExact);
    return;
  }
  const GprIndex s = scratch_beside(group.registers);
  const GprIndex t = scratch_beside(static_cast<uint16_t>(group.registers | 1u << s));
  const bool keeps_clock = group.count != 0 && !configuration.has(kLineUse);
  // The clock is in a register of its own, or alone.
  const GprIndex clock =
      group.accesses ? scratch_beside(static_cast<uint16_t>(group.registers | 1u << s | 1u << t)) : s;
  const bool spills_s = (group.accesses || keeps_clock) && !(keep_flags && s == kRax);
  if (keep_flags) out.spill(kRax);
  if (spills_s) out.spill(s);
  out.cover(source.offset);
  if (group.accesses) {
    out.spill(t);
    if (keeps_clock) out.spill(clock);
  }
  if (keep_flags) {
    out.save_flags();
    if ((group.registers & 1) != 0) out.unspill(kRax);
  }
  if (totals) emit_totals(out, block.count, source.offset);
  if (keeps_clock) code.load_clock(clock);
  emit_events(code, block, s, t);
  if (keeps_clock) code.store_clock();
  if (group.accesses) {
    if (keeps_clock) out.unspill(clock);
    out.unspill(t);
  }
  if (spills_s) out.unspill(s);
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

}  // namespace

bool configure(uint32_t ir_offset, uint32_t collect_offset, uint32_t moved_offset) {
  configuration.moved_offset = moved_offset;
  configuration.ir_offset = ir_offset;
  configuration.collect_offset = collect_offset;
  configuration.flags = vsup_settings.tool_options[kFlagsOption];
  configuration.i1 = CacheShape::unpack(vsup_settings.tool_options[kI1Option]);
  configuration.d1 = CacheShape::unpack(vsup_settings.tool_options[kD1Option]);
  configuration.ll = CacheShape::unpack(vsup_settings.tool_options[kLLOption]);
  configuration.plain = !configuration.has(kLineUse) && !configuration.has(kWriteBack) &&
                        !configuration.has(kPrefetch) && configuration.ll.line_bits >= configuration.d1.line_bits &&
                        configuration.ll.line_bits >= configuration.i1.line_bits;
  // Half of what is executed out of the way of hits lies there, and is spread over more pages than the TLB holds.
  if (configuration.has(kCaches)) ask_for_huge_pages(protocol::kColdBase, protocol::kColdSize);
  return (configuration.flags & (kCaches | kBranches | kBus | kSystemCalls)) != 0;
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
  if (configuration.has(kCaches) && !configuration.has(kLineUse)) Caches::of_slot(configuration, ctx.self).start();
}

void clear_counts(const protocol::ThreadContext& ctx) {
  memset(totals_of(ctx), 0, kEventCount * sizeof(uint64_t));
  zero_pages(ctx.self + kCountersOffset, kLLOffset - kCountersOffset);
  ask_for_huge_pages(ctx.self + kCountersOffset, kLLOffset - kCountersOffset);
}

}  // namespace vsup::agent::cachesim
