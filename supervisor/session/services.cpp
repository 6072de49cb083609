// Purpose: answers the agent's requests, made by an int3 at Exports::service_trap.
#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "protocol/context_offsets.h"
#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

using protocol::Service;
using protocol::ThreadContext;

constexpr uint64_t kTrapFlag = 0x100;
constexpr uint64_t kPageMask = 4095;
constexpr uint64_t kSyscallSize = 2;

bool is_rep_prefix(uint8_t byte) {
  return byte == 0xf2 || byte == 0xf3;
}

// Length of legacy and REX prefixes at the start of an instruction.
size_t skip_prefixes(const uint8_t* code, size_t size, bool& rep) {
  size_t at = 0;
  for (; at < size; ++at) {
    const uint8_t byte = code[at];
    rep = rep || is_rep_prefix(byte);
    const bool prefix = byte == 0x66 || byte == 0x67 || byte == 0xf0 || is_rep_prefix(byte) || byte == 0x2e ||
                        byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 || byte == 0x65 ||
                        (byte & 0xf0) == 0x40;
    if (!prefix) break;
  }
  return at;
}

bool is_pushf(const uint8_t* code, size_t size) {
  bool rep = false;
  const size_t at = skip_prefixes(code, size, rep);
  return at < size && code[at] == 0x9c;
}

bool may_block(const uint8_t* code, size_t size) {
  bool rep = false;
  const size_t at = skip_prefixes(code, size, rep);
  if (at + 1 >= size) return true;
  return (code[at] == 0x0f && (code[at + 1] == 0x05 || code[at + 1] == 0x34)) || code[at] == 0xcd;
}

// A file without a name is a program's way to generate code, not a module: its bytes may change under the mapping.
bool may_be_rewritten(const Mapping& mapping) {
  constexpr std::string_view kMemfd = "/memfd:", kDeleted = " (deleted)";
  return mapping.path.starts_with(kMemfd) || mapping.path.ends_with(kDeleted);
}

// An rt_sigreturn to a context with the trap flag set. Source: struct ucontext, arch/x86/include/uapi/asm/sigcontext.h.
bool restores_trap_flag(const Task& task, const uint8_t* code, size_t size) {
  constexpr uint64_t kFrameFlags = 176;
  if (size < 2 || code[0] != 0x0f || code[1] != 0x05 || task.app.rax != SYS_rt_sigreturn) return false;
  uint64_t flags = 0;
  return read_value(task.tid, task.app.rsp + kFrameFlags, flags) && (flags & kTrapFlag) != 0;
}

}  // namespace

void SessionImpl::on_service(Task& task, Registers registers) {
  const uint64_t context_address = slot_address(static_cast<unsigned>(task.slot));
  auto context = task.read_as<ThreadContext>(context_address);
  const auto service = static_cast<Service>(context.service);
  if (service == Service::kQueryMap) {
    answer_map_query(task, context);
    run_in_agent(task, registers);
    return;
  }
  if (service == Service::kBeforeExec) {
    report_records(*task.process, task, RecordsMoment::kExec);
    run_in_agent(task, registers);
    return;
  }
  if (service == Service::kCrash) {
    report_crash(task, nullptr);
    return;
  }
  VS_CHECK(service == Service::kSafePoint || service == Service::kStepNative || service == Service::kFlush ||
               service == Service::kClientRequest || service == Service::kToolRequest || service == Service::kDeliver,
           task);
  if (context.trap_unblocked != 0) {
    task.trap_unblocked = true;
    task.write_as<uint64_t>(context_address + offsetof(ThreadContext, trap_unblocked), 0);
  }
  take_state_from_context(task, registers, context);
  task.pending_set = false;
  if (service == Service::kDeliver) {
    deliver_by_kernel(task);
    return;
  }
  if (service == Service::kSafePoint) {
    ++task.process->counters.safe_points;
    stay_at_safe_point(task, context);
    // A tool led it away from within a block. Not for a tool's own request, which is for where the thread stands.
    if (!task.left_block && leads_into_block(task, context)) {
      task.in_place.reset();
      go_into_block(task, context);
      task.at_app_state = false;
    }
    settle(task);
    return;
  }
  if (service == Service::kClientRequest) {
    answer_client_request(task);
    return;
  }
  if (service == Service::kToolRequest) {
    stay_at_safe_point(task, context);
    with_process_stopped(task.process->pid, [this, tid = task.tid, code = context.request_argument[0],
                                             argument = context.request_argument[1]](StoppedProcess* process) {
      if (process != nullptr) observer_.agent_request(*process, tid, code, argument);
    });
    settle(task);
    return;
  }
  if (service == Service::kFlush) {
    flush_cache(task);
    return;
  }
  // A signal that waits, or a stop of the world, goes first: the instruction is asked for again afterwards.
  const bool has_signal = std::any_of(task.held.begin(), task.held.end(),
                                      [&task](const HeldSignal& signal) { return !is_blocked(task, signal); });
  if (task.process->space->stopping || has_signal || !wants_cache(task)) {
    settle(task);
    return;
  }
  const uint64_t loader = task.process->space->hooks.loader_breakpoint;
  if (loader != 0 && task.app.rip == loader) {
    come_by_loader(task);
    return;
  }
  step_natively(task);
}

