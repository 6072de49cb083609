#include "supervisor/reports/leaks/python_arenas.h"

#include <algorithm>
#include <map>
#include <optional>

namespace vsup::supervisor::leaks {
namespace {

struct PoolHeader {
  uint64_t used;
  uint64_t free_block, next, previous;
  uint32_t arena;  // number of its arena
  uint32_t size_class;
  uint32_t next_offset, last_offset;  // of the first block never used, of the last one that fits
};
static_assert(sizeof(PoolHeader) == 48);

constexpr uint64_t kAlignment = 16, kLargestBlock = 512;  // on 64 bits, from 3.7 on

struct Layout {
  uint64_t pool_size, arena_size;
};
constexpr Layout kLayouts[] = {{uint64_t{16} << 10, uint64_t{1} << 20}, {uint64_t{4} << 10, uint64_t{256} << 10}};

struct Arena {
  uint64_t first, end;  // of its pools
  const Layout* layout;
};

class ArenaFinder {
 public:
  ArenaFinder(const Blocks& blocks, const ReadMemory& read) : blocks_(blocks), read_(read) {}

  PythonArenas find() {
    uint64_t known_end = 0;
    for (const Block& block : blocks_) {
      if (block.start < known_end || block.size > kLargestBlock || block.start % kAlignment != 0) continue;
      for (const Layout& layout : kLayouts) {
        const uint64_t pool = block.start & ~(layout.pool_size - 1);
        const auto header = header_at(pool, layout);
        if (!header || !holds(*header, pool, block)) continue;
        known_end = pool + layout.pool_size;
        large_pools_ |= &layout == &kLayouts[0];
        add(header->arena, pool, layout);
        break;
      }
    }
    for (auto& [number, arena] : arenas_) {
      extend(number, arena);
      found_.push_back({arena.first, arena.end});
    }
    return {normalized(std::move(found_)), large_pools_};
  }

 private:
  std::optional<PoolHeader> header_at(uint64_t pool, const Layout& layout) const {
    PoolHeader header{};
    if (read_(pool, &header, sizeof header) != sizeof header) return {};
    const uint64_t size = (uint64_t{header.size_class} + 1) * kAlignment;
    if (size > kLargestBlock || header.last_offset != layout.pool_size - size || header.next_offset < sizeof header ||
        header.next_offset > layout.pool_size || (header.next_offset - sizeof header) % size != 0) {
      return {};
    }
    return header;
  }

  static bool holds(const PoolHeader& header, uint64_t pool, const Block& block) {
    const uint64_t size = (uint64_t{header.size_class} + 1) * kAlignment, offset = block.start - pool;
    return offset >= sizeof header && (offset - sizeof header) % size == 0 && block.size <= size &&
           offset < header.next_offset;
  }

  // Pools come in the order of addresses.
  void add(uint32_t number, uint64_t pool, const Layout& layout) {
    const auto [entry, fresh] = arenas_.try_emplace(number, Arena{pool, pool + layout.pool_size, &layout});
    Arena& arena = entry->second;
    if (fresh) return;
    if (arena.layout == &layout && pool + layout.pool_size - arena.first <= layout.arena_size) {
      arena.end = pool + layout.pool_size;
    } else {
      found_.push_back({pool, pool + layout.pool_size});  // another interpreter's
    }
  }

  // A pool that has become free keeps its header; what was never used is zero.
  void extend(uint32_t number, Arena& arena) const {
    const uint64_t pool_size = arena.layout->pool_size;
    const auto belongs = [&](uint64_t pool) {
      const auto header = header_at(pool, *arena.layout);
      return header && header->arena == number;
    };
    while (arena.end - arena.first < arena.layout->arena_size && belongs(arena.first - pool_size)) {
      arena.first -= pool_size;
    }
    while (arena.end - arena.first < arena.layout->arena_size && belongs(arena.end)) arena.end += pool_size;
  }

  const Blocks& blocks_;
  const ReadMemory& read_;
  std::map<uint32_t, Arena> arenas_;
  std::vector<Range> found_;
  bool large_pools_ = false;
};

}  // namespace

PythonArenas find_python_arenas(const Blocks& blocks, const ReadMemory& read) {
  return ArenaFinder(blocks, read).find();
}

}  // namespace vsup::supervisor::leaks
