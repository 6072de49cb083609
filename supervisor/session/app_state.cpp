// Purpose: from any stop of a thread to the app's registers, and from the app's registers back into the code cache or
// to native code. The places are those of protocol::Exports.
#include <algorithm>
#include <csignal>
#include <cstddef>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/inject/state_map.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/rseq.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

using protocol::Exports;
using protocol::ThreadContext;

constexpr uint64_t kTrapFlag = 0x100;
constexpr int kMaxCacheSteps = 1 << 14;  // a tool's check of a whole block's accesses
constexpr auto kNudgePeriod = std::chrono::milliseconds(1);
constexpr uint64_t kUnusedSyscall = ~uint64_t{0};

bool in_hot(uint64_t pc) {
  return pc >= protocol::kCacheBase && pc < protocol::kCacheBase + protocol::kCacheHotSize;
}
bool in_cold(uint64_t pc) {
  return pc >= protocol::kColdBase && pc < protocol::kColdBase + protocol::kColdSize;
}

// About to go on in the cache, or to make a system call, with the whole app state in the context.
bool restores(const Exports& agent, uint64_t pc) {
  return pc >= agent.restore_start && pc < agent.restore_end;
}
bool restores_for_call(const Exports& agent, uint64_t pc) {
  return pc >= agent.syscall_restore_start && pc < agent.syscall_restore_end;
}

char state_of(pid_t tid) {
  const auto status = read_status_of(tid);
  return status ? status->state : 'X';
}

}  // namespace

bool SessionImpl::stands_at_fault(const Task& task) {
  return std::any_of(task.held.begin(), task.held.end(), [&task](const HeldSignal& held) {
    return held.stop_count == task.stop_count && held.info.si_code > 0 &&
           (held.number == SIGSEGV || held.number == SIGBUS || held.number == SIGILL || held.number == SIGFPE);
  });
}

bool SessionImpl::wants_cache(const Task& task) const {
  const Process& process = *task.process;
  return process.want_on && process.traceable && process.space->injected && !process.dumping_core &&
         !task.native_call && options_.settings.run_native == 0;
}

uint64_t SessionImpl::syscall_pc_for(const Task& task) const {
  const AddressSpace& space = *task.process->space;
  return space.injected ? agent_.exports.syscall_insn : space.vdso_syscall;
}

void SessionImpl::take_state_from_context(Task& task, const Registers& registers, const ThreadContext& context) {
  task.app = registers;
  for (unsigned index = 0; index < 16; ++index) set_gpr(task.app, index, context.gpr[index]);
  task.app.eflags = context.rflags;
  task.app.rip = context.app_pc;
  task.app.gs_base = context.app_gs_base;
  task.app.orig_rax = kUnusedSyscall;
  task.at_app_state = true;
  task.reblock_trap();
}

// The agent would do it behind an rt_sigreturn, see restore_frame of agent/os/syscalls.cpp.
void SessionImpl::restore_left_frame(Task& task, const ThreadContext& context) {
  if (context.frame_pc_address == 0) return;
  uint64_t pc = 0;
  if (read_value(task.tid, context.frame_pc_address, pc) && pc == agent_.exports.enter)
    write_value(task.tid, context.frame_pc_address, context.app_pc);
  task.write_as<uint64_t>(slot_address(static_cast<unsigned>(task.slot)) + offsetof(ThreadContext, frame_pc_address),
                          0);
}

