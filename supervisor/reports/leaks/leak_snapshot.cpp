#include "supervisor/reports/leaks/leak_snapshot.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "agent/tools/leaks/records.h"
#include "supervisor/reports/leaks/hooked_functions.h"
#include "supervisor/reports/leaks/python_arenas.h"
#include "supervisor/reports/leaks/python_objects.h"
#include "supervisor/reports/leaks/roots.h"
#include "supervisor/symbols/process_memory.h"
#include "supervisor/symbols/remote_unwind.h"

namespace vsup::supervisor::leaks {
namespace {

namespace records = agent::leaks;

constexpr unsigned kMostThreads = 4;

// A thread that has called exit: the frames of exit's own functions lie where the program's were, with its pointers
// still in them; so its stack and registers are taken as they were at the call.
bool stood_at_exit(const StoppedProcess& process, const ThreadRegisters& thread, uint64_t exit_sp, RootThread& root,
                   std::vector<uint64_t>& registers) {
  RemoteUnwinder unwinder(process.tid());
  for (const RawFrame& frame : unwinder.unwind(thread)) {
    if (frame.stack_pointer <= exit_sp) continue;
    root.sp = exit_sp;
    root.pc = 0;
    root.red_zone = false;
    registers.insert(registers.end(), frame.kept.begin(), frame.kept.end());
    return true;
  }
  return false;
}

bool is_of_python(const LeakSnapshot& snapshot, size_t block) {
  return snapshot.origins[block].function() >= protocol::HeapFunction::kPythonMalloc;
}

// As if there was a pointer to each.
void keep_immortal_objects(LeakSnapshot& snapshot, PythonObjects& python) {
  for (uint32_t i = 0; i < snapshot.blocks.size(); ++i)
    if (is_of_python(snapshot, i) && python.is_immortal(snapshot.blocks[i])) snapshot.graph.roots.emplace_back(i, true);
}

// When the interpreter has ended, it has collected what it could: an object that only the collector's lists still point
// to is lost.
void leave_out_collector(LeakSnapshot& snapshot, PythonObjects& python) {
  using Collected = PythonObjects::Collected;
  PointerGraph& graph = snapshot.graph;
  if (graph.first.size() != snapshot.blocks.size() + 1) return;
  std::vector<Collected> collected(snapshot.blocks.size(), Collected::kNo);
  for (size_t i = 0; i < collected.size(); ++i)
    if (is_of_python(snapshot, i)) collected[i] = python.collected(snapshot.blocks[i]);
  const auto is_link = [&collected](Pointer pointer) {
    const Collected where = collected[pointer.block()];
    return (where == Collected::kAtStart && pointer.exact()) || (where == Collected::kInside && !pointer.keeps());
  };
  std::erase_if(graph.roots, is_link);
  for (uint32_t i = 0; i < snapshot.blocks.size(); ++i) {
    for (uint64_t p = graph.first[i]; p < graph.first[i + 1]; ++p) {
      if (is_link(graph.pointers[p])) graph.pointers[p] = Pointer(i, false);  // to itself: as good as none
    }
  }
}

}  // namespace

unsigned leak_check_threads() {
  return std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads);
}

std::optional<LeakSnapshot> take_leak_snapshot(const StoppedProcess& process, SnapshotRequest request) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  records::Header header{};
  if (!process.read(records::kToolBase, &header, sizeof header)) return {};
  LeakSnapshot snapshot;
  const unsigned threads = leak_check_threads();
  LiveBlocks live = read_live_blocks(process, threads);
  snapshot.blocks = std::move(live.blocks);
  snapshot.origins = std::move(live.origins);
  snapshot.lost_records = live.lost;
  snapshot.all_known = live.all_known;
  snapshot.clean_up_missing = header.clean_up == records::kCleanUpUnsafe;
  snapshot.use = {live.bytes, snapshot.blocks.size(), header.allocations, header.frees, header.allocated_bytes};

  snapshot.modules = ModuleMap::of_process(process.tid());
  const ModuleMap now = snapshot.modules;
  RootInput roots{now.entries(), snapshot.blocks, {}, read_process(process.tid()), {}, live.all_known};
  PythonArenas arenas;
  if (live.of_python) arenas = find_python_arenas(snapshot.blocks, roots.read);
  if (live.all_known) roots.python_arenas = arenas.ranges;
  roots.arena = {protocol::kArenaBase, protocol::kArenaBase + protocol::kArenaSize};
  std::vector<uint64_t> registers;
  for (const ThreadRegisters& thread : process.threads()) {
    RootThread root{thread.gpr[protocol::kRsp], thread.pc, thread.fs_base, true};
    const bool exits =
        header.exit_sp != 0 && static_cast<uint64_t>(thread.tid) == header.exit_tid && header.exit_sp >= root.sp;
    if (!exits || !stood_at_exit(process, thread, header.exit_sp, root, registers)) {
      registers.insert(registers.end(), std::begin(thread.gpr), std::end(thread.gpr));
    }
    roots.threads.push_back(root);
  }
  GraphInput input{snapshot.blocks, {}, {}, std::move(registers), request.heuristics, {}, {}, roots.read, 1, {}};
  input.heap = present_parts(process.tid(), live.pages);
  input.roots = present_parts(process.tid(), find_roots(roots));
  input.files = readable_files(now.entries());
  input.code = executable_files(now.entries());
  input.threads = threads;
  if (request.libraries) {
    snapshot.modules.add_gone(request.libraries->modules);
    input.saved = of_gone_libraries(*request.libraries, now);
  }
  snapshot.graph = read_pointers(input);
  PythonObjects python(roots.read);
  // Earlier ones end with modules that nothing else points to.
  if (arenas.large_pools && request.at_end && header.exit_sp != 0) leave_out_collector(snapshot, python);
  if (live.of_python) keep_immortal_objects(snapshot, python);

  snapshot.depot = StackReader::of_process(process.tid());
  ProcessMemory memory(process.tid());
  const ReadBytes read = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
  for (const MapEntry& entry : snapshot.modules.entries()) {
    if (entry.executable) snapshot.modules.inspect(entry.start, read);
  }
  snapshot.functions = hooked_functions(process, snapshot.modules);
  snapshot.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  return snapshot;
}

}  // namespace vsup::supervisor::leaks
