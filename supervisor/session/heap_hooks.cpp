// Purpose: places hooks in the allocation functions of a process, takes them away again, and lets threads leave the
// agent's heap layer before anything is done to them. The layout is protocol/heap.h's.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>

#include "protocol/callstack.h"
#include "supervisor/base/check.h"
#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

using namespace protocol;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kIslandSize = 4 * kPage;
constexpr uint64_t kReach = 0x7000'0000;         // of a rel32, with room for the module's own size
constexpr uint64_t kLowest = 0x1'0000;           // vm.mmap_min_addr
constexpr uint64_t kBreathingSpace = 0x10'0000;  // left free around an island where that is possible
constexpr uint8_t kBreakpoint = 0xcc;
constexpr uint8_t kReturn = 0xc3;
constexpr int kMaxLayerSteps = 4096;

const char* describe(uint32_t status) {
  switch (status) {
    case kHookTooShort:
      return "it is shorter than a jump";
    case kHookEntered:
      return "it jumps into its own first instructions";
    default:
      return "its first instructions cannot be moved";
  }
}

// Free addresses within reach of [start, end), below it where possible: what follows a program is its heap's, what
// precedes a stack is the stack's.
uint64_t find_gap(const std::vector<Mapping>& maps, uint64_t start, uint64_t end) {
  uint64_t best = 0;
  uint64_t gap = kLowest;
  for (const Mapping& next : maps) {
    const uint64_t gap_end = next.start;
    const bool usable = gap_end > gap && gap_end - gap >= kIslandSize && next.path != "[stack]";
    if (usable && gap_end <= start && start - gap_end < kReach) {
      const uint64_t room = gap_end - gap - kIslandSize;
      best = gap_end - kIslandSize - std::min(kBreathingSpace, room / 2 & ~(kPage - 1));
    }
    if (usable && best == 0 && gap >= end && gap - end < kReach / 2) {
      const uint64_t room = gap_end - gap - kIslandSize;
      return gap + (room / 2 & ~(kPage - 1)) - (room / 2 > kReach / 2 ? room / 2 - kReach / 2 : 0) / kPage * kPage;
    }
    gap = next.end;
  }
  return best;
}

uint64_t original_function(const PlacedHook& hook) {
  uint64_t function = 0;
  std::copy_n(hook.original, sizeof function, reinterpret_cast<uint8_t*>(&function));
  return function;
}

// The program may have set the pointer anew, or put another function in front of ours (tracemalloc does).
bool holds(Task& task, uint64_t address, const uint8_t* bytes, size_t size) {
  uint8_t present[24] = {};
  return size <= sizeof present && read_memory(task.tid, address, present, size) &&
         std::equal(bytes, bytes + size, present);
}

// From its entry: the loader's function does nothing else.
void return_from_function(Task& task, Registers& registers) {
  registers.rip = task.read_as<uint64_t>(registers.rsp);
  registers.rsp += sizeof(uint64_t);
}

bool write_loader_code(pid_t tid, uint64_t address, const std::vector<uint8_t>& code) {
  return write_memory(tid, address, code.data(), code.size());
}

// Has loaded the pointer and not called it yet, as far as one can see.
bool is_about_to_call(const Registers& registers, uint64_t island) {
  for (const auto value : {registers.rax, registers.rbx, registers.rcx, registers.rdx, registers.rsi, registers.rdi,
                           registers.rbp, registers.r8, registers.r9, registers.r10, registers.r11, registers.r12,
                           registers.r13, registers.r14, registers.r15})
    if (value == island) return true;
  return false;
}

// Code objects may have ended while the hooks were away.
void begin_code_period(pid_t tid) {
  constexpr uint64_t kPeriod = kCallstackBase + offsetof(CallstackControl, code_period), kLast = 0xffff;
  uint64_t period = 0;
  if (!read_value(tid, kPeriod, period) || period == 0) return;
  write_value<uint64_t>(tid, kPeriod, period < kLast ? period + 1 : 1);
}

}  // namespace

bool SessionImpl::in_heap_layer(const Task& task, uint64_t pc) const {
  const HeapHooks& hooks = task.process->space->hooks;
  return (hooks.site_count != 0 || hooks.loader_island != 0) && pc >= agent_.exports.text_start &&
         pc < agent_.exports.text_end;
}