SessionImpl::Place SessionImpl::locate(Task& task, const Registers& registers, const ThreadContext& context) {
  const Exports& agent = agent_.exports;
  const uint64_t pc = registers.rip;
  if (in_hot(pc)) return locate_in_fragment(task, registers, context);
  if (in_cold(pc) || (pc >= agent.step_start && pc < agent.step_end)) return Place::kStep;
  const bool complete = restores(agent, pc), complete_syscall = restores_for_call(agent, pc);
  if (complete || complete_syscall) {
    if (complete && leads_into_block(task, context)) {
      if (context.pending != 0) return Place::kInAgent;
      go_into_block(task, context);
      return Place::kStep;
    }
    take_state_from_context(task, registers, context);
    if (complete_syscall) {
      task.app.rip = context.syscall_pc;
      task.left_block = BlockLeft::last_instruction(context.syscall_pc);
    }
    task.in_place = registers;
    return Place::kExact;
  }
  if (pc == agent.enter || pc == agent.syscall_insn || pc == agent.syscall_return) {
    task.app = registers;
    task.app.gs_base = context.app_gs_base;
    task.app.rip = pc == agent.syscall_insn ? context.syscall_pc : context.app_pc;
    if (pc == agent.enter) restore_left_frame(task, context);
    if (pc == agent.syscall_return) {
      task.app.rcx = context.app_pc;
      task.syscall_pc = context.syscall_pc;
    } else {
      task.app.orig_rax = kUnusedSyscall;
      task.in_place = registers;
      if (pc == agent.syscall_insn) task.left_block = BlockLeft::last_instruction(context.syscall_pc);
    }
    task.at_app_state = true;
    return Place::kExact;
  }
  return pc >= agent.text_start && pc < agent.text_end ? Place::kInAgent : Place::kLost;
}

// Code between fragments (prefixes, padding) has no state of its own: it leads to a fragment or into the agent.
std::optional<SessionImpl::FragmentPoint> SessionImpl::find_point(Task& task, uint64_t cache_pc) {
  const auto state = task.read_as<protocol::AgentState>(agent_.exports.state);
  const uint64_t offset = cache_pc - protocol::kCacheBase;
  const auto first = task.read_as<uint32_t>(state.chunk_first + (offset >> protocol::kChunkShift) * sizeof(uint32_t));
  if (first == 0 || first > state.fragment_count) return {};
  protocol::FragmentInfo fragments[8];
  for (uint64_t index = first - 1; index < state.fragment_count;) {
    const uint64_t count = std::min<uint64_t>(8, state.fragment_count - index);
    task.read(state.fragments + index * sizeof fragments[0], fragments, count * sizeof fragments[0]);
    for (uint64_t at = 0; at < count; ++at) {
      const protocol::FragmentInfo& fragment = fragments[at];
      if (fragment.cache_start > offset) return {};
      if (offset >= fragment.cache_start + uint64_t{fragment.cache_size}) continue;
      uint8_t map[65536];
      task.read(state.state_maps + fragment.map_offset, map, fragment.map_size);
      const auto point = walk_state_map({map, fragment.map_size}, offset - fragment.cache_start);
      if (!point) return {};
      return FragmentPoint{fragment.app_pc, offset == fragment.cache_start, *point};
    }
    index += count;
  }
  return {};
}

SessionImpl::Place SessionImpl::locate_in_fragment(Task& task, const Registers& registers,
                                                   const ThreadContext& context) {
  const auto found = find_point(task, registers.rip);
  if (!found || is_step(found->point.kind)) return Place::kStep;
  if (found->point.kind == protocol::StateKind::kLeaving && !stands_at_fault(task)) return Place::kStep;
  task.app = registers;
  restore_spilled(task.app, context, found->point.spilled);
  task.app.rip = found->tag + found->point.app_offset;
  task.app.gs_base = context.app_gs_base;
  task.app.orig_rax = kUnusedSyscall;
  task.at_app_state = true;
  task.in_place = registers;
  const bool counted = !is_uncounted(found->point.kind);
  task.left_block = {found->tag, task.app.rip, counted, counted};
  return Place::kExact;
}

// A thread about to go on within a block, from where its tool has led it away, is no nearer to app state than there.
bool SessionImpl::leads_into_block(Task& task, const ThreadContext& context) {
  if (!in_hot(context.next_cache_pc)) return false;
  const auto found = find_point(task, context.next_cache_pc);
  return found && !found->at_start && !is_uncounted(found->point.kind);
}

// Does what the agent is about to do; its popfq cannot be stepped over when a signal comes just then (the kernel leaves
// the trap flag alone there, is_setting_trap_flag of arch/x86/kernel/step.c).
void SessionImpl::go_into_block(Task& task, const ThreadContext& context) {
  Registers registers = task.registers();
  for (unsigned index = 0; index < 16; ++index) set_gpr(registers, index, context.gpr[index]);
  registers.eflags = context.rflags;
  registers.rip = context.next_cache_pc;
  registers.orig_rax = kUnusedSyscall;
  task.set_registers(registers);
}