// The thread stopped where it was about to restore the app's registers, which can be begun again.
void SessionImpl::stay_at_safe_point(Task& task, const ThreadContext& context) {
  const uint64_t address = slot_address(static_cast<unsigned>(task.slot));
  task.in_place = task.registers();
  task.in_place->rip = agent_.exports.restore_start;
  if (static_cast<int64_t>(context.exit_id) == VSUP_EXIT_BEFORE_SYSCALL) {
    task.in_place->rip = agent_.exports.syscall_restore_start;
    task.write_as<uint64_t>(address + offsetof(ThreadContext, app_pc), context.syscall_pc + kSyscallSize);
    task.left_block = BlockLeft::last_instruction(context.syscall_pc);
    if (task.app.rax == SYS_rt_sigreturn) task.in_place.reset();  // the agent prepares that one
  }
  task.write_as<uint64_t>(address + offsetof(ThreadContext, pending), 0);
}

void SessionImpl::step_natively(Task& task) {
  ++task.process->counters.stepped_instructions;
  uint8_t code[15] = {};
  const uint64_t in = task.app.rip;
  // Not readable: the step itself faults, as the app would.
  size_t size = std::min<size_t>(sizeof code, 4096 - (in & kPageMask));
  if (!read_memory(task.tid, in, code, size)) size = 0;
  if (size != 0 && size < sizeof code && read_memory(task.tid, in + size, code + size, sizeof code - size))
    size = sizeof code;
  put_in_native_code(task);
  task.at_app_state = false;
  if (restores_trap_flag(task, code, size)) {
    // A single-step would hide the flag. It traps by itself, behind the next instruction.
    task.cont();
    return;
  }
  task.native_step = true;
  // A system call may block: its step ends as an event. It may also set the mask.
  const bool is_call = may_block(code, size);
  if (!is_call) task.unblock_trap();
  task.step();
  if (is_call) return;
  task.wait_for_stop();
  ++task.process->counters.stops;
  if (is_pushf(code, size) && task.stop.kind() == WaitStatus::Kind::kSignal) {
    const Registers after_step = task.registers();
    if (after_step.rip != in) {
      const auto flags = task.read_as<uint16_t>(after_step.rsp);
      task.write_as<uint16_t>(after_step.rsp, static_cast<uint16_t>(flags & ~kTrapFlag));
    }
  }
  dispatch(task);
}

void SessionImpl::finish_native_step(Task& task) {
  task.reblock_trap();
  task.app = task.registers();
  task.syscall_pc = task.app.rip - 2;
  if (static_cast<int64_t>(task.app.orig_rax) >= 0) task.app.r11 &= ~kTrapFlag;
  task.at_app_state = true;
  if ((task.app.cs & 0xffff) != kCodeSegment64 && task.process->want_on) {
    char text[160];
    snprintf(text, sizeof text, "a far branch to %#llx leads into 32-bit code; the process runs native", task.app.rip);
    run_native_from_now(*task.process, text);
  }
  settle(task);
}

// A stopped thread of it goes on to native code by itself.
void SessionImpl::run_native_from_now(Process& process, const std::string& why) {
  note(process, why);
  process.want_on = process.space->ready_on = false;
  for (Task* task : process.space->tasks)
    if (!task->stopped) request_stop(*task);
}

