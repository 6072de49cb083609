#include "supervisor/session/native_breakpoints.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>

#include "protocol/agent_boot.h"
#include "protocol/client_requests.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

using protocol::client_request::kSequence;
using protocol::client_request::kXchgSize;

constexpr uint8_t kInt3 = 0xcc;
// nop dword [rax + rax + 0]
constexpr std::array<uint8_t, 5> kNop5{0x0f, 0x1f, 0x44, 0, 0};

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

void NativeBreakpoints::come_by_loader(pid_t tid, uint64_t caller, RequestSiteCache& sites) {
  const r_debug loader = modules_.state(tid);
  if (loader.r_brk != 0 && loader.r_state != r_debug::RT_CONSISTENT) {  // there is nothing new yet
    if (loader.r_state == r_debug::RT_DELETE) modules_.forget();
    if (loader.r_state == r_debug::RT_ADD) quieten(tid, caller, loader.r_brk);
    return;
  }
  look(tid, loader, sites);
}

// Only a call that always says this: glibc 2.36 writes RT_ADD to r_debug.r_state by the instruction before it
// (elf/dl-load.c, _dl_map_object_from_fd). Whoever comes by holds the loader's lock, so nobody else executes it now.
void NativeBreakpoints::quieten(pid_t tid, uint64_t caller, uint64_t function) {
  constexpr uint8_t kWritesAdd[] = {0xc7, 0x40, offsetof(r_debug, r_state), r_debug::RT_ADD, 0, 0, 0};
  constexpr uint8_t kCall = 0xe8;
  struct {
    uint8_t write[sizeof kWritesAdd];
    std::array<uint8_t, kNop5.size()> call;
  } code{};
  if ((quiet_ && quiet_->set) || !read_memory(tid, caller - sizeof code, &code, sizeof code)) return;
  int32_t distance = 0;
  std::memcpy(&distance, &code.call[1], sizeof distance);
  if (std::memcmp(code.write, kWritesAdd, sizeof kWritesAdd) != 0 || code.call[0] != kCall ||
      caller + static_cast<uint64_t>(int64_t{distance}) != function)
    return;
  const uint64_t address = caller - kNop5.size();
  if (write_value(tid, address, kNop5)) quiet_ = {address, code.call, true};
}

void NativeBreakpoints::set(pid_t tid, RequestSiteCache& sites) {
  look(tid, modules_.state(tid), sites);
}

void NativeBreakpoints::look(pid_t tid, const r_debug& loader, RequestSiteCache& sites) {
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
    struct stat facts {};
    const std::vector<CodeRange> ranges = code_of(tid, module);
    if (ranges.empty() || stat(module.path.c_str(), &facts) != 0) return false;
    for (const CodeRange& range : ranges)
      set_in(tid, {range.start, range.end, range.offset, facts.st_ino}, module.path, sites);
  }
  return true;
}

void NativeBreakpoints::set_in_mappings(pid_t tid, RequestSiteCache& sites) {
  std::map<Seen, std::string> present;
  for (const Mapping& mapping : read_maps(tid)) {
    if (!mapping.executable || !mapping.file || mapping.shared || mapping.path.empty() || mapping.path[0] != '/' ||
        in_arena(mapping))
      continue;
    present.insert({{mapping.start, mapping.end, mapping.offset, mapping.inode}, mapping.path});
  }
  std::erase_if(seen_, [&present](const Seen& mapped) { return !present.contains(mapped); });
  for (const auto& [mapped, path] : present) set_in(tid, mapped, path, sites);
}

void NativeBreakpoints::set_in(pid_t tid, const Seen& mapped, const std::string& path, RequestSiteCache& sites) {
  if (!seen_.insert(mapped).second) return;
  const auto& [start, end, offset, inode] = mapped;
  for (const uint64_t site : sites.of_file(path, offset, end - start))
    add(tid, start + (site - offset), NativeBreakpoint::Kind::kRequest);
}

void NativeBreakpoints::remove(pid_t tid) {
  active_ = false;
  seen_.clear();
  modules_.forget();
  for (NativeBreakpoint& one : known_) take_out(tid, one);
  if (!quiet_ || !quiet_->set) return;
  quiet_->set = false;
  std::array<uint8_t, kNop5.size()> code{};
  if (read_value(tid, quiet_->address, code) && code == kNop5) write_value(tid, quiet_->address, quiet_->original);
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