// What a tool has counted of the block that the thread leaves here, and that it has not executed, is taken back.
void SessionImpl::leave_block(Task& task) {
  const auto left = std::exchange(task.left_block, {});
  if (left && task.slot_ready) observer_.block_left(task.process->pid, task.tid, context_of(task), *left);
}

// The world is stopped.
void SessionImpl::leave_blocks(AddressSpace& space) {
  for (const Task* task : space.tasks)
    if (task->parked && !task->gone) guarded(task->tid, [this](Task& one) { leave_block(one); });
}

// At PTRACE_EVENT_EXIT of a thread, which cannot be stepped on any more, but has the registers that it was ended with.
void SessionImpl::leave_last_block(Task& task) {
  if (!task.left_block && !task.at_app_state && task.instrumented && task.slot_ready) {
    const Exports& agent = agent_.exports;
    const auto context = task.read_as<ThreadContext>(slot_address(static_cast<unsigned>(task.slot)));
    const uint64_t pc = task.registers().rip;
    const uint64_t cache_pc = restores(agent, pc) ? context.next_cache_pc : pc;
    if (pc == agent.syscall_insn || restores_for_call(agent, pc)) {
      task.left_block = BlockLeft::last_instruction(context.syscall_pc);
    } else if (const auto found = in_hot(cache_pc) ? find_point(task, cache_pc) : std::nullopt;
               found && found->point.kind != protocol::StateKind::kLeaving && !found->point.leads_away) {
      const bool counted = !is_uncounted(found->point.kind);
      const bool summed = counted && found->point.kind != protocol::StateKind::kStepCounting;
      const bool exited = found->point.kind == protocol::StateKind::kStepExiting;
      task.left_block = {found->tag, found->tag + found->point.app_offset, counted, summed, exited};
    }
  }
  leave_block(task);
}

bool SessionImpl::reach_app_state(Task& task) {
  if (task.at_app_state) return true;
  if (!task.instrumented) {
    task.app = task.registers();
    abort_sequence(task.tid, task.app);
    step_back_from_breakpoint(task);
    task.syscall_pc = task.app.rip - 2;
    if (in_heap_layer(task, task.app.rip) || holds_heap_locks(task)) {
      run_to_door(task);
      return false;
    }
    if (task.pending_set) {
      task.pending_set = false;
      set_hold(task, false);
    }
    task.reblock_trap();
    task.at_app_state = true;
    return true;
  }
  const uint64_t context_address = slot_address(static_cast<unsigned>(task.slot));
  for (int steps = 0; steps < kMaxCacheSteps; ++steps) {
    const Registers registers = task.registers();
    const auto context = task.read_as<ThreadContext>(context_address);
    const Place place = locate(task, registers, context);
    if (place == Place::kExact) {
      task.reblock_trap();
      if (task.pending_set) {
        task.pending_set = false;
        task.write_as<uint64_t>(context_address + offsetof(ThreadContext, pending), 0);
      }
      return true;
    }
    if (place == Place::kInAgent) break;
    if (place == Place::kLost) {
      log_line(LogLevel::kError, "thread %d: no app state for pc %#llx", task.tid, registers.rip);
      VS_CHECK(!"every cache pc has an app state", task);
    }
    ++task.process->counters.cache_steps;
    step_and_hold(task);
  }
  // In a fragment still it searches a long list of its tool's: it may run on there, and is looked at again later.
  set_pending_and_run(task);
  return false;
}

void SessionImpl::set_pending_and_run(Task& task) {
  task.pending_set = true;
  const uint64_t context_address = slot_address(static_cast<unsigned>(task.slot));
  const uint64_t unblocked = context_address + offsetof(ThreadContext, trap_unblocked);
  if (task.read_as<uint64_t>(unblocked) != 0) {
    // The agent would block it again before the safe point: that is ours to do now.
    task.write_as<uint64_t>(unblocked, 0);
    task.trap_unblocked = true;
  }
  // A frame is about to bring its own mask: the agent sees to that one.
  if (task.read_as<uint64_t>(context_address + offsetof(ThreadContext, frame_pc_address)) == 0) task.unblock_trap();
  task.write_as<uint64_t>(context_address + offsetof(ThreadContext, pending), 1);
  task.cont();
  arm_nudge(task.process->space);
}

