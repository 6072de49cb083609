#include "supervisor/session/session.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

constexpr auto kDaemonLook = std::chrono::milliseconds(50);
constexpr int kPollsAfterEvent = 5;  // waitpid is asked again so often before the event loop sleeps

// None of its standard descriptors is ours: who waits for their ends does not wait for it. Sage's cleaner stays in its
// parent's session and process group, so that says nothing.
bool is_daemon(pid_t pid) {
  struct stat own {
  }, theirs{}, null{};
  if (stat("/dev/null", &null) != 0) return false;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
    if (stat(path.c_str(), &theirs) != 0 || theirs.st_rdev == null.st_rdev) continue;
    for (int mine = STDIN_FILENO; mine <= STDERR_FILENO; ++mine)
      if (fstat(mine, &own) == 0 && own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino) return false;
  }
  return true;
}

int open_child_signal_fd() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  return signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

}  // namespace

Session::Session(boost::asio::io_context& io, const SessionOptions& options, SessionObserver& observer)
    : impl_(std::make_unique<SessionImpl>(io, options, observer)) {}
Session::~Session() = default;
void Session::start() {
  impl_->start();
}
std::vector<ProcessSummary> Session::processes() const {
  return impl_->summaries();
}
void Session::toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) {
  impl_->toggle(on, pids, std::move(done));
}
std::vector<CounterValue> Session::counters(pid_t pid) const {
  return impl_->counters(pid);
}
void Session::with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit) {
  impl_->with_threads_stopped(pid, std::move(visit));
}
void Session::with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit) {
  impl_->with_process_stopped(pid, std::move(visit));
}
unsigned Session::kill(const std::vector<pid_t>& pids) {
  return impl_->kill(pids);
}
void Session::detach(const std::vector<pid_t>& pids, std::function<void(unsigned)> done) {
  impl_->detach(pids, std::move(done));
}

SessionImpl::SessionImpl(boost::asio::io_context& io, const SessionOptions& options, SessionObserver& observer)
    : io_(io),
      options_(options),
      observer_(observer),
      agent_(embedded_agent()),
      request_sites_(options.searched_code),
      signal_fd_(io, open_child_signal_fd()),
      own_signal_fd_(io, open_own_signal_fd()),
      orphan_timer_(io),
      daemon_timer_(io),
      left_behind_timer_(io) {
  set_log_sink([&observer](LogLevel level, const std::string& line) { observer.log(level, line); });
}

SessionImpl::~SessionImpl() {
  set_log_sink({});
  // PTRACE_O_EXITKILL takes care of tracees when vsup ends before them.
}

void SessionImpl::start() {
  if (!options_.wait_for_daemons && !options_.arguments.empty()) front_pid_ = getppid();
  watch_own_signals();
  watch_children();
  if (!options_.arguments.empty()) {
    spawn();
  } else {
    attach_session_ = true;
    for (const pid_t pid : options_.attach_pids) attach(pid);
  }
  started_ = true;
  schedule_drain();
}

void SessionImpl::watch_children() {
  signal_fd_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    if (error || ended_) return;
    signalfd_siginfo info;  // SIGCHLDs are merged into one
    if (read(signal_fd_.native_handle(), &info, sizeof info) >= 0 || errno == EAGAIN) drain();
    if (!ended_) watch_children();
  });
}

void SessionImpl::schedule_drain() {
  if (drain_scheduled_) return;
  drain_scheduled_ = true;
  boost::asio::post(io_, [this] {
    drain_scheduled_ = false;
    if (!ended_) drain();
  });
}

void SessionImpl::drain() {
  for (int idle = 0; idle <= kPollsAfterEvent && !ended_;) {
    const auto event = waits_.next();
    if (!event) {
      if (monotonic_seconds() < bursts_.expected_until_seconds()) {
        sched_yield();
      } else {
        ++idle;
      }
      continue;
    }
    idle = 0;
    handle(*event);
  }
  waits_.take_dirty();
  end_if_last();
}

void SessionImpl::handle(const WaitManager::Event& event) {
  VS_DEBUG("event of %d: %s", event.tid, event.status.describe().c_str());
  if (event.status.is_gone()) {
    forget_newborn(event.tid);
    if (find_task(event.tid) != nullptr || event.tid == root_pid_) on_task_gone(event.tid, event.status);
    return;
  }
  if (event.status.kind() == WaitStatus::Kind::kEvent && event.status.event() == PTRACE_EVENT_EXEC) {
    // The thread goes by its process's id from here on, whichever it was.
    on_exec(event.tid);
    return;
  }
  Task* task = find_task(event.tid);
  if (task == nullptr) {
    handle_unknown(event);
    return;
  }
  task->note_stop(event.status);
  task->asleep_count = 0;
  ++task->process->counters.stops;
  // Also of a thread that was found dead: this stop still waits for us, and memory can be read in it. The last thing
  // that a thread does: nobody needs to wait for it afterwards.
  const bool ends = event.status.kind() == WaitStatus::Kind::kEvent && event.status.event() == PTRACE_EVENT_EXIT;
  if (ends) task->gone = false;
  if (ends && has_unseen_image(*task)) {
    on_exec(event.tid, true);
  } else {
    guarded(event.tid, [this](Task& stopped) { dispatch(stopped); });
  }
  if (!ends) return;
  task = find_task(event.tid);
  if (task == nullptr) return;
  if (task->stopped) ptrace(PTRACE_CONT, event.tid, 0, 0);  // whatever went wrong: its death is waited for
  task->gone = true;
  check_world(task->process->space);
}

