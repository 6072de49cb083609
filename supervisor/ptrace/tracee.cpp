#include "supervisor/ptrace/tracee.h"

#include <sys/ptrace.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

constexpr int kGetSignalMask = 0x420a, kSetSignalMask = 0x420b;  // linux/ptrace.h

}  // namespace

long Tracee::call(int request, uint64_t address, uint64_t data) {
  errno = 0;
  const long result = ptrace(static_cast<__ptrace_request>(request), tid, address, data);
  if (result < 0 && errno == ESRCH) {
    gone = true;
    throw TraceeGone{tid};
  }
  return result;
}

Registers Tracee::registers() {
  Registers result{};
  const long status = call(PTRACE_GETREGS, 0, reinterpret_cast<uint64_t>(&result));
  VS_CHECK(status == 0, *this);
  return result;
}

void Tracee::set_registers(const Registers& registers) {
  const long status = call(PTRACE_SETREGS, 0, reinterpret_cast<uint64_t>(&registers));
  VS_CHECK(status == 0, *this);
}

siginfo_t Tracee::signal_info() {
  siginfo_t info{};
  if (call(PTRACE_GETSIGINFO, 0, reinterpret_cast<uint64_t>(&info)) != 0) info = {};
  return info;
}

void Tracee::set_signal_info(const siginfo_t& info) {
  call(PTRACE_SETSIGINFO, 0, reinterpret_cast<uint64_t>(&info));
}

bool Tracee::has_queued(int number, int code) {
  constexpr int kPeekCount = 32;
  siginfo_t queued[kPeekCount];
  __ptrace_peeksiginfo_args from{0, 0, kPeekCount};  // flags 0: not those of the whole process
  for (;;) {
    const long count = call(PTRACE_PEEKSIGINFO, reinterpret_cast<uint64_t>(&from), reinterpret_cast<uint64_t>(queued));
    for (long i = 0; i < count; ++i)
      if (queued[i].si_signo == number && queued[i].si_code == code) return true;
    if (count < kPeekCount) return false;
    from.off += kPeekCount;
  }
}

uint64_t Tracee::event_message() {
  unsigned long message = 0;
  call(PTRACE_GETEVENTMSG, 0, reinterpret_cast<uint64_t>(&message));
  return message;
}

void Tracee::resume(int request, int signal) {
  VS_CHECK(stopped, *this);
  stopped = false;
  listening = request == PTRACE_LISTEN;
  call(request, 0, static_cast<uint64_t>(signal));
}

void Tracee::cont(int signal) {
  resume(PTRACE_CONT, signal);
}
void Tracee::step(int signal) {
  resume(PTRACE_SINGLESTEP, signal);
}
void Tracee::step_to_syscall_exit() {
  resume(PTRACE_SYSCALL, 0);
}

void Tracee::listen() {
  stopped = false;
  listening = true;
  // Fails with EIO when SIGCONT came meanwhile: the thread is to run then.
  if (call(PTRACE_LISTEN, 0, 0) != 0) {
    listening = false;
    call(PTRACE_CONT, 0, 0);
  }
}

uint64_t Tracee::signal_mask() {
  uint64_t mask = 0;
  call(kGetSignalMask, sizeof mask, reinterpret_cast<uint64_t>(&mask));
  return mask;
}

void Tracee::set_signal_mask(uint64_t mask) {
  call(kSetSignalMask, sizeof mask, reinterpret_cast<uint64_t>(&mask));
}

void Tracee::unblock_trap() {
  if (trap_unblocked) return;
  const uint64_t mask = signal_mask();
  if ((mask & kTrapBit) == 0) return;
  set_signal_mask(mask & ~kTrapBit);
  trap_unblocked = true;
}

void Tracee::reblock_trap() {
  if (!trap_unblocked) return;
  trap_unblocked = false;
  set_signal_mask(signal_mask() | kTrapBit);
}

// PTRACE_GETSIGMASK answers with the mask that comes back, /proc with the one in force (kernel/ptrace.c: task_struct's
// saved_sigmask and blocked); PTRACE_SETSIGMASK ends the wait's.
void Tracee::take_over_wait_mask(const Registers& registers) {
  if (wait_mask || static_cast<int64_t>(registers.orig_rax) < 0) return;
  const auto status = read_status_of(tid);
  const uint64_t own = signal_mask();
  if (!status || status->blocked == own) return;
  wait_mask = status->blocked;
  set_signal_mask(own);
}

void Tracee::hide_fpu_address(uint64_t start, uint64_t end) {
  user_fpregs_struct state;
  if (call(PTRACE_GETFPREGS, 0, reinterpret_cast<uint64_t>(&state)) != 0) return;
  if (state.rip < start || state.rip >= end) return;
  state.rip = 0;
  call(PTRACE_SETFPREGS, 0, reinterpret_cast<uint64_t>(&state));
}

bool Tracee::interrupt() {
  if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0) return true;
  gone = gone || errno == ESRCH;
  return false;
}

bool Tracee::detach(int signal) {
  stopped = false;
  return ptrace(PTRACE_DETACH, tid, 0, signal) == 0;
}

void Tracee::read(uint64_t address, void* to, size_t size) {
  if (read_memory(tid, address, to, size)) return;
  registers();  // throws when that is why
  log_line(LogLevel::kError, "cannot read %zu bytes at %#lx of thread %d", size, address, tid);
  VS_CHECK(!"memory of the agent is readable", *this);
}

void Tracee::write(uint64_t address, const void* from, size_t size) {
  if (write_memory(tid, address, from, size)) return;
  registers();
  log_line(LogLevel::kError, "cannot write %zu bytes at %#lx of thread %d", size, address, tid);
  VS_CHECK(!"memory of the agent is writable", *this);
}

void Tracee::note_stop(WaitStatus status) {
  stop = status;
  stopped = true;
  listening = false;
  ++stop_count;
}

void Tracee::wait_for_stop() {
  const std::optional<WaitStatus> status = waits.wait_for(tid);
  if (!status) {
    // Dead (its exit is queued), or asleep where it should not be; in that case its stop comes later, as an event.
    gone = !waits.wait_timed_out();
    if (!gone) log_line(LogLevel::kWarning, "thread %d does not stop", tid);
    throw TraceeGone{tid};
  }
  if (status->kind() == WaitStatus::Kind::kEvent && status->event() == PTRACE_EVENT_EXIT) {
    // Its last stop, in which its records are read: nothing else is to be done with it.
    waits.put_back({tid, *status});
    gone = true;
    throw TraceeGone{tid};
  }
  note_stop(*status);
}

std::string Tracee::describe() {
  char text[512];
  Registers now{};
  const bool readable = stopped && ptrace(PTRACE_GETREGS, tid, 0, &now) == 0;
  snprintf(text, sizeof text, "%s (%s)%s rip %#llx rsp %#llx rax %#llx orig_rax %lld gs_base %#llx",
           stopped ? "stopped" : "running", stop.describe().c_str(), readable ? "" : " registers unknown", now.rip,
           now.rsp, now.rax, static_cast<long long>(now.orig_rax), now.gs_base);
  return text;
}

}  // namespace vsup::supervisor
