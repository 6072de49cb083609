// Purpose: signal-delivery-stops. The kernel builds the app's signal frame, from app registers that are put in place
// first; a single-step with the signal stops again at the handler's first instruction, which then goes into the cache.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/cut_transfer.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

constexpr uint64_t kTrapFlag = 0x100;
constexpr uint64_t kMaxInstruction = 15;
// uc_sigmask in the frame that a handler starts with: struct rt_sigframe of arch/x86/include/asm/sigframe.h, its
// return address, uc_flags, uc_link, uc_stack and uc_mcontext before it.
constexpr uint64_t kFrameMask = 8 + 8 + 8 + 24 + 256;

// What the agent's own traps and faults raise: never blocked while it executes.
constexpr uint64_t kSynchronousBits = protocol::kFaultSignals | kTrapBit;

constexpr int kMaxStepsOut = 64;  // of a hook's place, signals that come meanwhile included

bool is_fault_signal(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGTRAP;
}

bool is_fatal_by_default(int number) {
  switch (number) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case SIGCONT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGSTOP:
      return false;
  }
  return true;
}

// signal(7), action "Core".
bool dumps_core(int number) {
  switch (number) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
      return true;
  }
  return false;
}

// At the exit of a system call that the signal has ended, with a mask of its own perhaps (epoll_pwait).
bool has_ended_call(const Registers& registers) {
  const bool eintr = static_cast<int64_t>(registers.orig_rax) >= 0 && static_cast<int64_t>(registers.rax) == -EINTR;
  return eintr || is_interrupted_syscall(registers) || may_be_cut_short(registers);
}

bool in_arena(uint64_t address) {
  return address >= protocol::kArenaBase && address < protocol::kArenaBase + protocol::kArenaSize;
}

// The agent runs on the app's stack there, and the app has used that up.
bool is_stack_overflow(Task& task, const siginfo_t& info) {
  constexpr uint64_t kReach = 64 << 10;
  const uint64_t sp = task.registers().rsp;
  const auto address = reinterpret_cast<uint64_t>(info.si_addr);
  return info.si_signo == SIGSEGV && address + kReach > sp && address < sp + kReach;
}

// si_addr of these is, or may be, the address of the instruction.
bool hide_cache_address(HeldSignal& signal, uint64_t app_pc) {
  if (!is_fault_signal(signal.number) || signal.info.si_code <= 0) return false;
  const auto address = reinterpret_cast<uint64_t>(signal.info.si_addr);
  const bool code_address =
      signal.number == SIGILL || signal.number == SIGFPE || (signal.number == SIGTRAP && address != 0);
  if (!code_address && !in_arena(address)) return false;
  signal.info.si_addr = reinterpret_cast<void*>(app_pc);
  return true;
}

}  // namespace

// What a signal does is asked of /proc only where a wrong guess would matter. A signal that kills by default is taken
// for handled: if it kills, it kills under PTRACE_SINGLESTEP as well, and if it is ignored, the step executes one app
// instruction, which is harmless unless that may sleep.
SignalFate SessionImpl::likely_fate(Task& task, int number) {
  // Interrupted in a system call: an ignored signal would have the step sleep in it again, or go on without the rest
  // of it. In native code its trap would be the app's to see, if that ignores SIGTRAP.
  if (!wants_cache(task) || !is_fatal_by_default(number) || number == SIGTRAP || is_interrupted_syscall(task.app) ||
      may_be_cut_short(task.app) || is_eintr_of_unrestarted_syscall(task.app))
    return fate_of(task, number);
  uint8_t code[2] = {};
  const bool readable = read_memory(task.tid, task.app.rip, code, sizeof code);
  const bool system_call = code[0] == 0x0f && code[1] == 0x05;
  return readable && !system_call && code[0] != 0xcd ? SignalFate::kHandler : fate_of(task, number);
}