void SessionImpl::dispatch(Task& task) {
  if (debug_log_enabled()) {
    const siginfo_t info = task.stop.kind() == WaitStatus::Kind::kSignal ? task.signal_info() : siginfo_t{};
    VS_DEBUG("thread %d: %s, code %d, %s%s, held %zu, %s", task.tid, task.stop.describe().c_str(), info.si_code,
             task.instrumented ? "in cache" : "native", task.process->space->stopping ? ", world stops" : "",
             task.held.size(), task.describe().c_str());
  }
  if (task.continued && task.stop.kind() != WaitStatus::Kind::kEvent && on_continued_call_stop(task)) return;
  switch (task.stop.kind()) {
    case WaitStatus::Kind::kSignal:
      on_signal(task);
      return;
    case WaitStatus::Kind::kGroupStop:
      task.group_stopped = true;
      task.step_trap_due = task.step_trap_due || task.native_step;
      task.native_step = false;
      settle(task);
      follow_job_control(task);
      return;
    case WaitStatus::Kind::kInterrupted:
      task.group_stopped = false;
      task.step_trap_due = task.step_trap_due || task.native_step;
      task.native_step = false;
      settle(task);
      return;
    case WaitStatus::Kind::kSyscallStop:
      settle(task);
      return;
    case WaitStatus::Kind::kEvent:
      switch (task.stop.event()) {
        case PTRACE_EVENT_CLONE:
        case PTRACE_EVENT_FORK:
        case PTRACE_EVENT_VFORK:
          on_birth(task);
          return;
        case PTRACE_EVENT_VFORK_DONE:
          task.in_vfork = false;
          run_on(task);
          return;
        case PTRACE_EVENT_EXIT:
          forget_birth(task.tid);
          keep_last_registers(task);
          task.ending = true;
          leave_last_block(task);
          if (std::all_of(task.process->tasks.begin(), task.process->tasks.end(),
                          [](const auto& entry) { return entry.second->ending; })) {
            report_records(*task.process, task, RecordsMoment::kExit);
          }
          run_on(task);
          return;
        default:
          run_on(task);
          return;
      }
    case WaitStatus::Kind::kExited:
    case WaitStatus::Kind::kKilled:
      return;
  }
}

void SessionImpl::guarded(pid_t tid, const std::function<void(Task&)>& job) {
  Task* task = find_task(tid);
  if (task == nullptr || task->gone) return;
  const std::shared_ptr<AddressSpace> space = task->process->space;
  const pid_t pid = task->process->pid;
  try {
    job(*task);
  } catch (const TraceeGone& gone) {
    VS_DEBUG("thread %d has gone", gone.tid);
    check_world(space);
  } catch (const CheckFailure& failure) {
    if (Process* process = find_process(pid)) fail_process(*process, failure.what());
    check_world(space);
  }
}

void SessionImpl::fail_process(Process& process, const std::string& why) {
  note(process, "killed by vsup: " + why);
  ::kill(process.pid, SIGKILL);
  for (auto& [tid, task] : process.tasks) task->gone = true;
}

void SessionImpl::end_if_last() {
  if (ended_ || !started_ || !processes_.empty() || !orphans_.empty()) return;
  if (root_pid_ != 0 && !root_ended_) return;
  ended_ = true;
  boost::system::error_code ignored;
  signal_fd_.close(ignored);
  own_signal_fd_.close(ignored);
  orphan_timer_.cancel();
  daemon_timer_.cancel();
  left_behind_timer_.cancel();
  observer_.session_ended(root_status_);
}

// Daemons become such little by little: looked at now and then, from the program's end on.
void SessionImpl::watch_for_daemons() {
  daemon_timer_.expires_after(kDaemonLook);
  daemon_timer_.async_wait([this](boost::system::error_code error) {
    if (error || ended_) return;
    const bool left =
        std::all_of(processes_.begin(), processes_.end(), [](const auto& entry) { return is_daemon(entry.first); });
    if (!left || processes_.empty() || !orphans_.empty()) {
      watch_for_daemons();
      return;
    }
    in_background_ = true;
    observer_.only_daemons_left(root_status_);
  });
}

Task* SessionImpl::find_task(pid_t tid) const {
  const auto found = tasks_.find(tid);
  return found == tasks_.end() ? nullptr : found->second.get();
}