// Code of a file is about to be executed: said once, and again when it is where another file's was.
void SessionImpl::report_code(Task& task, const MappedModule& module) {
  AddressSpace& space = *task.process->space;
  const auto is_same = [&module](const MappedModule& one) { return module.is_same_code(one); };
  if (std::any_of(space.reported_modules.begin(), space.reported_modules.end(), is_same)) return;
  std::erase_if(space.reported_modules, [&module](const MappedModule& one) { return module.overlaps(one); });
  space.reported_modules.push_back(module);
  observer_.module_mapped(task.process->pid, module);
  if (space.passes_rseq && rseq_sections_.in_file(module.path)) run_native_from_now(*task.process, kUsesRseq);
}

void SessionImpl::answer_map_query(Task& task, const ThreadContext& context) {
  AddressSpace& space = *task.process->space;
  if (!space.maps_fd) {
    const std::string path = "/proc/" + std::to_string(task.tid) + "/maps";
    space.maps_fd.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  const uint64_t address = context.request_argument[0];
  const auto mapping = query_mapping(space.maps_fd.get(), address);
  uint64_t answer[4] = {address & ~kPageMask, ~uint64_t{0}, 0, 0};
  if (mapping && mapping->start > address) {
    answer[1] = mapping->start;
  } else if (mapping) {
    answer[0] = mapping->start;
    answer[1] = mapping->end;
    answer[3] = mapping->offset;
    const auto flag = [](bool set, protocol::MapFlags value) { return set ? static_cast<uint64_t>(value) : 0; };
    answer[2] = protocol::kMapPresent | flag(mapping->readable, protocol::kMapReadable) |
                flag(mapping->writable, protocol::kMapWritable) | flag(mapping->executable, protocol::kMapExecutable) |
                flag(mapping->file || mapping->path == "[vdso]", protocol::kMapFile) |
                flag(mapping->shared || may_be_rewritten(*mapping), protocol::kMapShared);
    if (mapping->file && mapping->executable && !mapping->path.empty() && mapping->path[0] == '/')
      report_code(task, {mapping->path, mapping->start, mapping->end, mapping->offset, true, mapping->inode, task.tid});
  }
  const uint64_t context_address = slot_address(static_cast<unsigned>(task.slot));
  task.write(context_address + offsetof(ThreadContext, request_result), answer, sizeof answer);
}

// In the agent with its stack in use, stopped with these registers: it goes on, whatever else is wanted of it comes at
// its safe point.
void SessionImpl::run_in_agent(Task& task, Registers registers) {
  registers.rip = agent_.exports.service_done;
  task.set_registers(registers);
  const bool wanted = task.process->space->stopping || !wants_cache(task) || !task.held.empty();
  if (wanted && !task.pending_set) {
    set_pending_and_run(task);
  } else {
    task.cont();
  }
}

void SessionImpl::flush_cache(Task& task) {
  const std::shared_ptr<AddressSpace> space = task.process->space;
  with_world_stopped(space, [this, space] { reset_cache(*space); }, {});
  settle(task);
}

// The world is stopped: any thread that has a context will do.
void SessionImpl::reset_cache(AddressSpace& space) {
  for (Task* task : space.tasks) task->in_place.reset();
  leave_blocks(space);
  for (Task* task : space.tasks) {
    if (task->gone || !task->parked || !task->slot_ready) continue;
    bool done = false;
    guarded(task->tid, [this, &done](Task& one) {
      RemoteCalls calls(one, agent_.exports.syscall_insn);
      const uint64_t context = slot_address(static_cast<unsigned>(one.slot));
      calls.call(agent_.exports.reset_cache, context + protocol::kSlotSize, context, agent_.exports.remote_return);
      done = true;
    });
    if (done) return;
  }
}

void SessionImpl::report_crash(Task& task, const siginfo_t* fault) {
  AgentCrash crash;
  crash.pid = task.process->pid;
  crash.tid = task.tid;
  crash.registers = task.registers();
  if (fault != nullptr) {
    crash.signal = fault->si_signo;
    crash.fault_address = reinterpret_cast<uint64_t>(fault->si_addr);
  }
  const protocol::CrashPage page = task.process->space->shared.crash();
  if (page.valid != 0) crash.page = page;
  if (task.slot_ready) crash.context = task.read_as<ThreadContext>(slot_address(static_cast<unsigned>(task.slot)));
  const std::string lines = options_.describe_crash ? options_.describe_crash(crash) : std::string();
  observer_.agent_crashed(crash.pid, crash.tid, lines);
  ::kill(task.process->pid, SIGKILL);
  for (auto& [tid, other] : task.process->tasks) other->gone = true;
  check_world(task.process->space);
}

}  // namespace vsup::supervisor
