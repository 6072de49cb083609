#include "supervisor/reports/leaks/roots.h"

#include <algorithm>
#include <optional>

namespace vsup::supervisor::leaks {
namespace {

constexpr uint64_t kRedZone = 128;                       // System V ABI for AMD64, 3.2.2
constexpr uint64_t kArenaHeapSize = uint64_t{64} << 20;  // HEAP_MAX_SIZE of glibc's malloc/arena.c: a heap's alignment
constexpr uint64_t kTcbSize = 4096;                      // struct pthread of glibc is about 2,300 bytes
constexpr uint64_t kChunkMmapped = 2, kChunkNotMain = 4, kChunkFlags = 7;  // malloc/malloc.c

bool is_device(const MapEntry& entry) {
  // Shared memory and /dev/zero are memory.
  return entry.path.starts_with("/dev/") && !entry.path.starts_with("/dev/shm/") && entry.path != "/dev/zero";
}

class RootFinder {
 public:
  explicit RootFinder(const RootInput& input) : input_(input) {
    is_static_ = std::none_of(input.mappings.begin(), input.mappings.end(),
                              [](const MapEntry& entry) { return is_libc(entry.path); });
  }

  std::vector<Range> find() {
    std::vector<Range> roots, holes = {input_.arena};
    holes.insert(holes.end(), input_.python_arenas.begin(), input_.python_arenas.end());
    for (size_t i = 0; i < input_.mappings.size(); ++i) {
      const MapEntry& entry = input_.mappings[i];
      if (!entry.readable || !(entry.writable || is_sealed(i)) || is_device(entry)) continue;
      roots.push_back({entry.start, entry.end});
      if (entry.is_file()) {
        find_main_arena(entry, holes);
      } else if (input_.all_blocks_known) {
        const bool after_data = i > 0 && input_.mappings[i - 1].end == entry.start && input_.mappings[i - 1].is_file();
        find_allocator(entry, after_data, holes);
      }
      for (const RootThread& thread : input_.threads) cut_stack(entry, thread, holes);
    }
    if (!input_.all_blocks_known) {
      for (const Block& block : input_.blocks) holes.push_back({block.start, block.start + block.size});
    }
    std::vector<Range> rest = without(normalized(std::move(roots)), normalized(std::move(holes)));
    add_static_tls(rest);
    return normalized(std::move(rest));
  }

 private:
  // What a module had written before it was made read-only (PT_GNU_RELRO) lies before its data. The C library of a
  // static program keeps pointers there to blocks from malloc.
  bool is_sealed(size_t mapping) const {
    const MapEntry& entry = input_.mappings[mapping];
    if (mapping + 1 == input_.mappings.size() || entry.executable || !entry.is_file()) return false;
    const MapEntry& next = input_.mappings[mapping + 1];
    return next.writable && next.start == entry.end && next.path == entry.path;
  }

  uint64_t word(uint64_t address) const {
    uint64_t value = 0;
    return input_.read(address, &value, sizeof value) == sizeof value ? value : 0;
  }

  // What is below a thread's stack pointer is of functions that have returned. The kernel or the C library made the
  // mapping for the stack, with a guard below; a stack elsewhere, as of a signal handler, may have data below it.
  void cut_stack(const MapEntry& entry, const RootThread& thread, std::vector<Range>& holes) const {
    if (thread.sp < entry.start || thread.sp >= entry.end) return;
    const bool has_tcb = thread.fs_base > thread.sp && thread.fs_base < entry.end;
    if (entry.path != "[stack]" && !has_tcb) return;
    for (const RootThread& other : input_.threads) {
      if (other.sp >= entry.start && other.sp < thread.sp) return;
    }
    uint8_t before[2] = {};
    const bool in_syscall =
        thread.pc > 2 && input_.read(thread.pc - 2, before, 2) == 2 && before[0] == 0x0f && before[1] == 0x05;
    // The C library's functions that make system calls keep nothing there.
    const uint64_t end =
        in_syscall || !thread.red_zone ? thread.sp : thread.sp - std::min(kRedZone, thread.sp - entry.start);
    holes.push_back({entry.start, end});
  }

