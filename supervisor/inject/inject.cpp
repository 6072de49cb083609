#include "supervisor/inject/inject.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "supervisor/base/log.h"
#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/remote_syscall.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace vsup::supervisor {

namespace {

using protocol::kArenaBase;
using protocol::kArenaSize;

constexpr uint64_t kPrivateFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
// In slot 0's page, behind its context.
constexpr uint64_t kMemfdNameAddress = protocol::kSlotsBase + 4096 - 8;
static_assert(sizeof(protocol::ThreadContext) <= 4096 - 8);
constexpr uint64_t kNoDump = MADV_DONTDUMP;

bool is_error(int64_t result) {
  return result < 0 && result >= -4095;
}

std::string describe(const char* what, int64_t result) {
  return std::string(what) + ": " + strerror(static_cast<int>(-result));
}

void unmap_arena(RemoteCalls& calls) {
  calls.syscall(SYS_munmap, {kArenaBase, kArenaSize});
}

// Creates the memfd in the tracee, maps it on both sides, closes the tracee's descriptor.
std::string map_shared(Tracee& tracee, RemoteCalls& calls, SharedView& shared, bool replace) {
  int64_t fd = calls.syscall(SYS_memfd_create, {kMemfdNameAddress, MFD_CLOEXEC | MFD_NOEXEC_SEAL});
  if (fd == -EINVAL) fd = calls.syscall(SYS_memfd_create, {kMemfdNameAddress, MFD_CLOEXEC | MFD_ALLOW_SEALING});
  if (is_error(fd)) return describe("memfd_create in the program", fd);
  std::string error;
  SharedView fresh;
  if (!fresh.map(tracee.tid, static_cast<int>(fd))) error = "the shared block cannot be opened from outside";
  if (error.empty()) {
    const uint64_t flags = MAP_SHARED | (replace ? MAP_FIXED : MAP_FIXED_NOREPLACE);
    const int64_t mapped = calls.syscall(SYS_mmap, {protocol::kSharedBase, protocol::kSharedSize,
                                                    PROT_READ | PROT_WRITE, flags, static_cast<uint64_t>(fd), 0});
    if (is_error(mapped)) error = describe("mapping the shared block", mapped);
  }
  calls.syscall(SYS_close, {static_cast<uint64_t>(fd)});
  if (error.empty()) shared = std::move(fresh);
  return error;
}

std::string map_all(Tracee& tracee, RemoteCalls& calls, const AgentImage& image, SharedView& shared) {
  struct Piece {
    uint64_t start, size, protection;
  };
  std::vector<Piece> pieces;
  for (const AgentSegment& segment : image.segments)
    pieces.push_back({segment.start, segment.size, static_cast<uint64_t>(segment.protection)});
  pieces.push_back(
      {protocol::kCacheBase, protocol::kCacheHotSize + protocol::kColdSize, PROT_READ | PROT_WRITE | PROT_EXEC});
  // Literals, heap and slots lie side by side.
  pieces.push_back({protocol::kLiteralBase, kArenaBase + kArenaSize - protocol::kLiteralBase, PROT_READ | PROT_WRITE});
  for (const Piece& piece : pieces) {
    const int64_t result =
        calls.syscall(SYS_mmap, {piece.start, piece.size, piece.protection, kPrivateFlags, ~uint64_t{0}, 0});
    if (is_error(result) || static_cast<uint64_t>(result) != piece.start)
      return describe("mapping the agent (an address space limit?)", is_error(result) ? result : -EEXIST);
  }
  for (const AgentSegment& segment : image.segments)
    tracee.write(segment.data_address, segment.data.data(), segment.data.size());
  tracee.write(kMemfdNameAddress, "vsup", 5);
  std::string error = map_shared(tracee, calls, shared, false);
  if (!error.empty()) return error;
  // Large programs jump about in it: fewer pages, fewer misses of the instruction TLB. Denied, all works as well.
  calls.syscall(SYS_madvise, {protocol::kCacheBase, protocol::kCacheHotSize, MADV_HUGEPAGE});
  // There are holes: the call marks what is mapped and answers ENOMEM.
  calls.syscall(SYS_madvise, {kArenaBase, kArenaSize, kNoDump});
  return {};
}

}  // namespace