void SessionImpl::set_heap_alone(Task& task, bool alone) {
  if (options_.settings.hook_heap == 0 || !task.process->space->injected) return;
  write_value<uint64_t>(task.tid, kHeapLayerBase + offsetof(HeapControl, alone), alone ? 1 : 0);
}

// It forks: whoever else is in the heap layer waits for it to come back.
bool SessionImpl::holds_heap_locks(Task& task) {
  if (task.process->space->hooks.site_count == 0) return false;
  const uint64_t thread = heap_thread_of(task, task.app.fs_base);
  return thread != 0 && task.read_as<uint64_t>(thread + offsetof(HeapThread, locks)) != 0;
}

uint64_t SessionImpl::heap_thread_of(Task& task, uint64_t thread_pointer) {
  const uint64_t key = thread_pointer | 1;
  uint32_t slot = heap_thread_slot(thread_pointer);
  for (uint32_t tries = 0; tries < 64; ++tries, slot = (slot + 1) % kMaxHeapThreads) {
    const auto seen = task.read_as<uint64_t>(kHeapThreadKeysBase + slot * sizeof(uint64_t));
    if (seen == key) return kHeapThreadsBase + slot * sizeof(HeapThread);
    if (seen == 0) break;
  }
  return 0;
}

HeapHold SessionImpl::set_hold(Task& task, bool hold) {
  const uint64_t thread = heap_thread_of(task, task.registers().fs_base);
  if (thread == 0) return kHoldNone;
  const auto before = static_cast<HeapHold>(task.read_as<uint64_t>(thread + offsetof(HeapThread, hold)));
  const bool agents = before == kHoldAtExec || before == kHoldAtEnd;
  if (!hold || !agents) task.write_as<uint64_t>(thread + offsetof(HeapThread, hold), hold ? kHoldAsked : kHoldNone);
  return before;
}

// What the program's memory holds goes with it. A search along PATH tries many names that are not there.
void SessionImpl::report_before_exec(Task& task) {
  Process& process = *task.process;
  if (process.borrowed_space) return;
  const std::string path = read_string(task.tid, task.app.rdi, PATH_MAX).value_or("");
  if (!path.empty()) {
    const std::string seen_from_it = "/proc/" + std::to_string(task.tid) + (path[0] == '/' ? "/root" : "/cwd/") + path;
    if (access(seen_from_it.c_str(), F_OK) != 0 && errno == ENOENT) return;
  }
  report_stopped(process.pid, RecordsMoment::kExec);
}

void SessionImpl::report_stopped(pid_t pid, RecordsMoment moment) {
  with_process_stopped(pid, [this, moment](StoppedProcess* stopped) {
    if (stopped != nullptr) observer_.records_ready(*stopped, moment);
  });
}

void SessionImpl::run_to_door(Task& task) {
  const uint64_t pc = task.registers().rip;
  // At the loader's door it has trapped already.
  if (pc < agent_.exports.loader_stop || pc > agent_.exports.loader_door) {
    task.trap_ignored = task.trap_ignored || ignores_trap_now(task.tid);
    // Its record is the first thing that it makes.
    for (int steps = 0; heap_thread_of(task, task.registers().fs_base) == 0 && steps < kMaxLayerSteps; ++steps) {
      step_and_hold(task);
    }
    set_hold(task, true);
    task.unblock_trap();
  }
  task.pending_set = true;
  task.cont();
  arm_nudge(task.process->space);
}

// The agent has noted what the trap was to cost the app.
void SessionImpl::take_over_trap_choice(Task& task) {
  const uint64_t address = heap_thread_of(task, task.app.fs_base);
  if (address == 0) return;
  const auto thread = task.read_as<HeapThread>(address);
  task.trap_ignored = task.trap_ignored || thread.trap_ignored != 0;
  task.trap_unblocked = task.trap_unblocked || thread.trap_blocked != 0;
}

// As behind the loader's function, which does nothing else.
void SessionImpl::leave_loader_stop(Task& task, Registers& registers) {
  constexpr uint64_t kIgnored = 1;
  const auto frame = task.read_as<LoaderFrame>(registers.rsp);
  registers.r11 = frame.r11;
  registers.r10 = frame.r10;
  registers.rdi = frame.rdi;
  registers.rsi = frame.rsi;
  registers.rdx = frame.rdx;
  registers.rcx = frame.rcx;
  registers.rax = frame.rax;
  registers.rip = frame.return_address;
  registers.rsp += sizeof frame;
  task.trap_ignored = task.trap_ignored || frame.action[0] == kIgnored;
  task.trap_unblocked = task.trap_unblocked || (frame.mask & kTrapBit) != 0;
}

