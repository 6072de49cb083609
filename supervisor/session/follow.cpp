// Purpose: images and processes as they come and go: exec, exit.
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/session_impl.h"
#include "supervisor/session/skip_patterns.h"

namespace vsup::supervisor {

// At PTRACE_EVENT_EXIT. A thread that is killed while it executes a new image makes no stop for that
// (kernel/signal.c: ptrace_stop does not stop with SIGKILL pending): the agent's memory is gone with the old one.
bool SessionImpl::has_unseen_image(const Task& task) const {
  uint32_t value = 0;
  return task.tid == task.process->pid && task.process->space->injected &&
         !read_value(task.tid, agent_.exports.settings, value);
}

// `killed`: at PTRACE_EVENT_EXIT, it executes no instruction of the image.
void SessionImpl::on_exec(pid_t pid, bool killed) {
  Process* process = find_process(pid);
  if (process == nullptr) {
    // Seized in the middle of an exec: it is followed from its next stop on.
    ptrace(PTRACE_CONT, pid, 0, 0);
    return;
  }
  unsigned long former = 0;
  if (!killed) ptrace(PTRACE_GETEVENTMSG, pid, 0, &former);
  const std::vector<CounterValue> last = counter_values(*process);
  const std::shared_ptr<AddressSpace> old_space = process->space;
  std::deque<HeldSignal> held;
  if (Task* task = find_task(static_cast<pid_t>(former))) held = std::move(task->held);
  std::vector<pid_t> threads;
  for (const auto& [tid, task] : process->tasks) threads.push_back(tid);
  for (const pid_t tid : threads) remove_task(tid);

  process->space = std::make_shared<AddressSpace>();
  process->space->vdso_syscall = find_vdso_syscall(read_auxv(pid, AT_SYSINFO_EHDR));
  process->borrowed_space = false;
  process->note.clear();
  const bool first = pid == root_pid_ && !root_execed_;
  Task& task = add_task(pid, *process);
  task.note_stop(WaitStatus(((killed ? PTRACE_EVENT_EXIT : PTRACE_EVENT_EXEC) << 16) | (SIGTRAP << 8) | 0x7f));
  task.held = std::move(held);
  refresh_image_facts(*process, pid);
  if (first) {
    root_execed_ = true;
  } else {
    std::string why;
    if (!options_.trace_children) {
      why = "not followed (--trace-children=no)";
    } else {
      const std::string called = read_string(pid, read_auxv(pid, AT_EXECFN), 4096).value_or("");
      const std::string pattern = find_skip_pattern(options_.skip_patterns, options_.skip_by_arg_patterns,
                                                    {process->executable, called}, process->arguments);
      if (!pattern.empty()) why = "skipped by pattern " + pattern;
    }
    if (process->announced) {
      if (!why.empty())
        observer_.process_note(pid, "executes " + process->executable + ", " + why + ": runs native and untraced");
      observer_.process_execed(pid, last);
    }
    process->announced = false;
    ++process->image;
    process->counters = {};
    process->started_seconds = realtime_seconds();
    if (!why.empty()) {
      guarded(pid, [this](Task& execed) { let_go(execed); });
      check_world(old_space);
      return;
    }
  }
  process->traceable = true;
  if (killed) {
    announce(*process);
  } else {
    guarded(pid, [this](Task& execed) { setup_image(execed); });
  }
  check_world(old_space);
}

void SessionImpl::setup_image(Task& task) {
  Process& process = *task.process;
  // The mode of a new image is its predecessor's: a session switched off stays off.
  const Registers registers = task.registers();
  if ((registers.cs & 0xffff) != kCodeSegment64) {
    process.traceable = false;
    process.note = "a 32-bit program: runs native";
  }
  announce(process);
  if (!process.note.empty()) observer_.process_note(process.pid, process.note);
  struct stat facts {};
  if (stat(process.executable.c_str(), &facts) == 0 && (facts.st_mode & (S_ISUID | S_ISGID)) != 0 && geteuid() != 0)
    observer_.process_note(process.pid, "set-user-id and set-group-id are ignored for a traced program");
  report_modules(process);
  if (process.want_on && process.traceable) {
    leave_event_stop(task);
    const std::string error = inject(process);
    if (task.gone) throw TraceeGone{task.tid};
    if (!error.empty()) {
      process.traceable = false;
      process.want_on = false;
      note(process, "not instrumented: " + error);
      log_line(LogLevel::kWarning, "process %d runs native: %s", process.pid, error.c_str());
    } else if (options_.settings.hook_heap != 0) {
      process.space->hooks.on = true;
      refresh_hooks(task);
    }
  }
  process.space->ready_on = process.want_on;
  if (!process.want_on) update_breakpoints(*process.space);
  settle(task);
}

// At PTRACE_EVENT_EXEC: the image is new, so nothing of ours is in it.
void SessionImpl::let_go(Task& task) {
  Process& process = *task.process;
  task.detach();
  for (const HeldSignal& signal : task.held) syscall(SYS_tgkill, process.pid, task.tid, signal.number);
  remove_task(task.tid);
  end_process(process, ProcessEnd::kDetached, 0);
}

void SessionImpl::on_task_gone(pid_t tid, WaitStatus status) {
  if (Task* task = find_task(tid)) {
    Process& process = *task->process;
    const pid_t pid = process.pid;
    const std::shared_ptr<AddressSpace> space = process.space;
    // Who waited for this vfork child is told by PTRACE_EVENT_VFORK_DONE.
    remove_task(tid);
    if (process.tasks.empty() || tid == pid) {
      std::vector<pid_t> rest;
      for (const auto& [other, unused] : process.tasks) rest.push_back(other);
      for (const pid_t other : rest) remove_task(other);
      end_process(process, ProcessEnd::kExited, status.raw());
    }
    check_world(space);
  }
  if (tid == root_pid_) {
    root_ended_ = true;
    root_status_ = status.raw();
    if (!options_.wait_for_daemons) watch_for_daemons();
    watch_left_behind();
  }
}

void SessionImpl::end_process(Process& process, ProcessEnd end, int wait_status) {
  // Killed at its exec-stop; a program that could not be executed at all was never one.
  const bool has_image = process.pid != root_pid_ || root_execed_;
  if (!process.announced && has_image && end != ProcessEnd::kDetached) announce(process);
  if (process.announced || process.image > 0)
    observer_.process_exited(process.pid, end, wait_status, counter_values(process));
  processes_.erase(process.pid);
}

}  // namespace vsup::supervisor
