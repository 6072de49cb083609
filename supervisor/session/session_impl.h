// Purpose: the state of a session and the steps that its parts share. Each .cpp file beside it implements one job:
//   session.cpp     events in, tasks and processes, the Controller's simple answers
//   spawn.cpp       starts the program            attach.cpp      attaches and detaches
//   births.cpp      clone, fork, vfork             follow.cpp      exec, exit
//   app_state.cpp   from any stop to app registers, and from app registers into the cache or to native code
//   signals.cpp     signal-delivery-stops         services.cpp    the agent's requests
//   client_requests.cpp   the app's requests, from the cache and from native code
//   heap_hooks.cpp  places hooks in allocation functions, and lets threads leave the agent's heap layer
//   world_stop.cpp  stops all threads of an address space            toggle.cpp  instrumentation on and off
//   stopped_process.cpp  what tools may do to a process that stands still
// Invariant: a task is handled only while it is stopped; whoever handles it ends with settle(), run_on() or its death.
#pragma once

#include <sys/signalfd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "protocol/client_requests.h"
#include "supervisor/base/clock.h"
#include "supervisor/base/tick_clock.h"
#include "supervisor/inject/agent_image.h"
#include "supervisor/inject/state_map.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/ptrace/wait.h"
#include "supervisor/session/cut_transfer.h"
#include "supervisor/session/event_bursts.h"
#include "supervisor/session/process.h"
#include "supervisor/session/rseq_sections.h"
#include "supervisor/session/session.h"

namespace vsup::supervisor {

// What the kernel is going to do with a signal.
enum class SignalFate { kHandler, kIgnored, kStops, kFatal };

class SessionImpl {
 public:
  SessionImpl(boost::asio::io_context& io, const SessionOptions& options, SessionObserver& observer);
  ~SessionImpl();

  void start();