bool SessionImpl::take_own_trap(Task& task) {
  const HeapHooks& hooks = task.process->space->hooks;
  if (hooks.site_count == 0 && hooks.loader_breakpoint == 0) return false;
  Registers registers = task.registers();
  const uint64_t pc = registers.rip;
  const Exports& agent = agent_.exports;
  const bool by_loader = pc == agent.loader_door || (hooks.loader_island == 0 && pc == hooks.loader_breakpoint + 1);
  if (pc == agent.loader_door) {
    leave_loader_stop(task, registers);
  } else if (by_loader || pc == agent.hook_return_door) {
    return_from_function(task, registers);
  } else if (pc == agent.hook_call_door) {
    registers.rsp -= 8;
    task.write_as<uint64_t>(registers.rsp, agent.hook_return);
    registers.rip = registers.r11;
  } else if (pc == agent.hook_jump_door) {
    registers.rip = registers.r11;
  } else {
    return false;
  }
  registers.orig_rax = ~uint64_t{0};
  task.set_registers(registers);
  task.app = registers;
  if (pc == agent.hook_call_door && holds_heap_locks(task)) {
    // Nothing is done to it before it comes back and gives them up.
    task.cont();
    arm_nudge(task.process->space);
    return true;
  }
  // What was asked for is answered: a thread that kept it would trap later, with SIGTRAP blocked.
  const HeapHold hold = by_loader && !task.pending_set ? kHoldNone : set_hold(task, false);
  if (hold == kHoldAtExec || hold == kHoldAtEnd) take_over_trap_choice(task);
  task.pending_set = false;
  task.syscall_pc = registers.rip - 2;
  task.at_app_state = true;
  if (std::exchange(task.trap_ignored, false)) ignore_trap_again(task, task.process->space->vdso_syscall);
  task.reblock_trap();
  if (by_loader) refresh_hooks(task);
  if (hold == kHoldAtExec) report_before_exec(task);
  if (hold == kHoldAtEnd) report_stopped(task.process->pid, RecordsMoment::kEnding);
  settle(task);
  return true;
}

void SessionImpl::refresh_hooks(Task& task) {
  AddressSpace& space = *task.process->space;
  if (!space.watch && options_.make_module_watch) space.watch = options_.make_module_watch();
  if (!space.watch || !space.hooks.on) return;
  const ModuleChanges changes = space.watch->update(task.tid);
  if (!changes.gone.empty()) forget_hooks(task, changes.gone);
  // In the cache the agent tells what is mapped.
  if (options_.settings.run_native != 0)
    for (const MappedModule& module : changes.added) observer_.module_mapped(task.process->pid, module);
  if (changes.loader_breakpoint != 0 && space.hooks.loader_breakpoint == 0)
    set_loader_breakpoint(task, changes.loader_breakpoint);
  if (!changes.named.empty()) tell_named_code(task, changes);
  if (!changes.places.empty() && options_.settings.hook_heap == kHookFunctions) place_hooks(task, changes.places);
}

// Of modules that have gone, with all that was made for them: a program may load and unload one for ever.
void SessionImpl::forget_hooks(Task& task, const std::vector<uint64_t>& modules) {
  HeapHooks& hooks = task.process->space->hooks;
  const auto gone = [&modules](uint64_t start) {
    return std::find(modules.begin(), modules.end(), start) != modules.end();
  };
  std::vector<uint64_t> kept = {hooks.loader_island};  // somebody may have copied a pointer to it
  std::erase_if(hooks.placed, [&](const PlacedHook& hook) {
    if (!gone(hook.module_start)) return false;
    if (hook.is_pointer) {
      kept.push_back(hook.island);
      return true;
    }
    task.write_as<uint32_t>(kHookSitesBase + hook.site * kHookSiteStride + offsetof(HookSite, status), kHookGone);
    hooks.free_sites.push_back(hook.site);
    return true;
  });
  if (is_sandboxed(task.tid)) return;
  RemoteCalls calls(task, agent_.exports.syscall_insn);
  std::erase_if(hooks.islands, [&](const Island& island) {
    const bool needed = std::any_of(kept.begin(), kept.end(), [&island](uint64_t address) {
      return address >= island.start && address < island.start + kIslandSize;
    });
    return gone(island.module_start) && !needed && calls.syscall(SYS_munmap, {island.start, kIslandSize}) == 0;
  });
}

