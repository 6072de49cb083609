// Purpose: newborn threads and processes: clone, fork, vfork. A newborn's first stop and its parent's event are two
// events that come in either order; both stand until the other one has come.
#include <elf.h>
#include <linux/kcmp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

constexpr auto kOrphanLook = std::chrono::milliseconds(20);
// A parent that was not let run on a busy machine has told of its child by then, mostly.
constexpr double kPatienceSeconds = 1;

bool is_thread_of(pid_t pid, pid_t tid) {
  return access(("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid)).c_str(), F_OK) == 0;
}

// None: the kernel does not say.
std::optional<bool> shares_memory(pid_t one, pid_t other) {
  const long result = syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0);
  return result < 0 ? std::nullopt : std::optional<bool>(result == 0);
}

// Of the thread whose context GS base points to; -1: to none.
int slot_of(const Registers& registers) {
  const uint64_t offset = registers.gs_base - protocol::kSlotsBase;
  return offset < uint64_t{protocol::kMaxSlots} * protocol::kSlotSize ? static_cast<int>(offset / protocol::kSlotSize)
                                                                      : -1;
}

}  // namespace

// The parent stands in PTRACE_EVENT_{CLONE,FORK,VFORK}; the child, traced like its parent, stops before its first
// instruction, maybe before we hear of the parent's event, maybe after. The parent stands until then.
void SessionImpl::on_birth(Task& parent) {
  const pid_t child_tid = static_cast<pid_t>(parent.event_message());
  if (parent.stop.event() == PTRACE_EVENT_VFORK) parent.in_vfork = true;
  if (const auto orphan = orphans_.find(child_tid); orphan != orphans_.end()) {
    const WaitStatus status = orphan->second.status;
    orphans_.erase(orphan);
    receive_child(parent, child_tid, status);
  } else if (find_task(child_tid) == nullptr && waits_.is_ours(child_tid)) {
    births_[child_tid] = parent.tid;
  } else {  // killed already, or known from an attach
    run_on(parent);
  }
}

// The thread, if it has given birth, does not wait for the child any more: it is dying.
void SessionImpl::forget_birth(pid_t parent_tid) {
  std::erase_if(births_, [parent_tid](const auto& birth) { return birth.second == parent_tid; });
}

// Both stand.
void SessionImpl::receive_child(Task& parent, pid_t child_tid, WaitStatus status) {
  const bool waits = parent.stop.event() == PTRACE_EVENT_VFORK;
  Process& process = *parent.process;
  const std::shared_ptr<AddressSpace> space = process.space;
  if (is_thread_of(process.pid, child_tid) || shares_memory(parent.tid, child_tid).value_or(waits)) {
    receive_sharing_child(process, child_tid, status);
  } else {
    receive_fork_child(parent, child_tid, status);
  }
  run_on(parent);
  // A stop of the world that waited for the parent need not any longer when it waits for its vfork child.
  if (waits) check_world(space);
}

Process& SessionImpl::add_born_process(const Process& parent, pid_t pid) {
  Process& born = add_process(pid, parent.pid);
  born.want_on = parent.want_on;
  born.traceable = parent.traceable;
  born.note = parent.note;
  born.executable = parent.executable;
  born.arguments = parent.arguments;
  return born;
}

// A thread, or a process that has its parent's memory, as after vfork.
void SessionImpl::receive_sharing_child(Process& parent, pid_t child_tid, WaitStatus status) {
  Process* process = &parent;
  if (!is_thread_of(parent.pid, child_tid)) {
    process = &add_born_process(parent, child_tid);
    process->space = parent.space;
    process->borrowed_space = true;
    announce(*process);
  }
  add_task(child_tid, *process).note_stop(status);
  guarded(child_tid, [this](Task& child) { begin_sharing_child(child); });
}

void SessionImpl::begin_sharing_child(Task& child) {
  set_heap_alone(child, false);
  Registers registers = child.registers();
  const int parent_slot = slot_of(registers);
  if (parent_slot < 0) {
    settle(child);
    return;
  }
  // It starts inside the agent, with its parent's GS base.
  const auto from = child.read_as<protocol::ThreadContext>(slot_address(static_cast<unsigned>(parent_slot)));
  child.slot = child.process->space->slots.allocate();
  if (child.slot < 0) {
    note(*child.process, "more than " + std::to_string(protocol::kMaxSlots) + " threads: the further ones run native");
    child.app = registers;
    VS_CHECK(child.app.rip == agent_.exports.syscall_return, child);
    child.app.rip = child.app.rcx = from.app_pc;
    child.app.gs_base = from.app_gs_base;
    child.at_app_state = true;
    settle(child);
    return;
  }
  protocol::ThreadContext context = fresh_context(static_cast<unsigned>(child.slot));
  context.app_pc = from.app_pc;
  context.syscall_pc = from.syscall_pc;
  context.app_gs_base = from.app_gs_base;
  context.trap_blocked = from.trap_blocked;
  child.write_as(context.self, context);
  child.slot_ready = true;
  registers.gs_base = context.self;
  child.set_registers(registers);
  child.instrumented = true;
  // Its indirect branch table is empty yet: it goes through the agent's door, not on in the cache.
  child.must_reenter = true;
  settle(child);
}

