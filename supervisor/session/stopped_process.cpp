#include "supervisor/session/stopped_process.h"

#include <sys/syscall.h>

#include <cstddef>

#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

// By `task`, which stands still; `can_run`: it would return to user mode if it were resumed.
class SessionImpl::Stopped : public StoppedProcess {
 public:
  Stopped(SessionImpl& session, Process& process, Task& task, bool can_run)
      : session_(session), process_(process), task_(task), can_run_(can_run) {
    if (process.space->injected) {
      generation_ = task.read_as<uint64_t>(session.agent_.exports.state + offsetof(protocol::AgentState, generation));
    }
  }

  void add(const Task& task, const Registers& registers) { add(task.tid, registers, context_of(task)); }

  void add(pid_t tid, const Registers& registers, uint64_t context) {
    ThreadRegisters thread = thread_registers(tid, registers, context);
    thread.name = thread_name(process_.pid, tid);
    threads_.push_back(std::move(thread));
  }

  pid_t pid() const override { return process_.pid; }
  pid_t tid() const override { return task_.tid; }
  uint64_t generation() const override { return generation_; }
  const std::vector<ThreadRegisters>& threads() const override { return threads_; }
  bool read(uint64_t address, void* to, size_t size) const override {
    return read_memory(task_.tid, address, to, size);
  }
  bool write(uint64_t address, const void* from, size_t size) override {
    return write_memory(task_.tid, address, from, size);
  }

  bool call_agent(uint64_t function) override {
    if (!can_run_ || !process_.space->injected || !task_.slot_ready) return false;
    RemoteCalls calls(task_, session_.agent_.exports.syscall_insn);
    const uint64_t context = slot_address(static_cast<unsigned>(task_.slot));
    calls.call(function, context + protocol::kSlotSize, context, session_.agent_.exports.remote_return);
    return true;
  }

 private:
  SessionImpl& session_;
  Process& process_;
  Task& task_;
  const bool can_run_;
  uint64_t generation_ = 0;
  std::vector<ThreadRegisters> threads_;
};

uint64_t SessionImpl::context_of(const Task& task) {
  return task.slot_ready ? slot_address(static_cast<unsigned>(task.slot)) : 0;
}

ThreadRegisters SessionImpl::thread_registers(pid_t tid, const Registers& registers, uint64_t context) {
  ThreadRegisters thread;
  thread.tid = tid;
  for (unsigned index = 0; index < 16; ++index) thread.gpr[index] = get_gpr(registers, index);
  thread.pc = registers.rip;
  thread.fs_base = registers.fs_base;
  thread.context = context;
  return thread;
}

void SessionImpl::keep_last_registers(Task& task) {
  const Registers registers = task.at_app_state ? task.app : task.registers();
  if (registers.orig_rax == SYS_exit) return;
  task.process->ended.push_back({task.tid, context_of(task), registers});
}

void SessionImpl::report_records(Process& process, Task& task, RecordsMoment moment) {
  if (process.borrowed_space) return;
  if (!process.space->injected && (moment != RecordsMoment::kExit || !process.traceable)) return;
  Stopped stopped(*this, process, task, moment == RecordsMoment::kDetach);
  if (moment == RecordsMoment::kExit) {
    for (const EndedThread& ended : process.ended) stopped.add(ended.tid, ended.registers, ended.context);
    observer_.records_ready(stopped, moment);
    return;
  }
  for (const auto& [tid, other] : process.tasks) {
    if (other == &task) {
      stopped.add(task, task.at_app_state ? task.app : task.registers());
    } else if (other->parked && !other->gone) {
      stopped.add(*other, other->app);
    }
  }
  observer_.records_ready(stopped, moment);
}

void SessionImpl::with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit) {
  const Process* process = find_process(pid);
  if (process == nullptr) {
    visit(nullptr);
    return;
  }
  with_world_stopped(process->space,
                     [this, pid, visit = std::move(visit)] {
                       Process* visited = find_process(pid);
                       Task* first = nullptr;
                       if (visited != nullptr) {
                         for (const auto& [tid, task] : visited->tasks) {
                           if (task->parked && !task->gone && (first == nullptr || !first->slot_ready)) first = task;
                         }
                       }
                       if (first == nullptr) {
                         visit(nullptr);
                         return;
                       }
                       Stopped stopped(*this, *visited, *first, true);
                       for (const auto& [tid, task] : visited->tasks) {
                         if (task->parked && !task->gone) stopped.add(*task, task->app);
                       }
                       visit(&stopped);
                     },
                     {});
}

}  // namespace vsup::supervisor