// Functions of modules that have gone make room; entries are written before they count.
void SessionImpl::tell_named_code(Task& task, const ModuleChanges& changes) {
  std::vector<NamedPlace>& named = task.process->space->hooks.named;
  const size_t before = named.size();
  std::erase_if(named, [&changes](const NamedPlace& place) {
    return std::find(changes.gone.begin(), changes.gone.end(), place.module_start) != changes.gone.end();
  });
  const size_t kept = named.size() == before ? before : 0;
  named.insert(named.end(), changes.named.begin(), changes.named.end());
  if (named.size() > kMaxNamedCode) {
    named.resize(kMaxNamedCode);
    note(*task.process, "more than " + std::to_string(kMaxNamedCode) + " functions to ignore or to see through");
  }
  for (size_t i = kept; i < named.size(); ++i) task.write_as(kNamedCodeBase + i * sizeof(NamedCode), named[i].code);
  task.write_as<uint64_t>(kHeapLayerBase + offsetof(HeapControl, named_count), named.size());
}

// A jump to an island and on to the agent's vsup_loader_stop, where there is room: an int3 would reset what the app has
// made of SIGTRAP.
void SessionImpl::set_loader_breakpoint(Task& task, uint64_t address) {
  HeapHooks& hooks = task.process->space->hooks;
  hooks.loader_code = {task.read_as<uint8_t>(address)};
  hooks.loader_patch = {kBreakpoint};
  make_loader_island(task, address);
  if (!write_loader_code(task.tid, address, hooks.loader_patch)) return;
  hooks.loader_breakpoint = address;
  task.write_as<uint64_t>(kHeapLayerBase + offsetof(HeapControl, loader_breakpoint), address);
  want_flush(task);
}

// The loader's function is one return, and padding up to the next one.
void SessionImpl::make_loader_island(Task& task, uint64_t address) {
  std::array<uint8_t, kJumpSize> code{};
  if (is_sandboxed(task.tid) || !read_value(task.tid, address, code)) return;
  const bool padded = address % 16 == 0 && (code[1] == 0x66 || code[1] == 0x90 || code[1] == 0x0f || code[1] == 0xcc);
  if (code[0] != kReturn || !padded) return;
  HookPlace place{};
  for (const Mapping& mapping : read_maps(task.tid)) {
    if (mapping.start > address || mapping.end <= address) continue;
    place.module_start = mapping.start;
    place.module_end = mapping.end;
  }
  const uint64_t island = place.module_end == 0 ? 0 : island_for(task, place);
  if (island == 0) return;
  std::array<uint8_t, 14> leave = {0xff, 0x25, 0, 0, 0, 0};  // jmp [rip]
  std::copy_n(reinterpret_cast<const uint8_t*>(&agent_.exports.loader_stop), sizeof(uint64_t), leave.begin() + 6);
  if (!write_value(task.tid, island, leave)) return;
  HeapHooks& hooks = task.process->space->hooks;
  hooks.loader_island = island;
  hooks.loader_code.assign(code.begin(), code.end());
  hooks.loader_patch = {0xe9, 0, 0, 0, 0};
  const auto distance = static_cast<int32_t>(island - (address + kJumpSize));
  std::copy_n(reinterpret_cast<const uint8_t*>(&distance), sizeof distance, hooks.loader_patch.begin() + 1);
}

// Fragments of code that has been changed are out of date; the first thread that enters the cache has it emptied.
void SessionImpl::want_flush(const Task& task) {
  write_value<uint64_t>(task.tid, agent_.exports.state + offsetof(AgentState, flush_wanted), 1);
}

void SessionImpl::come_by_loader(Task& task) {
  return_from_function(task, task.app);
  refresh_hooks(task);
  settle(task);
}

