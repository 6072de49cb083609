// Purpose: attaches to running processes with all their threads, and lets go of processes without a trace.
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/session/session_impl.h"
#include "supervisor/session/trace_options.h"

namespace vsup::supervisor {

void SessionImpl::attach(pid_t pid) {
  const std::string name = "process " + std::to_string(pid);
  const auto status = read_status_of(pid);
  if (!status) throw StartError(name + ": no such process", 1);
  if (status->tgid != pid)
    throw StartError(name + ": a thread of process " + std::to_string(status->tgid) + "; attach to that", 1);
  if (pid == getpid()) throw StartError(name + ": this is vsup itself", 1);
  const pid_t living = living_thread(pid);
  if (living == 0) throw StartError(name + ": it has ended already", 1);
  if (status->tracer != 0) throw StartError(name + ": traced already, by process " + std::to_string(status->tracer), 1);
  if (options_.instrument_at_start) {
    const std::string occupied = check_ranges_free(living);
    if (!occupied.empty()) throw StartError(name + ": " + occupied, 1);
  }
  Process& process = add_process(pid, status->ppid);
  process.space = std::make_shared<AddressSpace>();
  process.want_on = false;
  process.space->vdso_syscall = find_vdso_syscall(read_auxv(living, AT_SYSINFO_EHDR));
  refresh_image_facts(process, living);
  try {
    seize_all_threads(pid, process);
  } catch (...) {
    for (Task* task : std::vector<Task*>(process.space->tasks)) remove_task(task->tid);
    processes_.erase(pid);
    throw;
  }
  announce(process);
  report_modules(process);
  if (options_.instrument_at_start) {
    toggle(true, {pid}, {});
  } else if (options_.native_requests) {
    with_world_stopped(process.space, [this, space = process.space] { update_breakpoints(*space); }, {});
  }
}

// Threads born meanwhile of a seized thread are traced automatically; those of one not seized yet are found by
// listing again until nothing is new.
void SessionImpl::seize_all_threads(pid_t pid, Process& process) {
  for (bool found_new = true; found_new;) {
    found_new = false;
    for (const pid_t tid : list_threads(pid)) {
      if (find_task(tid) != nullptr || orphans_.count(tid) != 0) continue;
      if (ptrace(PTRACE_SEIZE, tid, 0, trace_options()) == 0) {
        add_task(tid, process);
        found_new = true;
        continue;
      }
      const int error = errno;
      const auto status = read_status_of(tid);
      if (error == ESRCH || (status && status->tracer == getpid())) continue;
      if (status && (status->state == 'Z' || status->state == 'X')) continue;  // a leader that has ended
      throw StartError("process " + std::to_string(pid) + ": " + explain_trace_failure(tid, error), 1);
    }
  }
  if (process.tasks.empty()) throw StartError("process " + std::to_string(pid) + ": no such process", 1);
}

// In app state, nothing of ours is in its memory.
void SessionImpl::leave(Task& task) {
  continue_wait(task, false);
  int signal = 0;
  if (!task.held.empty()) {
    if (!can_inject_signal(task)) make_injectable(task);
    task.set_signal_info(task.held.front().info);
    signal = task.held.front().number;
    task.held.pop_front();
  }
  task.set_registers(task.app);
  task.detach(signal);
  for (const HeldSignal& held : task.held) syscall(SYS_tgkill, task.process->pid, task.tid, held.number);
  task.held.clear();
}

// A thread whose transfer went on after the detach of its process has stopped: at the transfer's end, by a signal, or
// because somebody would not wait any longer.
void SessionImpl::leave_late(Task& task) {
  Process& process = *task.process;
  if (!process.hurried && task.held.empty() && continue_transfer(task)) return;
  leave(task);
  remove_task(task.tid);
  if (process.tasks.empty()) end_process(process, ProcessEnd::kDetached, 0);
}

// Asked a second time: a transfer whose other side does not move is cut short.
void SessionImpl::hasten_transfers(Process& process) {
  process.hurried = process.left;
  if (!process.left) return;
  for (const auto& [tid, task] : process.tasks)
    if (task->continued) task->interrupt();
}

void SessionImpl::detach(const std::vector<pid_t>& pids, std::function<void(unsigned)> done) {
  struct Job {
    unsigned count = 0;
    size_t remaining = 1;
    std::function<void(unsigned)> done;
  };
  const auto job = std::make_shared<Job>();
  job->done = std::move(done);
  std::map<std::shared_ptr<AddressSpace>, std::vector<pid_t>> spaces;
  for (Process* process : select(pids)) {
    if (process->detaching) {
      hasten_transfers(*process);
      continue;
    }
    // Who shares the memory goes with it.
    for (const auto& [pid, other] : processes_) {
      if (other->space != process->space || other->detaching) continue;
      other->detaching = true;
      other->want_on = false;
      spaces[other->space].push_back(pid);
    }
  }
  job->remaining += spaces.size();
  const auto finish_one = [this, job] {
    if (--job->remaining != 0) return;
    if (job->done) job->done(job->count);
    schedule_drain();
  };
  for (const auto& [space, members] : spaces) {
    with_world_stopped(
        space,
        [this, job, space = space.get(), members = members] {
          leave_blocks(*space);
          for (const pid_t pid : members) {
            Process* process = find_process(pid);
            if (process == nullptr || options_.settings.tool_name[0] == '\0') continue;
            for (const auto& [tid, task] : process->tasks) {
              if (!task->parked || task->gone) continue;
              guarded(tid, [this, process](Task& one) { report_records(*process, one, RecordsMoment::kDetach); });
              break;
            }
          }
          update_breakpoints(*space);
          bool ejected = !space->injected;
          std::vector<Task*> leaving_tasks = space->tasks;
          std::stable_partition(leaving_tasks.begin(), leaving_tasks.end(),
                                [](const Task* task) { return !is_sandboxed(task->tid); });
          for (Task* task : leaving_tasks) {
            guarded(task->tid, [this, space, &ejected](Task& leaving) {
              if (!leaving.parked) return;
              if (!ejected) {
                const bool sandboxed = is_sandboxed(leaving.tid);
                if (remove_hooks(*space, leaving) && !sandboxed) {
                  eject_agent(leaving, space->vdso_syscall);
                  space->injected = false;
                } else {
                  note(*leaving.process, std::string(sandboxed ? "its own seccomp filter might kill it for unmapping"
                                                               : "a thread was inside an allocation function") +
                                             ": the agent's memory stays mapped");
                }
                ejected = true;
              }
              leaving.parked = false;
              if (!leaving.held.empty() || !continue_transfer(leaving)) leave(leaving);
            });
          }
          for (const pid_t pid : members) {
            Process* process = find_process(pid);
            if (process == nullptr) continue;
            ++job->count;
            process->left = true;
            std::vector<pid_t> threads;
            for (const auto& [tid, task] : process->tasks)
              if (!task->continued) threads.push_back(tid);
            for (const pid_t tid : threads) remove_task(tid);
            if (process->tasks.empty()) end_process(*process, ProcessEnd::kDetached, 0);
          }
        },
        finish_one, true);
  }
  finish_one();
}

}  // namespace vsup::supervisor