  // glibc's main arena lies in the data of libc, or of a static program, and points to free chunks; their headers
  // overlap the last bytes of the live block before. Its last bin is always empty and points to itself: 127 pairs of
  // words, before them fastbinsY[10], top and last_remainder, after them binmap and the arena's links (struct
  // malloc_state, glibc 2.26 to 2.40).
  void find_main_arena(const MapEntry& entry, std::vector<Range>& holes) const {
    constexpr uint64_t kMostData = uint64_t{1} << 20, kBins = 127, kBefore = uint64_t{12} * 8,
                       kAfter = 16 + uint64_t{5} * 8;
    if (!is_libc(entry.path) && !is_static_) return;
    std::vector<uint64_t> words(std::min(entry.end - entry.start, kMostData) / 8);
    words.resize(input_.read(entry.start, words.data(), words.size() * 8) / 8);
    for (size_t i = words.size(); i-- > kBins * 2;) {
      const uint64_t address = entry.start + (i - 1) * 8;
      if (words[i] != address - 16 || words[i - 1] != address - 16) continue;
      holes.push_back({address - (kBins - 1) * 16 - kBefore, address + 16 + kAfter});
      return;
    }
  }

  // The blocks in `entry`, and with them what the allocator keeps beside them.
  void find_allocator(const MapEntry& entry, bool after_data, std::vector<Range>& holes) const {
    auto block = std::lower_bound(input_.blocks.begin(), input_.blocks.end(), entry.start,
                                  [](const Block& b, uint64_t address) { return b.start < address; });
    const uint64_t first = block == input_.blocks.end() ? entry.end : block->start;
    if (entry.path == "[heap]") {
      // The break is malloc's, whether or not a block of it is still there.
      if (first < entry.end || !input_.blocks.empty()) holes.push_back({entry.start, entry.end});
      return;
    }
    while (block != input_.blocks.end() && block->start < entry.end) {
      const Range* arena = range_at(input_.python_arenas, block->start);
      const std::optional<Range> own = arena != nullptr ? *arena : glibc_region(*block, entry);
      if (!own) {
        // Another allocator: the mapping is its own, but for a module's zeroed data that it may have been joined to.
        holes.push_back({after_data ? first & ~(kPageSize - 1) : entry.start, entry.end});
        return;
      }
      holes.push_back(*own);
      block = std::lower_bound(block + 1, input_.blocks.end(), own->end,
                               [](const Block& b, uint64_t address) { return b.start < address; });
    }
  }

  // The part of a mapping that holds this block of glibc's: a mapping made for it, or a heap of a thread's arena.
  std::optional<Range> glibc_region(const Block& block, const MapEntry& entry) const {
    if (block.start % 16 != 0 || block.start < entry.start + 16) return std::nullopt;
    const uint64_t header = word(block.start - 8);
    const uint64_t size = header & ~kChunkFlags;
    if ((header & kChunkMmapped) != 0) {
      const uint64_t start = block.start - 16 - word(block.start - 16), end = block.start - 16 + size;
      if (start % kPageSize != 0 || end % kPageSize != 0 || start < entry.start || end > entry.end ||
          end < block.end()) {
        return std::nullopt;
      }
      return Range{start, end};
    }
    const uint64_t heap = block.start & ~(kArenaHeapSize - 1);
    const uint64_t arena = word(heap);
    const bool arena_above = arena > heap && arena < heap + kArenaHeapSize;
    // A further heap of an arena: its header points to the arena in the first one, and to the heap before.
    const bool further = arena % 16 == 0 && (arena & ~(kArenaHeapSize - 1)) + 32 == arena && word(heap + 8) != 0;
    if ((header & kChunkNotMain) == 0 || heap < entry.start || (!arena_above && !further)) return std::nullopt;
    return Range{heap, std::min(entry.end, heap + kArenaHeapSize)};
  }

  // A static program has its first thread's storage at the start of the break.
  void add_static_tls(std::vector<Range>& roots) const {
    for (const MapEntry& entry : input_.mappings) {
      if (entry.path != "[heap]") continue;
      for (const RootThread& thread : input_.threads) {
        if (thread.fs_base < entry.start || thread.fs_base >= entry.end) continue;
        roots.push_back({entry.start, std::min(entry.end, thread.fs_base + kTcbSize)});
      }
    }
  }

  const RootInput& input_;
  bool is_static_;
};

template <typename Wanted>
std::vector<Range> file_ranges(const std::vector<MapEntry>& mappings, const Wanted& wanted) {
  std::vector<Range> ranges;
  for (const MapEntry& entry : mappings) {
    if (entry.is_file() && !is_device(entry) && wanted(entry)) ranges.push_back({entry.start, entry.end});
  }
  return normalized(std::move(ranges));
}

}  // namespace

std::vector<Range> find_roots(const RootInput& input) {
  return RootFinder(input).find();
}

std::vector<Range> readable_files(const std::vector<MapEntry>& mappings) {
  return file_ranges(mappings, [](const MapEntry& entry) { return entry.readable; });
}

std::vector<Range> executable_files(const std::vector<MapEntry>& mappings) {
  return file_ranges(mappings, [](const MapEntry& entry) { return entry.executable; });
}

}  // namespace vsup::supervisor::leaks