SignalFate SessionImpl::fate_of(Task& task, int number) {
  if (!task.status_fd) {
    const std::string path = "/proc/" + std::to_string(task.tid) + "/status";
    task.status_fd.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  const auto status = read_status(task.status_fd.get());
  const uint64_t bit = uint64_t{1} << (number - 1);
  if (number == SIGKILL) return SignalFate::kFatal;
  if (number == SIGSTOP) return SignalFate::kStops;
  if (status && (status->caught & bit) != 0) return SignalFate::kHandler;
  if (status && (status->ignored & bit) != 0) return SignalFate::kIgnored;
  // Between a trap of ours and the agent's making the app's choice again.
  if (number == SIGTRAP && (task.instrumented || wants_cache(task)) && ignores_trap(*task.process, task.tid))
    return SignalFate::kIgnored;
  if (is_fatal_by_default(number)) return SignalFate::kFatal;
  return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU ? SignalFate::kStops : SignalFate::kIgnored;
}

void SessionImpl::on_signal(Task& task) {
  const int number = task.stop.signal();
  siginfo_t info = task.signal_info();
  if (std::exchange(task.step_trap_due, false) && number == SIGTRAP &&
      (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT)) {
    settle(task);
    return;
  }
  if (number == SIGTRAP && take_native_breakpoint(task, info)) return;
  if (task.native_call && (number == SIGTRAP || number == SIGSEGV) && end_native_call(task, task.registers())) return;
  if (number == SIGTRAP && task.instrumented) {
    const Registers registers = task.registers();
    if (registers.rip == agent_.exports.service_trap + 1) {
      // A SIGTRAP that somebody sent hides the agent's: standard signals do not queue.
      if (info.si_code <= 0) task.held.push_back({number, info, task.stop_count});
      on_service(task, registers);
      return;
    }
  }
  if (number == SIGTRAP && info.si_code > 0 && !task.instrumented && take_own_trap(task)) return;
  if (number == SIGTRAP && info.si_code == TRAP_TRACE && task.instrumented && take_trap_flag_at_door(task)) {
    settle(task);
    return;
  }
  if (task.native_step) {
    task.native_step = false;
    if (number == SIGTRAP && (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT)) {
      finish_native_step(task);
      return;
    }
  }
  if (task.process->space->injected && is_fault_signal(number) && info.si_code > 0 && mend_agent_fault(task)) {
    run_on(task);
    return;
  }
  if (task.instrumented && is_fault_signal(number) && info.si_code > 0) {
    const Registers registers = task.registers();
    const protocol::Exports& agent = agent_.exports;
    const bool in_agent_text = registers.rip >= agent.text_start && registers.rip < agent.text_end;
    const bool at_app_syscall =
        registers.rip == agent.enter || registers.rip == agent.syscall_insn || registers.rip == agent.syscall_return;
    if (in_agent_text && !at_app_syscall) {
      report_crash(task, &info);
      return;
    }
  }
  ++task.process->counters.signals;
  bursts_.note_stop(task.tid, monotonic_seconds());
  note_signal_of_root(task, info);
  // A fault that was queued while the thread was moved out of the cache.
  if (!task.instrumented && task.process->space->injected && is_fault_signal(number)) {
    HeldSignal fault{number, info, 0};
    if (info.si_code > 0 && in_arena(reinterpret_cast<uint64_t>(info.si_addr)) &&
        hide_cache_address(fault, task.registers().rip)) {
      task.set_signal_info(fault.info);
      info = fault.info;
    }
  }
  if (!task.at_app_state && undo_cut_call(task, number)) return;
  const uint64_t native_pc = task.instrumented ? 0 : task.registers().rip;
  const bool in_layer = in_heap_layer(task, native_pc);
  if (in_layer && is_fault_signal(number) && info.si_code > 0 && !is_stack_overflow(task, info)) {
    report_crash(task, &info);
    return;
  }
  if (!task.instrumented && !wants_cache(task) && !task.process->space->stopping && task.held.empty() &&
      !task.at_app_state && !in_layer && !stands_where_hooks_go(task, native_pc)) {
    task.cont(number);
    return;
  }
  if (!is_fatal_by_default(number)) {
    const SignalFate fate = fate_of(task, number);
    if ((fate == SignalFate::kIgnored || fate == SignalFate::kStops) && !task.at_app_state) {
      run_on(task, number);
      return;
    }
  }
  hold_signal(task, {number, info, task.stop_count});
  settle(task);
}

// An rt_sigreturn with the app's trap flag set traps behind the first instruction at `enter`: nothing of the app has
// been executed yet. It goes on natively for the one instruction that the flag is for.
bool SessionImpl::take_trap_flag_at_door(Task& task) {
  const Registers registers = task.registers();
  const uint64_t door = agent_.exports.enter;
  if ((registers.eflags & kTrapFlag) == 0 || registers.rip <= door || registers.rip > door + kMaxInstruction)
    return false;
  const auto context = task.read_as<protocol::ThreadContext>(slot_address(static_cast<unsigned>(task.slot)));
  task.app = registers;
  task.app.rip = context.app_pc;
  task.app.gs_base = context.app_gs_base;
  task.app.orig_rax = ~uint64_t{0};
  task.at_app_state = true;
  task.reblock_trap();
  return true;
}

// Brings the thread into a stop from which a signal can be injected; registers are put in place afterwards.
void SessionImpl::make_injectable(Task& task) {
  const uint64_t syscall_pc = syscall_pc_for(task);
  if (syscall_pc != 0 && !is_sandboxed(task.tid) && !ignores_trap_now(task.tid)) {
    RemoteCalls calls(task, syscall_pc);
    calls.syscall(SYS_getpid, {});
    return;
  }
  // It may not make system calls of ours, or not trap. A SIGSTOP cannot be blocked, and is dropped at its delivery.
  syscall(SYS_tgkill, task.process->pid, task.tid, SIGSTOP);
  const Registers registers = task.registers();
  for (int tries = 0; tries < 100; ++tries) {
    task.cont();
    task.wait_for_stop();
    if (task.stop.kind() == WaitStatus::Kind::kGroupStop) task.group_stopped = true;
    if (task.stop.kind() != WaitStatus::Kind::kSignal) continue;
    if (task.stop.signal() == SIGSTOP) break;
    hold_signal_of_stop(task);
  }
  task.set_registers(registers);
}

// The kernel writes every thread into a core file as it stands: all have to stand in native code with the app's
// registers when the signal kills.
bool SessionImpl::stop_world_for_core(Task& task, int number) {
  const Process& process = *task.process;
  if (!dumps_core(number) || process.dumping_core || !process.space->injected) return false;
  bool others = false;
  for (const auto& [tid, other] : process.tasks)
    others = others || (other != &task && other->instrumented && !other->gone && !other->exited);
  if (!others || fate_of(task, number) != SignalFate::kFatal) return false;
  with_world_stopped(process.space,
                     [this, tid = task.tid, number] {
                       Task* dying = find_task(tid);
                       // A thread may have installed a handler meanwhile; now none can.
                       if (dying == nullptr || dying->gone || fate_of(*dying, number) != SignalFate::kFatal) return;
                       dying->process->dumping_core = true;
                       // At once: the dying thread may be the first that goes on.
                       for (const auto& [unused, other] : dying->process->tasks)
                         if (other->parked)
                           guarded(other->tid, [this](Task& bystander) { put_in_native_code(bystander); });
                     },
                     {});
  settle(task);
  return true;
}

// One that somebody sent and that only came because we had unblocked it for a trap or a fault of ours. In app state.
bool SessionImpl::is_blocked(const Task& task, const HeldSignal& signal) {
  const uint64_t bit = uint64_t{1} << (signal.number - 1);
  if ((bit & kSynchronousBits) == 0 || signal.info.si_code > 0) return false;
  const auto status = read_status_of(task.tid);
  const uint64_t mask = task.wait_mask ? *task.wait_mask : status ? status->blocked : 0;
  return (mask & bit) != 0;
}

// It is pending again.
bool SessionImpl::put_back_blocked(Task& task, const HeldSignal& signal) {
  if (!is_blocked(task, signal)) return false;
  if (!can_inject_signal(task)) make_injectable(task);
  task.set_signal_info(signal.info);
  // The kernel queues an injected signal that is blocked (kernel/signal.c, ptrace_signal), and stops the thread at
  // once.
  task.interrupt();
  task.cont(signal.number);
  task.wait_for_stop();
  if (task.stop.kind() == WaitStatus::Kind::kGroupStop) task.group_stopped = true;
  if (task.stop.kind() == WaitStatus::Kind::kSignal) hold_signal_of_stop(task);
  return true;
}

// One that vsup has not forwarded.
void SessionImpl::note_signal_of_root(const Task& task, const siginfo_t& info) {
  const bool forwarded = info.si_code == SI_USER && info.si_pid == getpid();
  const auto number = static_cast<size_t>(info.si_signo);
  if (task.process->pid == root_pid_ && !forwarded && number < root_signal_seconds_.size())
    root_signal_seconds_[number] = monotonic_seconds();
}

// In app state, before a handler is to run: what its frame leads back to may be the middle of a jump by then. A fault
// met on the way stays where it is.
void SessionImpl::leave_place_of_hook(Task& task) {
  if (!stands_where_hooks_go(task, task.app.rip) || ignores_trap_now(task.tid)) return;
  put_in_native_code(task);
  for (int steps = 0; steps < kMaxStepsOut && !stands_at_fault(task) && stands_where_hooks_go(task, task.app.rip);
       ++steps) {
    step_and_hold(task);
    task.app = task.registers();
  }
  task.reblock_trap();
}

// One stop instead of two. Only where the kernel has nothing else to do for it: no system call to be begun again, no
// fault, no mask of a wait. True when the thread runs, with everything else blocked until the handler's mask is in
// force; the agent says when it cannot do it.
bool SessionImpl::deliver_by_agent(Task& task) {
  const HeldSignal& signal = task.held.front();
  if (task.held.size() != 1 || signal.by_kernel || !task.instrumented || !task.slot_ready || !wants_cache(task) ||
      task.wait_mask || task.group_stopped || task.must_reenter || (task.app.eflags & kTrapFlag) != 0 ||
      (task.app.cs & 0xffff) != kCodeSegment64 || (is_fault_signal(signal.number) && signal.info.si_code > 0) ||
      has_ended_call(task.app))
    return false;
  note_signal_of_root(task, signal.info);
  task.in_place.reset();
  leave_block(task);
  task.handed = signal;
  task.held.pop_front();
  task.handed_mask = task.signal_mask();
  task.set_signal_mask(~kSynchronousBits);
  send_to_handler(task);
  task.at_app_state = false;
  task.cont();
  return true;
}

// The agent has changed nothing.
void SessionImpl::deliver_by_kernel(Task& task) {
  VS_CHECK(task.handed, task);
  task.set_signal_mask(task.handed_mask);
  task.held.push_front(*std::exchange(task.handed, {}));
  task.held.front().by_kernel = true;
  settle(task);
}

bool SessionImpl::deliver_held(Task& task) {
  if (!task.held.empty()) leave_place_of_hook(task);
  while (!task.held.empty()) {
    HeldSignal signal = task.held.front();
    if (put_back_blocked(task, signal)) {
      task.held.pop_front();
      continue;
    }
    if (stop_world_for_core(task, signal.number)) return false;
    if (deliver_by_agent(task)) return false;
    const SignalFate fate = likely_fate(task, signal.number);
    if (fate == SignalFate::kIgnored) {
      task.held.pop_front();
      continue;
    }
    const bool same_stop = task.stop.kind() == WaitStatus::Kind::kSignal && task.stop.signal() == signal.number &&
                           signal.stop_count == task.stop_count;
    if (!same_stop && !can_inject_signal(task)) {
      make_injectable(task);
    }
    task.held.pop_front();
    note_signal_of_root(task, signal.info);
    task.in_place.reset();
    leave_block(task);
    const bool patched = hide_cache_address(signal, task.app.rip);
    put_in_native_code(task);
    task.pending_set = false;
    if (!same_stop || patched) task.set_signal_info(signal.info);
    if (fate != SignalFate::kHandler) {
      task.at_app_state = false;
      task.cont(signal.number);
      if (fate == SignalFate::kStops) task.interrupt();
      return false;
    }
    const auto wait_mask = std::exchange(task.wait_mask, {});
    if (!wants_cache(task) && task.held.empty() && !wait_mask) {
      task.at_app_state = false;
      task.cont(signal.number);
      return false;
    }
    const uint64_t own_mask = wait_mask ? task.signal_mask() : 0;
    if (wait_mask) task.set_signal_mask(*wait_mask);
    task.step(signal.number);
    task.wait_for_stop();  // throws where there was no handler: the process ends
    if (task.stop.kind() == WaitStatus::Kind::kGroupStop) task.group_stopped = true;
    task.step_trap_due = task.stop.kind() != WaitStatus::Kind::kSignal;
    if (task.stop.kind() == WaitStatus::Kind::kSignal) {
      const size_t before = task.held.size();
      hold_signal_of_stop(task);
      if (task.held.size() > before) {
        // The frame could not be built, or another one came first: it is next.
        const HeldSignal next = task.held.back();
        task.held.pop_back();
        task.held.push_front(next);
      }
    }
    task.app = task.registers();
    task.syscall_pc = task.app.rip - 2;
    task.at_handler = task.app.rdi == static_cast<uint64_t>(signal.number);
    if (!wait_mask) continue;
    if (task.at_handler)
      task.write_as(task.app.rsp + kFrameMask, own_mask);  // what sigreturn puts back
    else
      task.set_signal_mask(own_mask);
  }
  task.wait_mask.reset();
  return true;
}

// An access of the agent that it expects to fail at times: it goes on where it said.
bool SessionImpl::mend_agent_fault(Task& task) {
  Registers registers = task.registers();
  const uint64_t target = agent_.fault_target(registers.rip);
  if (target == 0) return false;
  registers.rip = target;
  task.set_registers(registers);
  return true;
}

}  // namespace vsup::supervisor