  // Controller
  std::vector<ProcessSummary> summaries() const;
  void toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done);
  std::vector<CounterValue> counters(pid_t pid) const;
  void with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit);
  void with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit);
  unsigned kill(const std::vector<pid_t>& pids);
  void detach(const std::vector<pid_t>& pids, std::function<void(unsigned)> done);

 private:
  // session.cpp: events
  void watch_children();
  void drain();
  void schedule_drain();
  void handle(const WaitManager::Event& event);
  void dispatch(Task& task);
  void keep_last_registers(Task& task);
  void report_records(Process& process, Task& task, RecordsMoment moment);
  // Runs `job` on a task; turns its death or a failed check into the task's or process's end.
  void guarded(pid_t tid, const std::function<void(Task&)>& job);
  void fail_process(Process& process, const std::string& why);
  void end_if_last();
  void watch_for_daemons();

  Task* find_task(pid_t tid) const;
  Process* find_process(pid_t pid) const;
  Task& add_task(pid_t tid, Process& process);
  void remove_task(pid_t tid);
  Process& add_process(pid_t pid, pid_t parent);
  void announce(Process& process);
  void note(Process& process, const std::string& text);
  ProcessSummary summary(const Process& process) const;
  std::vector<CounterValue> counter_values(const Process& process) const;
  std::vector<Process*> select(const std::vector<pid_t>& pids) const;
  void refresh_image_facts(Process& process, pid_t living);
  void report_modules(Process& process);

  // spawn.cpp
  // The options that processes are seized with.
  unsigned long trace_options() const;
  void spawn();
  static int open_own_signal_fd();
  void watch_own_signals();
  void on_own_signal(const signalfd_siginfo& info);
  void forward_signal(int number);
  void note_signal_of_root(const Task& task, const siginfo_t& info);
  void let_go_of_rest(int number);
  void watch_left_behind();
  void follow_job_control(Task& task);

  // attach.cpp
  void attach(pid_t pid);
  void seize_all_threads(pid_t pid, Process& process);
  void leave(Task& task);
  void leave_late(Task& task);
  static void hasten_transfers(Process& process);

  // births.cpp
  // A stopped newborn whose parent's event has not come yet.
  struct Orphan {
    WaitStatus status;
    double since_seconds;  // monotonic
    // Threads that may be its parent, with Task::stop_count as it was; collected when it has stood for a while.
    std::optional<std::vector<std::pair<pid_t, uint64_t>>> candidates;
  };
  void on_birth(Task& parent);
  void forget_birth(pid_t parent_tid);
  void handle_unknown(const WaitManager::Event& event);
  void forget_newborn(pid_t tid);
  void receive_child(Task& parent, pid_t child_tid, WaitStatus status);
  Process& add_born_process(const Process& parent, pid_t pid);
  void receive_sharing_child(Process& parent, pid_t child_tid, WaitStatus status);
  void begin_sharing_child(Task& child);
  void receive_fork_child(Task& parent, pid_t child_pid, WaitStatus status);
  void begin_fork_child(const Task& parent, Task& child);
  void arm_orphan_timer();
  bool may_have_parent(Orphan& orphan);
  void adopt_orphans();
  void adopt(pid_t tid, const ProcessStatus& facts, WaitStatus status);

  // follow.cpp
  bool has_unseen_image(const Task& task) const;
  void on_exec(pid_t pid, bool killed = false);
  void on_task_gone(pid_t tid, WaitStatus status);
  void end_process(Process& process, ProcessEnd end, int wait_status);
  void setup_image(Task& task);
  void let_go(Task& task);

  // app_state.cpp
  // The kernel's registers are those of an instruction that has faulted.
  static bool stands_at_fault(const Task& task);
  bool wants_cache(const Task& task) const;
  // True: task.app holds the app's registers. False: the task runs on to a safe point.
  bool reach_app_state(Task& task);
  // Decides what happens next with a stopped task. The task may be running, parked or dead afterwards.
  void settle(Task& task);
  // Like settle, but by way of app state even when nothing is to be moved.
  void settle_in_app_state(Task& task);
  void resume_app_state(Task& task);
  // In app state: its registers become the app's.
  void put_in_native_code(Task& task);
  // Resumes with its registers as they are.
  void run_on(Task& task, int signal = 0);
  void write_place(Task& task, std::optional<RemotePiece> more = {});
  void send_to_handler(Task& task);
  bool enter_cache(Task& task);
  bool is_at_syscall_exit(Task& task);
  void take_state_from_context(Task& task, const Registers& registers, const protocol::ThreadContext& context);
  enum class Place { kExact, kStep, kInAgent, kLost };
  void restore_left_frame(Task& task, const protocol::ThreadContext& context);
  Place locate(Task& task, const Registers& registers, const protocol::ThreadContext& context);
  Place locate_in_fragment(Task& task, const Registers& registers, const protocol::ThreadContext& context);
  struct FragmentPoint {
    uint64_t tag;
    bool at_start;
    StatePoint point;
  };
  std::optional<FragmentPoint> find_point(Task& task, uint64_t cache_pc);
  bool leads_into_block(Task& task, const protocol::ThreadContext& context);
  static void go_into_block(Task& task, const protocol::ThreadContext& context);
  void leave_block(Task& task);
  void leave_blocks(AddressSpace& space);
  void leave_last_block(Task& task);
  bool stands_behind_syscall(Task& task);
  void continue_call(Task& task, ContinuedCall::Kind kind, const SystemCall& call);
  // True: the task runs on in a further system call for the rest of a transfer.
  bool continue_transfer(Task& task);
  // A wait that a stop of ours has interrupted, if there is one, goes on or has lasted. True: in a further system call,
  // which ends when the app's was to; not if the thread does not stay with us.
  bool continue_wait(Task& task, bool stays);
  double seconds_waited(Task& task);
  void end_wait_in_time(Task& task, double end);
  // True: the stop belonged to the continued call alone. False: the task is in app state.
  bool on_continued_call_stop(Task& task);
  bool undo_cut_call(Task& task, int number);
  void set_pending_and_run(Task& task);
  void arm_nudge(const std::shared_ptr<AddressSpace>& space);
  uint64_t syscall_pc_for(const Task& task) const;

  // signals.cpp
  void on_signal(Task& task);
  SignalFate fate_of(Task& task, int number);
  bool take_trap_flag_at_door(Task& task);
  void make_injectable(Task& task);
  SignalFate likely_fate(Task& task, int number);
  // True: the world is being stopped, so that a core file shows all threads in native code; the signal waits.
  bool stop_world_for_core(Task& task, int number);
  // True: still stopped in app state, nothing held. False: it runs or has gone.
  bool deliver_held(Task& task);
  bool deliver_by_agent(Task& task);
  void deliver_by_kernel(Task& task);
  void leave_place_of_hook(Task& task);
  static bool is_blocked(const Task& task, const HeldSignal& signal);
  bool put_back_blocked(Task& task, const HeldSignal& signal);
  bool mend_agent_fault(Task& task);

  // services.cpp
  void on_service(Task& task, Registers registers);
  void stay_at_safe_point(Task& task, const protocol::ThreadContext& context);
  void step_natively(Task& task);
  void finish_native_step(Task& task);
  void run_native_from_now(Process& process, const std::string& why);
  void run_in_agent(Task& task, Registers registers);
  void report_code(Task& task, const MappedModule& module);
  void answer_map_query(Task& task, const protocol::ThreadContext& context);
  void flush_cache(Task& task);
  void reset_cache(AddressSpace& space);

  // client_requests.cpp
  void answer_client_request(Task& task);
  void act_on_client_request(Task& task, const ClientRequest& request);
  void ask_tool(const Task& task, const ClientRequest& request);
  void begin_native_call(Task& task, const ClientRequest& request);
  // True: it was one, and the task has been dealt with.
  bool end_native_call(Task& task, const Registers& registers);
  bool take_native_breakpoint(Task& task, const siginfo_t& info);
  bool pass_loader_function(Task& task, const NativeBreakpoint& breakpoint, uint64_t caller);
  void step_back_from_breakpoint(Task& task);
  // Some thread must be stopped, and none may run the app's code.
  void update_breakpoints(AddressSpace& space);
  // `fault`: what stopped the agent, none when it has found a fault itself.
  void report_crash(Task& task, const siginfo_t* fault);

  // world_stop.cpp
  void with_world_stopped(const std::shared_ptr<AddressSpace>& space, std::function<void()> action,
                          std::function<void()> afterwards, bool needs_vfork_parents = false);
  void request_stop(Task& task);
  void check_world(const std::shared_ptr<AddressSpace>& space);
  // In the kernel for long, for a vfork child or a device: it is not waited for. It stops before it executes another
  // instruction, and is moved then.
  bool is_unstoppable(const Task& task) const;

  // stopped_process.cpp
  class Stopped;
  // Address of the thread's context, 0: it has none.
  static uint64_t context_of(const Task& task);
  // Without the thread's name.
  static ThreadRegisters thread_registers(pid_t tid, const Registers& registers, uint64_t context);

  // heap_hooks.cpp
  // The modules may have changed: `task` stands still in app state, and no other thread executes code that is new.
  void refresh_hooks(Task& task);
  void want_flush(const Task& task);
  void come_by_loader(Task& task);
  void tell_named_code(Task& task, const ModuleChanges& changes);
  void place_hooks(Task& task, const std::vector<HookPlace>& places);
  void forget_hooks(Task& task, const std::vector<uint64_t>& modules);
  uint64_t island_for(Task& task, const HookPlace& place);
  // Behind the first byte of what a jump replaces when hooks are switched on.
  static bool stands_where_hooks_go(const Task& task, uint64_t pc);
  // The world is stopped, or the process has one thread.
  void set_hooks(AddressSpace& space, bool on);
  void set_loader_breakpoint(Task& task, uint64_t address);
  void make_loader_island(Task& task, uint64_t address);
  void leave_loader_stop(Task& task, Registers& registers);
  void take_over_trap_choice(Task& task);
  // Undoes all of it; false: a thread is inside a hooked function, so that the agent has to stay.
  bool keeps_island(Task& task, const Island& island);
  bool remove_hooks(AddressSpace& space, Task& task);
  void leave_displaced_code(Task& task, const PlacedHook& hook);
  // Tells the agent whether the process has but one thread.
  void set_heap_alone(Task& task, bool alone);
  bool holds_heap_locks(Task& task);
  bool in_heap_layer(const Task& task, uint64_t pc) const;
  uint64_t heap_thread_of(Task& task, uint64_t thread_pointer);
  // Answers what it was. One that the agent has set, because something is about to be gone, stays until it is taken
  // away.
  protocol::HeapHold set_hold(Task& task, bool hold);
  void report_before_exec(Task& task);
  void report_stopped(pid_t pid, RecordsMoment moment);
  // Has the thread, whose app state is in the heap layer, go on to where it leaves that.
  void run_to_door(Task& task);
  // The trap is a door's or the loader's breakpoint: the thread goes on behind it.
  bool take_own_trap(Task& task);

  // toggle.cpp
  // Empty on success.
  std::string inject(Process& process);
  // Threads that registered rseq natively make the agent let later ones do so, too.
  void pass_on_rseq(AddressSpace& space);
  bool uses_rseq(const Process& process);
  static constexpr const char* kUsesRseq = "it has registered restartable sequences (rseq) of its own";
  // Tells the agent when the app handles or ignores SIGTRAP.
  void guard_signals(AddressSpace& space, bool was_native);
  bool ignores_trap(const Process& process, pid_t tid);
  void ensure_trap_ignored(Task& task);
  void refresh_code(AddressSpace& space, bool on);
  void refresh_stack_tables(AddressSpace& space);

  boost::asio::io_context& io_;
  const SessionOptions options_;
  SessionObserver& observer_;
  const AgentImage& agent_;
  RequestSiteCache request_sites_;
  RseqSections rseq_sections_;
  WaitManager waits_;
  EventBursts bursts_;
  const TickClock tick_clock_;
  boost::asio::posix::stream_descriptor signal_fd_;
  boost::asio::posix::stream_descriptor own_signal_fd_;
  boost::asio::steady_timer orphan_timer_, daemon_timer_, left_behind_timer_;
  std::map<pid_t, std::unique_ptr<Process>> processes_;
  std::unordered_map<pid_t, std::unique_ptr<Task>> tasks_;
  std::map<pid_t, Orphan> orphans_;
  std::map<pid_t, pid_t> births_;  // thread that stands at its event, by the newborn whose first stop has not come yet
  pid_t root_pid_ = 0;             // the spawned program
  bool root_ended_ = false;
  bool in_background_ = false;  // only_daemons_left was said
  int root_status_ = 0;
  bool root_execed_ = false;
  int exec_error_fd_ = -1;
  bool started_ = false;
  bool ended_ = false;
  bool drain_scheduled_ = false;
  bool orphan_timer_armed_ = false;
  bool attach_session_ = false;
  pid_t front_pid_ = 0;  // of the process that passes signals on to us, where vsup does not wait for daemons
  std::array<double, NSIG> own_signal_seconds_{};   // when we got each signal otherwise
  std::array<double, NSIG> root_signal_seconds_{};  // when the program was last given each signal by others
};

}  // namespace vsup::supervisor