SharedView::SharedView(SharedView&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}

SharedView& SharedView::operator=(SharedView&& other) noexcept {
  std::swap(block_, other.block_);
  return *this;
}

SharedView::~SharedView() {
  if (block_ != nullptr) munmap(const_cast<protocol::SharedBlock*>(block_), protocol::kSharedSize);
}

bool SharedView::map(pid_t pid, int descriptor) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(descriptor);
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd || ftruncate(fd.get(), protocol::kSharedSize) != 0) return false;
  // A tracee that truncates it would fault us.
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    log_line(LogLevel::kWarning, "the shared block of process %d cannot be sealed", pid);
    return false;
  }
  void* mapped = mmap(nullptr, protocol::kSharedSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return false;
  block_ = static_cast<volatile protocol::SharedBlock*>(mapped);
  return true;
}

uint64_t SharedView::counter(unsigned index) const {
  return block_ == nullptr || index >= protocol::kCounterCount ? 0 : block_->counters[index];
}

protocol::CrashPage SharedView::crash() const {
  protocol::CrashPage page{};
  if (block_ == nullptr) return page;
  memcpy(&page, const_cast<const protocol::CrashPage*>(&block_->crash), sizeof page);
  page.condition[sizeof page.condition - 1] = '\0';
  page.file[sizeof page.file - 1] = '\0';
  return page;
}

uint64_t find_vdso_syscall(uint64_t vdso_base) {
  if (vdso_base == 0) return 0;
  // One kernel has one vdso image: search our own.
  static const uint64_t offset = [] {
    const uint64_t own = getauxval(AT_SYSINFO_EHDR);
    if (own == 0) return uint64_t{0};
    for (const Mapping& mapping : read_maps(getpid())) {
      if (mapping.start != own) continue;
      const uint8_t pattern[] = {0x0f, 0x05};
      const auto* begin = reinterpret_cast<const uint8_t*>(own);
      const auto* end = reinterpret_cast<const uint8_t*>(mapping.end);
      const auto* found = std::search(begin, end, pattern, pattern + 2);
      return found == end ? uint64_t{0} : static_cast<uint64_t>(found - begin);
    }
    return uint64_t{0};
  }();
  return offset == 0 ? 0 : vdso_base + offset;
}

std::string check_ranges_free(pid_t pid) {
  for (const Mapping& mapping : read_maps(pid)) {
    if (mapping.end <= kArenaBase || mapping.start >= kArenaBase + kArenaSize) continue;
    char text[200];
    snprintf(text, sizeof text, "the agent's address range is occupied: %#lx-%#lx %s", mapping.start, mapping.end,
             mapping.path.c_str());
    return text;
  }
  return {};
}

std::string inject_agent(Tracee& tracee, uint64_t syscall_pc, const AgentImage& image,
                         const protocol::AgentSettings& settings, SharedView& shared) {
  if (!image.error.empty()) return image.error;
  std::string error = check_ranges_free(tracee.tid);
  if (!error.empty()) return error;
  RemoteCalls calls(tracee, syscall_pc);
  error = map_all(tracee, calls, image, shared);
  if (!error.empty()) {
    unmap_arena(calls);
    return error;
  }
  tracee.write_as(image.exports.settings, settings);
  const protocol::ThreadContext context = fresh_context(0);
  tracee.write_as(context.self, context);
  calls.call(image.exports.initialize, context.agent_sp, context.self, image.exports.remote_return);
  return {};
}

std::string replace_shared_block(Tracee& tracee, uint64_t syscall_pc, SharedView& shared) {
  RemoteCalls calls(tracee, syscall_pc);
  return map_shared(tracee, calls, shared, true);
}

void eject_agent(Tracee& tracee, uint64_t syscall_pc) {
  RemoteCalls calls(tracee, syscall_pc);
  unmap_arena(calls);
}

uint64_t slot_address(unsigned slot) {
  return protocol::kSlotsBase + slot * protocol::kSlotSize;
}

protocol::ThreadContext fresh_context(unsigned slot) {
  protocol::ThreadContext context{};
  context.self = slot_address(slot);
  context.agent_sp = context.self + protocol::kSlotSize;
  context.slot_index = slot;
  return context;
}

}  // namespace vsup::supervisor