void SessionImpl::receive_fork_child(Task& parent, pid_t child_pid, WaitStatus status) {
  const AddressSpace& space = *parent.process->space;
  const bool wanted_on = parent.process->want_on;
  Process& born = add_born_process(*parent.process, child_pid);
  born.want_on = space.ready_on;
  born.space = space.for_fork_child();
  announce(born);
  add_task(child_pid, born).note_stop(status);
  guarded(child_pid, [this, &parent](Task& child) { begin_fork_child(parent, child); });
  // A switch was asked for that its parent's memory had not been made ready for when it was copied.
  if (wanted_on == space.ready_on) return;
  const std::shared_ptr<ModeSwitch> whole = space.switching;
  if (whole) whole->add_part();
  toggle(wanted_on, {child_pid}, [whole](const ToggleResult& part) {
    if (whole) whole->finish_part(part.processes, part.threads);
  });
}

void SessionImpl::begin_fork_child(const Task& parent, Task& child) {
  AddressSpace& space = *child.process->space;
  child.instrumented = parent.instrumented;
  child.was_native = parent.was_native;
  child.trap_unblocked = parent.trap_unblocked;
  if (!space.injected) {
    settle(child);
    return;
  }
  set_heap_alone(child, true);
  if (parent.slot >= 0) {
    // Its memory, the context included, is a copy of its parent's; the other threads' slots are nobody's now.
    child.slot = parent.slot;
    child.slot_ready = parent.slot_ready;
    space.slots.take(child.slot);
  }
  if (!is_sandboxed(child.tid)) {
    const std::string error = replace_shared_block(child, agent_.exports.syscall_insn, space.shared);
    if (!error.empty()) log_line(LogLevel::kWarning, "process %d: %s", child.tid, error.c_str());
  }
  settle(child);
}

void SessionImpl::handle_unknown(const WaitManager::Event& event) {
  const auto birth = births_.extract(event.tid);
  const Task* parent = birth ? find_task(birth.mapped()) : nullptr;
  if (parent == nullptr || parent->gone) {
    orphans_[event.tid] = {event.status, monotonic_seconds(), {}};
    arm_orphan_timer();
    return;
  }
  guarded(parent->tid, [this, &event](Task& standing) { receive_child(standing, event.tid, event.status); });
}

void SessionImpl::forget_newborn(pid_t tid) {
  orphans_.erase(tid);
  if (const auto birth = births_.extract(tid)) guarded(birth.mapped(), [this](Task& standing) { run_on(standing); });
}

void SessionImpl::arm_orphan_timer() {
  if (orphan_timer_armed_) return;
  orphan_timer_armed_ = true;
  orphan_timer_.expires_after(kOrphanLook);
  orphan_timer_.async_wait([this](boost::system::error_code error) {
    orphan_timer_armed_ = false;
    if (!error && !ended_) adopt_orphans();
  });
}

// Whoever stops for anything else is not the parent: that would have told of its child first.
bool SessionImpl::may_have_parent(Orphan& orphan) {
  if (!orphan.candidates) {
    orphan.candidates.emplace();
    for (const auto& [tid, task] : tasks_)
      if (!task->stopped && !task->gone && !task->exited && !task->in_vfork)
        orphan.candidates->emplace_back(tid, task->stop_count);
  }
  const bool hurry = monotonic_seconds() - orphan.since_seconds > kPatienceSeconds;
  std::erase_if(*orphan.candidates, [&](const auto& candidate) {
    const Task* task = find_task(candidate.first);
    if (task == nullptr || task->gone || task->exited || task->stop_count != candidate.second) return true;
    return hurry && ptrace(PTRACE_INTERRUPT, task->tid, 0, 0) != 0;
  });
  return !orphan.candidates->empty();
}

// A stopped newborn whose parent's event does not come: the parent was killed in between.
void SessionImpl::adopt_orphans() {
  std::map<pid_t, Orphan> waiting;
  for (auto& [tid, orphan] : std::exchange(orphans_, {})) {
    const auto facts = read_status_of(tid);
    if (!facts) continue;
    if (may_have_parent(orphan)) {
      waiting.emplace(tid, std::move(orphan));
    } else {
      adopt(tid, *facts, orphan.status);
    }
  }
  orphans_.merge(waiting);
  if (!orphans_.empty()) arm_orphan_timer();
  end_if_last();
}

void SessionImpl::adopt(pid_t tid, const ProcessStatus& facts, WaitStatus status) {
  VS_DEBUG("thread %d of process %d is adopted", tid, facts.tgid);
  Process* process = find_process(facts.tgid);
  if (process == nullptr && shares_memory(facts.ppid, tid).value_or(false)) process = find_process(facts.ppid);
  if (process != nullptr) {
    receive_sharing_child(*process, tid, status);
    return;
  }
  process = &add_process(facts.tgid, facts.ppid);
  process->space = std::make_shared<AddressSpace>();
  process->space->vdso_syscall = find_vdso_syscall(read_auxv(facts.tgid, AT_SYSINFO_EHDR));
  process->space->injected = !check_ranges_free(facts.tgid).empty();
  process->want_on = process->space->injected && options_.instrument_at_start;
  process->space->ready_on = process->want_on;
  refresh_image_facts(*process, tid);
  announce(*process);
  add_task(tid, *process).note_stop(status);
  guarded(tid, [this](Task& orphan) {
    if (const int slot = slot_of(orphan.registers()); slot >= 0) {
      orphan.instrumented = true;
      orphan.slot = slot;
      orphan.slot_ready = true;
      orphan.process->space->slots.take(orphan.slot);
    }
    settle(orphan);
  });
}

}  // namespace vsup::supervisor