// A thread that was sent to its safe point may block in an app system call first, and a leader may have ended before
// its other threads: look again after a while.
void SessionImpl::arm_nudge(const std::shared_ptr<AddressSpace>& space) {
  if (space->nudge_armed) return;
  space->nudge_armed = true;
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, kNudgePeriod);
  timer->async_wait([this, timer, weak = std::weak_ptr<AddressSpace>(space)](boost::system::error_code error) {
    const auto nudged = weak.lock();
    if (error || ended_ || !nudged) return;
    nudged->nudge_armed = false;
    bool waiting = false;
    for (Task* task : nudged->tasks) {
      if (task->stopped || task->gone || task->exited || task->in_vfork) continue;
      if (!task->pending_set && !nudged->stopping) continue;
      const char state = state_of(task->tid);
      if (task->tid == task->process->pid && (state == 'Z' || state == 'X')) {
        task->exited = true;
        continue;
      }
      task->asleep_count = state == 'D' ? task->asleep_count + 1 : 0;
      if (is_unstoppable(*task)) task->must_reenter = true;
      waiting = true;
      task->interrupt();
    }
    if (waiting) arm_nudge(nudged);
    check_world(nudged);
  });
}

void SessionImpl::run_on(Task& task, int signal) {
  const bool wanted = task.process->space->stopping || task.instrumented != wants_cache(task) || task.must_reenter;
  // Any stop clears a pending PTRACE_INTERRUPT: repeat it.
  if (wanted && !task.pending_set && !task.in_vfork) task.interrupt();
  task.cont(signal);
}

void SessionImpl::settle(Task& task) {
  const std::shared_ptr<AddressSpace> space = task.process->space;
  const bool must_move = space->stopping || task.instrumented != wants_cache(task) || task.at_app_state ||
                         !task.held.empty() || task.must_reenter;
  if (!must_move) {
    if (task.stop.kind() == WaitStatus::Kind::kGroupStop) {
      task.listen();
      return;
    }
    // A call that the stop has interrupted is started again or goes on.
    if (task.stop.kind() == WaitStatus::Kind::kInterrupted &&
        (!task.instrumented || task.registers().rip == agent_.exports.syscall_return)) {
      settle_in_app_state(task);
      return;
    }
    task.cont();
    return;
  }
  settle_in_app_state(task);
}

void SessionImpl::settle_in_app_state(Task& task) {
  const std::shared_ptr<AddressSpace> space = task.process->space;
  if (!reach_app_state(task)) return;
  ensure_trap_ignored(task);
  if (space->stopping) {
    task.parked = true;
    check_world(space);
    return;
  }
  resume_app_state(task);
}

// Behind an interrupted `syscall` instruction (and not int 0x80, which the agent's is no substitute for).
bool SessionImpl::is_at_syscall_exit(Task& task) {
  return is_interrupted_syscall(task.app) && stands_behind_syscall(task);
}

// Where the thread's context says that it goes on: in app state. `more` of the context is written with it.
void SessionImpl::write_place(Task& task, std::optional<RemotePiece> more) {
  const uint64_t address = slot_address(static_cast<unsigned>(task.slot));
  const uint64_t none = 0;
  const auto field = [address](size_t offset, const uint64_t& value) {
    return RemotePiece{address + offset, &value, sizeof value};
  };
  const uint64_t pc = task.app.rip, gs_base = task.app.gs_base;
  const RemotePiece pieces[] = {field(offsetof(ThreadContext, app_pc), pc),
                                field(offsetof(ThreadContext, app_gs_base), gs_base),
                                field(offsetof(ThreadContext, syscall_pc), task.syscall_pc),
                                field(offsetof(ThreadContext, next_cache_pc), agent_.exports.enter),
                                field(offsetof(ThreadContext, pending), none),
                                field(offsetof(ThreadContext, service), none),
                                more.value_or(RemotePiece{})};
  if (write_pieces(task.tid, std::span(pieces).first(more ? std::size(pieces) : std::size(pieces) - 1))) return;
  task.registers();  // throws when it has gone
  VS_CHECK(!"the thread's context is writable", task);
}

