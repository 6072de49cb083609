// Purpose: switches instrumentation of processes on and off, and answers when every thread has moved.
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <functional>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/rseq.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

constexpr uint64_t kArenaEnd = protocol::kArenaBase + protocol::kArenaSize;

bool has_ended(const Process& process) {
  return std::all_of(process.tasks.begin(), process.tasks.end(), [](const auto& entry) { return entry.second->gone; });
}

// A filter may be one thread's alone.
bool is_any_sandboxed(const AddressSpace& space) {
  return std::any_of(space.tasks.begin(), space.tasks.end(), [](const Task* task) { return is_sandboxed(task->tid); });
}

}  // namespace

std::string SessionImpl::inject(Process& process) {
  AddressSpace& space = *process.space;
  if (space.vdso_syscall == 0) return "no vdso to make system calls by";
  // Each thread would make the agent's calls.
  if (is_any_sandboxed(space)) return "its own seccomp filter might kill it for the agent's system calls";
  std::vector<Task*> tasks = space.tasks;
  // For the same reason as in refresh_code, rather by one without a signal.
  std::stable_partition(tasks.begin(), tasks.end(), [](const Task* task) { return task->held.empty(); });
  for (Task* task : tasks) {
    if (!task->stopped || task->gone) continue;
    try {
      if ((task->registers().cs & 0xffff) != 0x33) return "a 32-bit program";
      protocol::AgentSettings settings = options_.settings;
      if ((task->signal_mask() & kTrapBit) != 0) settings.guard_trap = protocol::kTrapHandled;
      if (ignores_trap_now(task->tid)) {
        settings.guard_trap = protocol::kTrapHandled;
        settings.ignore_trap = 1;
      }
      std::string error = inject_agent(*task, space.vdso_syscall, agent_, settings, space.shared);
      if (!error.empty()) return error;
      space.injected = true;
      set_heap_alone(*task, space.tasks.size() == 1);
      space.slots.release_all();
      task->slot = space.slots.allocate();
      task->slot_ready = true;
      return {};
    } catch (const TraceeGone&) {
      continue;
    } catch (const CheckFailure& failure) {
      fail_process(process, failure.what());
      return failure.what();
    }
  }
  return "no thread to inject by";
}

void SessionImpl::guard_signals(AddressSpace& space, bool was_native) {
  const bool filtered = is_any_sandboxed(space);
  for (Task* task : space.tasks) {
    if (!task->stopped || task->gone) continue;
    const auto status = read_status_of(task->tid);
    if (!status) return;
    const bool caught = (status->caught & kTrapBit) != 0, ignored = (status->ignored & kTrapBit) != 0;
    const uint32_t ignore = ignored ? 1 : 0;
    const uint64_t settings = agent_.exports.settings;
    if (caught || ignored || (status->caught != 0 && !filtered)) {
      const uint32_t guard = caught || ignored ? protocol::kTrapHandled : protocol::kHandlersBlockTrap;
      write_value(task->tid, settings + offsetof(protocol::AgentSettings, guard_trap), guard);
    }
    const uint32_t faults = filtered                                          ? protocol::kFaultsFiltered
                            : (status->caught & protocol::kFaultSignals) != 0 ? protocol::kGuardFaults
                                                                              : protocol::kFaultsUnhandled;
    write_value(task->tid, settings + offsetof(protocol::AgentSettings, guard_faults), faults);
    // Default may be what our own trap has made of it.
    if (caught || ignored || was_native)
      write_value(task->tid, settings + offsetof(protocol::AgentSettings, ignore_trap), ignore);
    return;
  }
}

bool SessionImpl::ignores_trap(const Process& process, pid_t tid) {
  uint32_t ignores = 0;
  return process.space->injected && !process.borrowed_space &&
         read_value(tid, agent_.exports.settings + offsetof(protocol::AgentSettings, ignore_trap), ignores) &&
         ignores != 0;
}

// On the way to native code: what the agent would have put right on the way back into the cache.
void SessionImpl::ensure_trap_ignored(Task& task) {
  if (!task.instrumented || wants_cache(task) || !ignores_trap(*task.process, task.tid) || ignores_trap_now(task.tid) ||
      is_sandboxed(task.tid))
    return;
  ignore_trap_again(task, task.process->space->vdso_syscall);
}

// Its sequences would not be aborted in the cache, and what they count would be wrong.
bool SessionImpl::uses_rseq(const Process& process) {
  return std::any_of(process.space->tasks.begin(), process.space->tasks.end(), [this](const Task* task) {
    return task->stopped && !task->gone && rseq_sections_.in_process(task->tid);
  });
}