uint64_t SessionImpl::island_for(Task& task, const HookPlace& place) {
  HeapHooks& hooks = task.process->space->hooks;
  for (Island& island : hooks.islands) {
    const bool reaches = island.module_start == place.module_start && island.module_end == place.module_end;
    if (!reaches || island.used + kIslandSlot > kIslandSize) continue;
    island.used += kIslandSlot;
    return island.start + island.used - kIslandSlot;
  }
  const uint64_t gap = find_gap(read_maps(task.tid), place.module_start, place.module_end);
  if (gap == 0) return 0;
  RemoteCalls calls(task, agent_.exports.syscall_insn);
  const int64_t result = calls.syscall(SYS_mmap, {gap, kIslandSize, PROT_READ | PROT_EXEC,
                                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0});
  if (result != static_cast<int64_t>(gap)) return 0;
  hooks.islands.push_back({gap, place.module_start, place.module_end, kIslandSlot});
  return gap;
}

void SessionImpl::place_hooks(Task& task, const std::vector<HookPlace>& places) {
  AddressSpace& space = *task.process->space;
  HeapHooks& hooks = space.hooks;
  if (!places.empty() && is_sandboxed(task.tid)) {
    note(*task.process, "its own seccomp filter might kill it for hooks in allocation functions: some are not seen");
    return;
  }
  std::vector<uint64_t> sites;
  for (const HookPlace& place : places) {
    if (hooks.site_count == kMaxHooks && hooks.free_sites.empty()) {
      note(*task.process, "more than " + std::to_string(kMaxHooks) + " allocation functions: some are not seen");
      break;
    }
    HookSite site{};
    site.address = place.address;
    site.size = place.size;
    site.function = place.function;
    site.is_pointer = place.is_pointer ? 1 : 0;
    site.status = kHookWanted;
    site.island = island_for(task, place);
    if (site.island == 0) {
      log_line(LogLevel::kWarning, "process %d: no room for a hook near %#lx", task.process->pid, place.address);
      continue;
    }
    uint64_t index = hooks.site_count;
    if (hooks.free_sites.empty()) {
      ++hooks.site_count;
    } else {
      index = hooks.free_sites.back();
      hooks.free_sites.pop_back();
    }
    task.write_as(kHookSitesBase + index * kHookSiteStride, site);
    sites.push_back(index);
  }
  if (sites.empty()) return;
  task.write_as<uint64_t>(kHeapLayerBase + offsetof(HeapControl, hook_count), hooks.site_count);
  task.write_as<uint64_t>(kHeapLayerBase + offsetof(HeapControl, hook_first),
                          *std::min_element(sites.begin(), sites.end()));
  {
    RemoteCalls calls(task, agent_.exports.syscall_insn);
    const uint64_t context = slot_address(task.slot_ready ? static_cast<unsigned>(task.slot) : 0);
    calls.call(agent_.exports.place_hooks, context + kSlotSize, context, agent_.exports.remote_return);
  }
  want_flush(task);
  for (const uint64_t index : sites) {
    const auto site = task.read_as<HookSite>(kHookSitesBase + index * kHookSiteStride);
    if (site.status != kHookMade || site.code_size > kMaxHookCode || site.patch_size > sizeof site.patch ||
        site.patch_size < kJumpSize || site.move_count > std::size(site.moves)) {
      log_line(LogLevel::kWarning, "process %d: the allocation function at %#lx is not seen: %s", task.process->pid,
               site.address, describe(site.status));
      continue;
    }
    PlacedHook hook;
    hook.site = index;
    hook.address = site.address;
    hook.island = site.island;
    hook.size = site.patch_size;
    hook.is_pointer = site.is_pointer != 0;
    hook.move_count = site.move_count;
    std::copy(std::begin(site.moves), std::end(site.moves), hook.moves);
    std::copy(std::begin(site.patch), std::end(site.patch), hook.patch);
    task.read(hook.address, hook.original, hook.size);
    for (const HookPlace& place : places)
      if (place.address == hook.address) hook.module_start = place.module_start;
    task.write(hook.island, site.code, site.code_size);
    if (hooks.on) {
      for (Task* other : space.tasks)
        if (other->parked && !other->gone) leave_displaced_code(*other, hook);
      task.write(hook.address, hook.patch, hook.size);
    }
    hooks.placed.push_back(hook);
  }
}