// To the handler of task.handed.
void SessionImpl::send_to_handler(Task& task) {
  const uint64_t address = slot_address(static_cast<unsigned>(task.slot));
  struct {
    uint64_t mask;
    siginfo_t info;
  } const signal = {task.handed_mask, task.handed->info};
  static_assert(sizeof signal == sizeof ThreadContext::signal_mask + sizeof ThreadContext::signal_info);
  write_place(task, RemotePiece{address + offsetof(ThreadContext, signal_mask), &signal, sizeof signal});
  Registers registers = task.app;
  registers.gs_base = address;
  registers.rip = agent_.exports.deliver;
  registers.orig_rax = kUnusedSyscall;
  task.set_registers(registers);
  task.pending_set = false;
}

bool SessionImpl::enter_cache(Task& task) {
  AddressSpace& space = *task.process->space;
  if ((task.app.cs & 0xffff) != kCodeSegment64) return false;  // in 32-bit code
  if (task.slot < 0) task.slot = space.slots.allocate();
  if (task.slot < 0) return false;
  const uint64_t address = slot_address(static_cast<unsigned>(task.slot));
  const auto field = [address](size_t offset) { return address + offset; };
  const bool in_syscall = is_at_syscall_exit(task);
  const bool may_have_blocked_trap = task.was_native || !task.slot_ready;
  if (!task.slot_ready) {
    task.write_as(address, fresh_context(static_cast<unsigned>(task.slot)));
    task.slot_ready = true;
  }
  write_place(task);
  const auto reason = task.at_handler   ? protocol::EntryReason::kHandler
                      : task.was_native ? protocol::EntryReason::kNative
                                        : protocol::EntryReason::kGoesOn;
  if (reason != protocol::EntryReason::kGoesOn) task.write_as(field(offsetof(ThreadContext, entry_reason)), reason);
  if (may_have_blocked_trap) {
    const uint64_t blocked = (task.signal_mask() & kTrapBit) != 0 ? 1 : 0;
    task.write_as(field(offsetof(ThreadContext, trap_blocked)), blocked);
  }
  task.at_handler = task.was_native = false;
  Registers registers = task.app;
  registers.gs_base = address;
  if (in_syscall) {
    // The kernel acts on the restart code: again at syscall_insn, or on by way of next_cache_pc, which is `enter`.
    registers.rip = agent_.exports.syscall_return;
  } else {
    if (is_interrupted_syscall(registers)) rewind_interrupted_syscall(registers, task.syscall_pc);
    if (registers.rip != task.app.rip) task.write_as<uint64_t>(field(offsetof(ThreadContext, app_pc)), registers.rip);
    registers.rip = agent_.exports.enter;
    registers.orig_rax = kUnusedSyscall;
  }
  task.set_registers(registers);
  task.instrumented = true;
  task.pending_set = false;
  ++task.process->counters.cache_entries;
  return true;
}

void SessionImpl::put_in_native_code(Task& task) {
  if (task.instrumented) task.hide_fpu_address(protocol::kArenaBase, protocol::kArenaBase + protocol::kArenaSize);
  task.set_registers(task.app);
  task.instrumented = false;
}

void SessionImpl::resume_app_state(Task& task) {
  if (task.process->left) {
    leave_late(task);
    return;
  }
  if (!deliver_held(task)) {
    task.wait_end_seconds.reset();
    return;
  }
  // An instruction with the app's trap flag set runs natively; the trap brings the thread back.
  const bool on = wants_cache(task) && (task.app.eflags & kTrapFlag) == 0;
  if (continue_transfer(task) || continue_wait(task, true)) return;
  task.at_app_state = false;
  const bool may_stay = on && !std::exchange(task.must_reenter, false);
  const auto registers = std::exchange(task.in_place, {});
  if (registers && may_stay) {
    task.left_block.reset();
    task.set_registers(*registers);
  } else if (!on || !enter_cache(task)) {
    put_in_native_code(task);
    task.at_handler = false;
    task.was_native = true;
  }
  // Once it is elsewhere: of a thread that is killed meanwhile, leave_last_block sees to it.
  leave_block(task);
  if (!task.group_stopped) {
    task.cont();
  } else if (task.stop.kind() == WaitStatus::Kind::kGroupStop) {
    task.listen();
  } else {
    task.interrupt();  // the process is still stopped: the thread reports so at once, and then listens
    task.cont();
  }
}

}  // namespace vsup::supervisor
