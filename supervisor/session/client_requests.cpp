// Purpose: answers client requests: those of the code cache that the agent leaves to us, and all of native code, where
// breakpoints stop the thread at them. What a tool is asked goes to its report.
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <algorithm>

#include <csignal>
#include <cstddef>

#include "protocol/client_requests.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/client_message.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

using namespace protocol::client_request;

constexpr uint64_t kRedZone = 128;
constexpr uint64_t kUnusedSyscall = ~uint64_t{0};
constexpr uint64_t kLongestToolName = 256;

// NT_X86_XSTATE of a stopped thread.
std::vector<uint8_t> read_vectors(pid_t tid) {
  std::vector<uint8_t> state(16384);
  iovec area{state.data(), state.size()};
  if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &area) != 0) return {};
  state.resize(area.iov_len);
  return state;
}

void write_vectors(pid_t tid, std::vector<uint8_t>& state) {
  iovec area{state.data(), state.size()};
  ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &area);
}

}  // namespace

// The thread is in app state, behind the request.
void SessionImpl::answer_client_request(Task& task) {
  ClientRequest request{};
  if (read_memory(task.tid, task.app.rax, request.data(), sizeof request)) {
    ++task.process->counters.client_calls;
    act_on_client_request(task, request);
  }
  settle(task);
}

void SessionImpl::act_on_client_request(Task& task, const ClientRequest& request) {
  const pid_t pid = task.process->pid;
  switch (request[0]) {
    case kRunningOnValgrind:
      task.app.rdx = 1;
      return;
    case kGetToolName: {
      const std::string& name = options_.tool;
      const uint64_t size = std::min({request[2], uint64_t{name.size() + 1}, kLongestToolName});
      if (request[1] != 0 && size != 0) write_memory(task.tid, request[1], name.c_str(), size);
      task.app.rdx = name.size() + 1;
      return;
    }
    case kPrintf:
    case kPrintfByReference:
    case kPrintfBacktrace:
    case kPrintfBacktraceByReference: {
      const ReadTracee read = [&task](uint64_t address, void* to, size_t size) {
        return read_memory(task.tid, address, to, size);
      };
      const std::string text = format_client_message(read, request[1], request[2]);
      const bool with_stack = request[0] == kPrintfBacktrace || request[0] == kPrintfBacktraceByReference;
      const ThreadRegisters registers = thread_registers(task.tid, task.app, context_of(task));
      observer_.client_message(pid, text, with_stack ? &registers : nullptr);
      task.app.rdx = text.size();
      return;
    }
    case kStartInstrumentation:
    case kCachegrindStart:
      task.app.rdx = 0;
      if (!task.process->want_on) toggle(true, {pid}, {});
      return;
    case kStopInstrumentation:
    case kCachegrindStop:
      task.app.rdx = 0;
      if (task.process->want_on) toggle(false, {pid}, {});
      return;
    default:
      if (request[0] >= kNonSimdCall0 && request[0] <= kNonSimdCall3) {
        begin_native_call(task, request);
      } else {
        ask_tool(task, request);
      }
      return;
  }
}

// The tool acts while the process stands still, the task with it.
void SessionImpl::ask_tool(const Task& task, const ClientRequest& request) {
  with_process_stopped(task.process->pid, [this, tid = task.tid, request](StoppedProcess* process) {
    if (process == nullptr) return;
    const auto answer = observer_.client_request(*process, tid, request);
    Task* asking = find_task(tid);
    if (answer && asking != nullptr && asking->at_app_state) asking->app.rdx = *answer;
  });
}

// NON_SIMD_CALL: a function of the app runs natively, and the request's answer is what it returns. It returns to an
// address of the agent, where the thread traps, or faults if the agent is not there.
void SessionImpl::begin_native_call(Task& task, const ClientRequest& request) {
  if (task.native_call) return;
  auto call = std::make_unique<NativeCall>();
  call->registers = task.app;
  call->vectors = read_vectors(task.tid);
  const uint64_t stack = ((task.app.rsp - kRedZone) & ~uint64_t{15}) - sizeof(uint64_t);
  if (call->vectors.empty() || !write_value(task.tid, stack, agent_.exports.remote_return)) return;
  task.app.rsp = stack;
  task.app.rip = request[1];
  task.app.rax = 0;
  task.app.rdi = 1;  // the thread's number in Valgrind
  task.app.rsi = request[2];
  task.app.rdx = request[3];
  task.app.rcx = request[4];
  task.app.orig_rax = kUnusedSyscall;
  task.native_call = std::move(call);
}

