// Purpose: stops every thread of an address space in app state, acts, and lets all go on as their processes want.
#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

constexpr unsigned kLongSleep = 50;  // nudges, a millisecond each

}  // namespace

void SessionImpl::with_world_stopped(const std::shared_ptr<AddressSpace>& space, std::function<void()> action,
                                     std::function<void()> afterwards, bool needs_vfork_parents) {
  if (action) space->actions.push_back(std::move(action));
  if (afterwards) space->afterwards.push_back(std::move(afterwards));
  space->needs_vfork_parents = space->needs_vfork_parents || needs_vfork_parents;
  if (!space->stopping) {
    space->stopping = true;
    for (Task* task : space->tasks) request_stop(*task);
    if (!space->tasks.empty()) ++space->tasks.front()->process->counters.world_stops;
  }
  check_world(space);
  if (space->stopping) arm_nudge(space);
}

void SessionImpl::request_stop(Task& task) {
  if (task.gone || task.stopped || task.exited) return;
  if (task.in_vfork) {
    // It cannot stop before its child lets it: it moves at PTRACE_EVENT_VFORK_DONE.
    task.must_reenter = true;
    return;
  }
  if (task.pending_set) return;
  task.interrupt();
}

bool SessionImpl::is_unstoppable(const Task& task) const {
  return !task.stopped && (task.in_vfork || task.asleep_count >= kLongSleep);
}

void SessionImpl::check_world(const std::shared_ptr<AddressSpace>& space) {
  if (!space || !space->stopping || space->acting) return;
  for (const Task* task : space->tasks) {
    if (task->parked || task->gone || task->exited) continue;
    if (is_unstoppable(*task) && !space->needs_vfork_parents) continue;
    return;
  }
  space->acting = true;
  while (!space->actions.empty()) {
    const auto actions = std::exchange(space->actions, {});
    for (const auto& action : actions) {
      try {
        action();
      } catch (const TraceeGone&) {
        // It has gone; the others go on.
      } catch (const CheckFailure& failure) {
        if (Task* task = find_task(failure.tid)) fail_process(*task->process, failure.what());
      }
    }
  }
  space->acting = false;
  space->stopping = false;
  space->needs_vfork_parents = false;
  std::vector<pid_t> parked;
  for (Task* task : space->tasks) {
    if (task->parked) parked.push_back(task->tid);
    task->parked = false;
  }
  for (const pid_t tid : parked) guarded(tid, [this](Task& task) { settle(task); });
  const auto afterwards = std::exchange(space->afterwards, {});
  for (const auto& job : afterwards) job();
  if (waits_.take_dirty()) schedule_drain();
}

void SessionImpl::with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit) {
  with_process_stopped(pid, [visit = std::move(visit)](const StoppedProcess* process) {
    visit(process != nullptr ? process->threads() : std::vector<ThreadRegisters>());
  });
}

}  // namespace vsup::supervisor
