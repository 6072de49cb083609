#include "supervisor/session/native_breakpoints.h"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include "protocol/agent_boot.h"
#include "protocol/client_requests.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

using protocol::client_request::kSequence;
using protocol::client_request::kXchgSize;

constexpr uint8_t kInt3 = 0xcc;

// Code that is still what the breakpoint was set in.
bool is_sequence(pid_t tid, uint64_t xchg) {
  uint8_t code[sizeof kSequence];
  constexpr uint64_t kBefore = sizeof kSequence - kXchgSize;
  if (xchg < kBefore || !read_memory(tid, xchg - kBefore, code, sizeof code)) return false;
  code[kBefore] = kSequence[kBefore];
  return std::memcmp(code, kSequence, sizeof code) == 0;
}

bool in_arena(const Mapping& mapping) {
  return mapping.start >= protocol::kArenaBase && mapping.start < protocol::kArenaBase + protocol::kArenaSize;
}

}  // namespace

void NativeBreakpoints::add(pid_t tid, uint64_t address, NativeBreakpoint::Kind kind) {
  if (kind == NativeBreakpoint::Kind::kRequest && !is_sequence(tid, address)) return;
  uint8_t byte = 0;
  if (!read_value(tid, address, byte) || byte == kInt3 || !write_value(tid, address, kInt3)) return;
  const auto old = std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.address == address; });
  if (old != known_.end()) {
    *old = {address, byte, kind, true};
  } else {
    known_.push_back({address, byte, kind, true});
  }
}

void NativeBreakpoints::set(pid_t tid, RequestSiteCache& sites) {
  const r_debug loader = modules_.state(tid);
  // In the middle of a change there is nothing new yet.
  if (active_ && loader.r_brk != 0 && loader.r_state != r_debug::RT_CONSISTENT) {
    if (loader.r_state == r_debug::RT_DELETE) modules_.forget();
    return;
  }
  const auto added = modules_.added(tid, loader);
  if (active_ && added && !added->empty() && set_in_modules(tid, *added, sites)) return;
  active_ = true;
  set_in_mappings(tid, sites);
  if (loader.r_brk != 0) {
    add(tid, loader.r_brk, NativeBreakpoint::Kind::kLoader);
  } else if (const uint64_t entry = read_auxv(tid, AT_ENTRY); entry != 0 && !entry_known_) {
    entry_known_ = true;
    add(tid, entry, NativeBreakpoint::Kind::kEntry);
  }
}

bool NativeBreakpoints::set_in_modules(pid_t tid, const std::vector<LoaderModule>& modules, RequestSiteCache& sites) {
  for (const LoaderModule& module : modules) {
    if (!module.path.starts_with('/')) return false;
    std::error_code error;
    const std::string path = std::filesystem::canonical(module.path, error);
    const std::vector<CodeRange> ranges = code_of(tid, module);
    if (error || ranges.empty()) return false;
    for (const CodeRange& range : ranges) set_in(tid, {range.start, range.end, range.offset, path}, sites);
  }
  return true;
}

void NativeBreakpoints::set_in_mappings(pid_t tid, RequestSiteCache& sites) {
  std::set<Seen> present;
  for (const Mapping& mapping : read_maps(tid)) {
    if (!mapping.executable || !mapping.file || mapping.shared || mapping.path.empty() || mapping.path[0] != '/' ||
        in_arena(mapping))
      continue;
    present.insert({mapping.start, mapping.end, mapping.offset, mapping.path});
  }
  std::erase_if(seen_, [&present](const Seen& mapped) { return !present.contains(mapped); });
  for (const Seen& mapped : present) set_in(tid, mapped, sites);
}

void NativeBreakpoints::set_in(pid_t tid, const Seen& mapped, RequestSiteCache& sites) {
  if (!seen_.insert(mapped).second) return;
  const auto& [start, end, offset, path] = mapped;
  for (const uint64_t site : sites.of_file(path, offset, end - start))
    add(tid, start + (site - offset), NativeBreakpoint::Kind::kRequest);
}

void NativeBreakpoints::remove(pid_t tid) {
  active_ = false;
  seen_.clear();
  modules_.forget();
  for (NativeBreakpoint& one : known_) take_out(tid, one);
}

void NativeBreakpoints::drop(pid_t tid, uint64_t address) {
  for (NativeBreakpoint& one : known_)
    if (one.address == address) take_out(tid, one);
}

void NativeBreakpoints::take_out(pid_t tid, NativeBreakpoint& one) {
  if (!one.set) return;
  one.set = false;
  uint8_t byte = 0;
  if (!read_value(tid, one.address, byte) || byte != kInt3) return;
  if (one.kind == NativeBreakpoint::Kind::kRequest && !is_sequence(tid, one.address)) return;
  write_value(tid, one.address, one.original);
}

std::optional<NativeBreakpoint> NativeBreakpoints::at(uint64_t address) const {
  for (const NativeBreakpoint& one : known_)
    if (one.address == address) return one;
  return {};
}

}  // namespace vsup::supervisor
