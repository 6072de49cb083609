// Source: link.h of glibc 2.36 and musl 1.2 (struct r_debug, r_brk); elf(5).
#include "supervisor/session/native_breakpoints.h"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "protocol/agent_boot.h"
#include "protocol/client_requests.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

using protocol::client_request::kSequence;
using protocol::client_request::kXchgSize;

constexpr uint8_t kInt3 = 0xcc;
constexpr uint64_t kMaxHeaders = 64;
constexpr uint64_t kMaxDynamic = 512;

// What the loader tells of itself; without its function, r_brk: not yet, or no dynamic program.
r_debug find_loader(pid_t tid) {
  const uint64_t headers = read_auxv(tid, AT_PHDR);
  const uint64_t count = std::min<uint64_t>(read_auxv(tid, AT_PHNUM), kMaxHeaders);
  if (headers == 0) return {};
  uint64_t bias = 0, dynamic = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Elf64_Phdr header{};
    if (!read_value(tid, headers + i * sizeof header, header)) return {};
    if (header.p_type == PT_PHDR) bias = headers - header.p_vaddr;
    if (header.p_type == PT_DYNAMIC) dynamic = header.p_vaddr;
  }
  if (dynamic == 0) return {};
  for (uint64_t i = 0; i < kMaxDynamic; ++i) {
    Elf64_Dyn entry{};
    if (!read_value(tid, bias + dynamic + i * sizeof entry, entry) || entry.d_tag == DT_NULL) return {};
    if (entry.d_tag != DT_DEBUG) continue;
    r_debug debug{};
    if (entry.d_un.d_ptr == 0 || !read_value(tid, entry.d_un.d_ptr, debug)) return {};
    return debug;
  }
  return {};
}

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
  const r_debug loader = find_loader(tid);
  // In the middle of a change there is nothing new yet.
  if (active_ && loader.r_brk != 0 && loader.r_state != r_debug::RT_CONSISTENT) return;
  active_ = true;
  std::set<Seen> present;
  for (const Mapping& mapping : read_maps(tid)) {
    if (!mapping.executable || !mapping.file || mapping.shared || mapping.path.empty() || mapping.path[0] != '/' ||
        in_arena(mapping))
      continue;
    Seen mapped{mapping.start, mapping.end, mapping.offset, mapping.path};
    const bool known = seen_.contains(mapped);
    present.insert(std::move(mapped));
    if (known) continue;
    for (const uint64_t offset : sites.of_file(mapping.path, mapping.offset, mapping.end - mapping.start))
      add(tid, mapping.start + (offset - mapping.offset), NativeBreakpoint::Kind::kRequest);
  }
  seen_ = std::move(present);
  if (loader.r_brk != 0) {
    add(tid, loader.r_brk, NativeBreakpoint::Kind::kLoader);
  } else if (const uint64_t entry = read_auxv(tid, AT_ENTRY); entry != 0 && !entry_known_) {
    entry_known_ = true;
    add(tid, entry, NativeBreakpoint::Kind::kEntry);
  }
}

void NativeBreakpoints::remove(pid_t tid) {
  active_ = false;
  seen_.clear();
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