Process* SessionImpl::find_process(pid_t pid) const {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : found->second.get();
}

Task& SessionImpl::add_task(pid_t tid, Process& process) {
  auto task = std::make_unique<Task>(tid, waits_, process);
  Task& added = *task;
  tasks_[tid] = std::move(task);
  process.tasks[tid] = &added;
  process.space->tasks.push_back(&added);
  return added;
}

void SessionImpl::remove_task(pid_t tid) {
  Task* task = find_task(tid);
  if (task == nullptr) return;
  forget_birth(tid);
  AddressSpace& space = *task->process->space;
  std::erase(space.tasks, task);
  if (task->slot >= 0) space.slots.release(task->slot);
  task->process->tasks.erase(tid);
  tasks_.erase(tid);
}

Process& SessionImpl::add_process(pid_t pid, pid_t parent) {
  auto process = std::make_unique<Process>();
  Process& added = *process;
  added.pid = pid;
  added.parent = find_process(parent) != nullptr ? parent : 0;
  added.system_parent = parent;
  added.started_seconds = realtime_seconds();
  processes_[pid] = std::move(process);
  return added;
}

void SessionImpl::refresh_image_facts(Process& process, pid_t living) {
  process.executable = read_link("/proc/" + std::to_string(living) + "/exe");
  strip_deleted(process.executable);
  process.arguments = read_command_line(living);
}

void SessionImpl::announce(Process& process) {
  process.announced = true;
  process.directory = observer_.process_started(summary(process));
}

void SessionImpl::note(Process& process, const std::string& text) {
  process.note = text;
  log_line(LogLevel::kDebug, "process %d: %s", process.pid, text.c_str());
  if (process.announced) observer_.process_note(process.pid, text);
}

void SessionImpl::report_modules(Process& process) {
  std::vector<MappedModule> modules;
  for (const Mapping& mapping : read_maps(process.tasks.begin()->first)) {
    if (!mapping.file || mapping.path.empty() || mapping.path[0] != '/') continue;
    if (!modules.empty() && modules.back().path == mapping.path) {
      modules.back().end = mapping.end;
    } else {
      modules.push_back({mapping.path, mapping.start, mapping.end, mapping.offset, process.want_on});
    }
  }
  for (const MappedModule& module : modules) observer_.module_mapped(process.pid, module);
}

ProcessSummary SessionImpl::summary(const Process& process) const {
  ProcessSummary result;
  result.pid = process.pid;
  result.parent = process.parent;
  result.system_parent = process.system_parent;
  result.image = process.image;
  result.executable = process.executable;
  result.arguments = process.arguments;
  result.note = process.note;
  result.directory = process.directory;
  result.started_seconds = process.started_seconds;
  if (!process.traceable) {
    result.mode = ProcessMode::kNotTraceable;
  } else {
    result.mode = process.want_on ? ProcessMode::kInstrumented : ProcessMode::kNative;
  }
  return result;
}

std::vector<ProcessSummary> SessionImpl::summaries() const {
  std::vector<ProcessSummary> result;
  for (const auto& [pid, process] : processes_) {
    if (!process->announced) continue;
    result.push_back(summary(*process));
    for (const auto& [tid, task] : process->tasks)
      result.back().threads.push_back({tid, thread_name(pid, tid), task->instrumented});
  }
  return result;
}

std::vector<CounterValue> SessionImpl::counter_values(const Process& process) const {
  std::vector<CounterValue> values;
  if (process.space && process.space->injected && !process.borrowed_space) {
#define VSUP_COUNTER(name, sentence) \
  values.push_back({#name, sentence, process.space->shared.counter(protocol::kCounter_##name)});
#include "protocol/counters.def"
#undef VSUP_COUNTER
  }
#define VSUP_SUPERVISOR_COUNTER(name, sentence) values.push_back({#name, sentence, process.counters.name});
#include "supervisor/session/counters.def"
#undef VSUP_SUPERVISOR_COUNTER
  return values;
}

std::vector<CounterValue> SessionImpl::counters(pid_t pid) const {
  const Process* process = find_process(pid);
  return process == nullptr ? std::vector<CounterValue>() : counter_values(*process);
}

std::vector<Process*> SessionImpl::select(const std::vector<pid_t>& pids) const {
  std::vector<Process*> result;
  if (pids.empty()) {
    for (const auto& [pid, process] : processes_) result.push_back(process.get());
  } else {
    for (const pid_t pid : pids)
      if (Process* process = find_process(pid)) result.push_back(process);
  }
  return result;
}

unsigned SessionImpl::kill(const std::vector<pid_t>& pids) {
  unsigned count = 0;
  for (const Process* process : select(pids))
    if (::kill(process->pid, SIGKILL) == 0) {
      observer_.process_note(process->pid, "killed by vsup: asked for");
      ++count;
    }
  return count;
}

}  // namespace vsup::supervisor