// A thread that stands where the jump is going to be goes on in the island.
void SessionImpl::leave_displaced_code(Task& task, const PlacedHook& hook) {
  if (!task.at_app_state || !hook.covers(task.app.rip)) return;
  for (unsigned i = 0; i < hook.move_count; ++i)
    if (task.app.rip == hook.address + hook.moves[i].from) task.app.rip = hook.island + hook.moves[i].to;
}

bool SessionImpl::stands_where_hooks_go(const Task& task, uint64_t pc) {
  const HeapHooks& hooks = task.process->space->hooks;
  return !hooks.on && std::any_of(hooks.placed.begin(), hooks.placed.end(),
                                  [pc](const PlacedHook& hook) { return !hook.is_pointer && hook.covers(pc); });
}

void SessionImpl::set_hooks(AddressSpace& space, bool on) {
  Task* runner = nullptr;
  for (Task* task : space.tasks)
    if (task->parked && !task->gone) runner = task;
  if (runner == nullptr) return;
  HeapHooks& hooks = space.hooks;
  if (hooks.on == on) return;
  hooks.on = on;
  for (const PlacedHook& hook : hooks.placed) {
    if (on) {
      for (Task* task : space.tasks)
        if (task->parked && !task->gone) leave_displaced_code(*task, hook);
    }
    if (!hook.is_pointer || holds(*runner, hook.address, on ? hook.original : hook.patch, hook.size))
      write_memory(runner->tid, hook.address, on ? hook.patch : hook.original, hook.size);
  }
  if (hooks.loader_breakpoint != 0) {
    write_loader_code(runner->tid, hooks.loader_breakpoint, on ? hooks.loader_patch : hooks.loader_code);
  }
  if (!on) return;
  write_value<uint64_t>(runner->tid, kHeapLayerBase + offsetof(HeapControl, late), 1);
  begin_code_period(runner->tid);
  refresh_hooks(*runner);
}

// A function that was put in front of a hooked pointer calls the island for ever: it then leads to the original.
bool SessionImpl::keeps_island(Task& task, const Island& island) {
  bool kept = false;
  for (const PlacedHook& hook : task.process->space->hooks.placed) {
    if (!hook.is_pointer || hook.island < island.start || hook.island >= island.start + kIslandSize) continue;
    if (holds(task, hook.address, hook.original, hook.size)) continue;
    uint8_t code[] = {0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe3};  // mov r11, imm64 ; jmp r11
    std::copy_n(hook.original, sizeof(uint64_t), code + 2);
    write_memory(task.tid, hook.island, code, sizeof code);
    kept = true;
  }
  return kept;
}

bool SessionImpl::remove_hooks(AddressSpace& space, Task& task) {
  set_hooks(space, false);
  HeapHooks& hooks = space.hooks;
  if (hooks.site_count == 0 && hooks.loader_island == 0) return true;
  bool inside = false;
  for (Task* other : space.tasks) {
    if (!other->parked || other->gone) continue;
    if (hooks.loader_island != 0 && other->app.rip == hooks.loader_island) other->app.rip = hooks.loader_breakpoint;
    for (const PlacedHook& hook : hooks.placed) {
      inside = inside || (hook.is_pointer && is_about_to_call(other->app, hook.island));
      if (other->app.rip < hook.island || other->app.rip >= hook.island + kIslandSlot) continue;
      bool moved = other->app.rip < hook.island + kTrampolineOffset;
      if (moved) other->app.rip = hook.is_pointer ? original_function(hook) : hook.address;
      for (unsigned i = 0; i < hook.move_count && !moved; ++i) {
        moved = other->app.rip == hook.island + hook.moves[i].to;
        if (moved) other->app.rip = hook.address + hook.moves[i].from;
      }
      inside = inside || !moved;
    }
    const uint64_t thread = heap_thread_of(*other, other->app.fs_base);
    if (thread != 0) {
      const auto call = other->read_as<uint64_t>(thread + offsetof(HeapThread, call));
      inside = inside || (call != 0 && other->app.rsp < call);
    }
  }
  if (inside || is_sandboxed(task.tid)) return false;
  RemoteCalls calls(task, space.vdso_syscall);
  for (const Island& island : hooks.islands) {
    if (!keeps_island(task, island)) calls.syscall(SYS_munmap, {island.start, kIslandSize});
  }
  hooks = {};
  return true;
}

}  // namespace vsup::supervisor