void SessionImpl::pass_on_rseq(AddressSpace& space) {
  const Task* standing = nullptr;
  bool registered = false;
  for (const Task* task : space.tasks) {
    if (task->stopped && !task->gone) {
      standing = task;
      registered = registered || rseq_area(task->tid);
    } else if (task->tid == task->process->pid) {
      registered = true;  // a first thread that has ended cannot be asked; new ones abort where only it has succeeded
    }
  }
  if (!registered || standing == nullptr) return;
  space.passes_rseq = true;
  const uint32_t pass = 1;
  write_value(standing->tid, agent_.exports.settings + offsetof(protocol::AgentSettings, pass_rseq), pass);
}

// Native code may unmap, map and protect code, and the agent hears nothing of it: then its blocks are out of date.
// What it writes into writable or anonymous code the blocks notice themselves.
void SessionImpl::refresh_code(AddressSpace& space, bool on) {
  const auto standing = std::find_if(space.tasks.begin(), space.tasks.end(),
                                     [](const Task* task) { return task->stopped && !task->gone; });
  if (standing == space.tasks.end()) return;
  const Task& reader = **standing;  // not a leader that has ended: it has no memory any more
  uint64_t fingerprint = 1;
  const auto mix = [&fingerprint](uint64_t value) { fingerprint = (fingerprint ^ value) * 0x100000001b3; };
  for (const Mapping& mapping : read_maps(reader.tid)) {
    if (!mapping.executable || (mapping.start >= protocol::kArenaBase && mapping.start < kArenaEnd)) continue;
    mix(mapping.start);
    mix(mapping.end);
    mix(mapping.offset);
    mix(std::hash<std::string>()(mapping.path));
    mix((mapping.writable ? 1 : 0) | (mapping.shared ? 2 : 0) | (mapping.readable ? 4 : 0));
  }
  if (on && space.code_fingerprint != 0 && space.code_fingerprint != fingerprint) {
    // By the first thread that enters the cache, not by a remote call now: one that stands at a signal's delivery would
    // lose the mask that pselect and others set for just that signal.
    want_flush(reader);
  }
  space.code_fingerprint = on ? 0 : fingerprint;
}

// Functions that its threads have entered natively are found by these.
void SessionImpl::refresh_stack_tables(AddressSpace& space) {
  if (!space.watch) space.watch = options_.make_module_watch();
  const auto standing = std::find_if(space.tasks.begin(), space.tasks.end(),
                                     [](const Task* task) { return task->stopped && !task->gone; });
  if (standing != space.tasks.end()) space.watch->update((*standing)->tid);
}

void SessionImpl::toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) {
  std::map<std::shared_ptr<AddressSpace>, std::vector<pid_t>> spaces;
  for (Process* process : select(pids)) {
    if (!process->traceable || process->detaching) continue;
    spaces[process->space].push_back(process->pid);
    process->want_on = on;
    ++process->counters.toggles;
  }
  const auto job = std::make_shared<ModeSwitch>(spaces.size() + 1, std::move(done));
  for (const auto& [space, members] : spaces) {
    space->switching = job;
    with_world_stopped(
        space,
        [this, on, members = members, space = space.get()] {
          space->switching.reset();
          for (const pid_t pid : members) {
            Process* process = find_process(pid);
            if (process == nullptr || process->space.get() != space) continue;  // gone, or executes a new image
            const bool was_native = process->space->code_fingerprint != 0;
            process->space->ready_on = on;
            if (process->space->injected) refresh_code(*process->space, on);
            update_breakpoints(*process->space);
            if (!on) {
              if (process->space->hooks.on) set_hooks(*process->space, false);
              continue;
            }
            std::string error;
            if (options_.settings.run_native == 0 && uses_rseq(*process)) {
              error = kUsesRseq;
            } else if (!process->space->injected) {
              error = inject(*process);
            }
            if (error.empty()) {
              pass_on_rseq(*process->space);
              guard_signals(*process->space, was_native);
              if (options_.settings.hook_heap != 0)
                set_hooks(*process->space, true);
              else if (options_.walks_stacks)
                refresh_stack_tables(*process->space);
              continue;
            }
            if (has_ended(*process)) continue;
            process->traceable = false;
            process->want_on = process->space->ready_on = false;
            note(*process, "not instrumented: " + error);
          }
        },
        [this, on, job, members = members] {
          const double now = realtime_seconds();
          unsigned processes = 0, threads = 0;
          for (const pid_t pid : members) {
            const Process* process = find_process(pid);
            if (process == nullptr || !process->traceable) continue;
            ++processes;
            threads += static_cast<unsigned>(process->tasks.size());
            observer_.mode_changed(pid, on, now);
          }
          job->finish_part(processes, threads);
        });
  }
  job->finish_part(0, 0);
}

}  // namespace vsup::supervisor