bool SessionImpl::end_native_call(Task& task, const Registers& registers) {
  if (!task.native_call || task.instrumented) return false;
  const uint64_t at = agent_.exports.remote_return;
  if (registers.rip != at && registers.rip != at + 1) return false;
  task.app = task.native_call->registers;
  task.app.rdx = registers.rax;
  task.at_app_state = true;
  write_vectors(task.tid, task.native_call->vectors);
  task.native_call.reset();
  settle(task);
  return true;
}

// A breakpoint of ours in native code.
bool SessionImpl::take_native_breakpoint(Task& task, const siginfo_t& info) {
  if (info.si_code != SI_KERNEL) return false;
  if (task.instrumented) return false;
  const Registers registers = task.registers();
  AddressSpace& space = *task.process->space;
  const auto breakpoint = space.breakpoints.at(registers.rip - 1);
  if (!breakpoint) return false;
  if (space.trap_ignored && !is_sandboxed(task.tid)) {
    const auto status = read_status_of(task.tid);
    space.trap_ignored = status && (status->caught & kTrapBit) == 0;
    if (space.trap_ignored) ignore_trap_again(task, space.vdso_syscall);
  }
  task.app = registers;
  task.app.rip = breakpoint->address;
  task.at_app_state = true;
  switch (breakpoint->kind) {
    case NativeBreakpoint::Kind::kRequest:
      task.app.rip += kXchgSize;
      answer_client_request(task);
      return true;
    case NativeBreakpoint::Kind::kLoader: {
      if (!space.breakpoints.active()) break;
      uint64_t caller = 0;
      read_value(task.tid, task.app.rsp, caller);
      space.breakpoints.come_by_loader(task.tid, caller, request_sites_);
      if (!pass_loader_function(task, *breakpoint, caller)) space.breakpoints.drop(task.tid, breakpoint->address);
      break;
    }
    case NativeBreakpoint::Kind::kEntry:
      space.breakpoints.drop(task.tid, breakpoint->address);
      if (space.breakpoints.active()) space.breakpoints.set(task.tid, request_sites_);
      break;
  }
  settle(task);
  return true;
}

// Acts for the instruction under the breakpoint, which is one of two everywhere: endbr64 or ret.
bool SessionImpl::pass_loader_function(Task& task, const NativeBreakpoint& breakpoint, uint64_t caller) {
  constexpr uint8_t kRet = 0xc3, kEndbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  if (breakpoint.original == kRet) {
    if (caller == 0) return false;
    task.app.rip = caller;
    task.app.rsp += sizeof caller;
    return true;
  }
  uint8_t code[sizeof kEndbr64] = {};
  if (breakpoint.original != kEndbr64[0] || !read_memory(task.tid, breakpoint.address, code, sizeof code)) return false;
  code[0] = breakpoint.original;
  if (!std::equal(std::begin(code), std::end(code), std::begin(kEndbr64))) return false;
  task.app.rip += sizeof kEndbr64;
  return true;
}

// A thread that was stopped between a breakpoint and its signal stands before the instruction. The signal is taken now:
// later it would come wherever the thread has been put by then.
void SessionImpl::step_back_from_breakpoint(Task& task) {
  if (!task.process->space->breakpoints.at(task.app.rip - 1) || !take_queued_breakpoint(task)) return;
  --task.app.rip;
}

// In native code there are breakpoints, under instrumentation none: the agent translates what it reads.
void SessionImpl::update_breakpoints(AddressSpace& space) {
  if (!options_.native_requests) return;
  bool wanted = true;
  for (const Task* task : space.tasks)
    wanted = wanted && !task->process->want_on && task->process->traceable && !task->process->detaching;
  for (Task* task : space.tasks) {
    if (!task->stopped || task->gone) continue;
    if (wanted) {
      if (!space.breakpoints.active()) space.trap_ignored = ignores_trap_now(task->tid);
      space.breakpoints.set(task->tid, request_sites_);
    } else {
      space.breakpoints.remove(task->tid);
    }
    return;
  }
}

}  // namespace vsup::supervisor
