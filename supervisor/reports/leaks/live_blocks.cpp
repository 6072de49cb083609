#include "supervisor/reports/leaks/live_blocks.h"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace vsup::supervisor::leaks {
namespace {

using namespace protocol;

constexpr uint64_t kPiece = 64u << 10;  // nodes read at once

struct Found {
  Blocks blocks;
  BlockOrigins origins;
  std::vector<Range> pages;
  uint64_t bytes = 0;
  bool of_python = false;
  bool overlap = false;  // some blocks begin before the end of those in front

  void add(const Block& block, uint32_t stack, HeapFunction function) {
    of_python |= function >= HeapFunction::kPythonMalloc;
    add_pages({block.start & ~(kPageSize - 1), (block.end() + kPageSize - 1) & ~(kPageSize - 1)});
    bytes += block.size;
    blocks.push_back(block);
    origins.emplace_back(stack, function);
  }
  void add_pages(const Range& touched) {
    if (!pages.empty() && touched.start <= pages.back().end) {
      pages.back().end = std::max(pages.back().end, touched.end);
    } else {
      pages.push_back(touched);
    }
  }
  void append(const Found& other) {
    if (!blocks.empty() && !other.blocks.empty()) overlap |= other.blocks.front().start < blocks.back().end();
    append_large(blocks, other.blocks);
    append_large(origins, other.origins);
    for (const Range& touched : other.pages) add_pages(touched);
    bytes += other.bytes;
    of_python |= other.of_python;
    overlap |= other.overlap;
  }
};

bool makes_blocks(uint32_t function) {
  const auto given = static_cast<HeapFunction>(function);
  return given < HeapFunction::kFree || (given >= HeapFunction::kPythonMalloc && given < HeapFunction::kPythonFree);
}

// Some of the nodes that are blocks.
struct Nodes {
  LargeVector<ChunkNode> nodes;
  LargeVector<StartOf> order;
};

uint32_t function_of(const ChunkNode& node) {
  return static_cast<uint32_t>(node.address_and_more >> 48 & 0xff);
}
Block block_of(const ChunkNode& node) {
  return {node.address_and_more & kChunkAddressMask, node.size_low | uint64_t{node.size_high} << 32};
}

void read_nodes(const StoppedProcess& process, uint64_t first, uint64_t end, Nodes& found) {
  std::vector<ChunkNode> piece;
  PagesAhead<ChunkNode> nodes_ahead;
  PagesAhead<StartOf> order_ahead;
  for (; first < end; first += kPiece) {
    piece.resize(std::min(kPiece, end - first));
    if (!process.read(kChunkNodesBase + first * sizeof(ChunkNode), piece.data(), piece.size() * sizeof(ChunkNode)))
      break;
    nodes_ahead.prepare(found.nodes, piece.size());
    order_ahead.prepare(found.order, piece.size());
    for (const ChunkNode& node : piece) {
      const Block block = block_of(node);
      if (!makes_blocks(function_of(node)) || !may_be_block(block)) continue;
      found.order.push_back({block.start, static_cast<uint32_t>(found.nodes.size())});
      found.nodes.push_back(node);
    }
  }
  sort_by_start(found.order);
}

std::vector<Nodes> read_nodes(const StoppedProcess& process, uint64_t count, unsigned threads) {
  const uint64_t share = (count / kPiece / threads + 1) * kPiece;
  std::vector<Nodes> parts(std::min<uint64_t>(threads, (count + share - 1) / share));
  std::vector<std::thread> helpers;
  for (size_t i = 0; i < parts.size(); ++i) {
    reserve_at_most(parts[i].nodes, share);
    reserve_at_most(parts[i].order, share);
    const auto work = [&, i] { read_nodes(process, i * share, std::min((i + 1) * share, count), parts[i]); };
    if (i + 1 < parts.size()) {
      helpers.emplace_back(work);
    } else {
      work();
    }
  }
  for (std::thread& helper : helpers) helper.join();
  return parts;
}

// A MiB of addresses, and which pages of its places were ever written.
struct Region {
  uint64_t start = 0, number = 0;
  uint16_t pages[kPagesPerRegion] = {};

  bool written(uint32_t page) const { return (pages[page] & kPageWritten) != 0; }
  size_t most_blocks() const {
    size_t count = 0;
    for (uint32_t page = 0; page < kPagesPerRegion; ++page)
      count += written(page) ? kPlacesPerPage / PlacedBlock::kCells : 0;
    return count;
  }
};

// In the order of addresses.
std::vector<Region> read_regions(const StoppedProcess& process, uint64_t count) {
  std::vector<uint32_t> numbers(count + 1);
  if (!process.read(kRegionNumbersBase, numbers.data(), numbers.size() * sizeof(uint32_t))) return {};
  std::vector<Region> regions;
  for (uint64_t number = 1; number <= count; ++number) {
    Region region{uint64_t{numbers[number]} << kRegionShift, number, {}};
    if (region.start >= kRegionsEnd) continue;
    if (!process.read(kPlacePagesBase + number * sizeof region.pages, region.pages, sizeof region.pages)) continue;
    regions.push_back(region);
  }
  std::stable_sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) { return a.start < b.start; });
  return regions;
}

constexpr size_t kMaskBits = 64;
static_assert(kPlacesPerPage % kMaskBits == 0);

// A bit for each of so many cells: it is not 0.
uint64_t occupied(const uint32_t* cells) {
  uint64_t empty = 0;
  for (unsigned i = 0; i < kMaskBits; i += 4) {
    const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(cells + i));
    const __m128i zeros = _mm_cmpeq_epi32(four, _mm_setzero_si128());
    empty |= static_cast<uint64_t>(_mm_movemask_ps(_mm_castsi128_ps(zeros))) << i;
  }
  return ~empty;
}

// The small blocks of some regions and the nodes of the same addresses, in the order of addresses.
class PlaceReader {
 public:
  PlaceReader(const StoppedProcess& process, const std::vector<Nodes>& nodes) : process_(process), nodes_(nodes) {}

  Found found;

  void read(std::span<const Region> regions, uint64_t start, uint64_t end) {
    for (const Nodes& part : nodes_) {
      const auto from = std::lower_bound(part.order.begin(), part.order.end(), start,
                                         [](const StartOf& node, uint64_t address) { return node.start < address; });
      cursors_.push_back({part, static_cast<size_t>(from - part.order.begin())});
    }
    find_next_node();
    for (const Region& region : regions) read_region(region);
    add_nodes_before(end);
  }

 private:
  // Those of the pages that were ever written, neighbours at once.
  void read_region(const Region& region) {
    for (uint32_t page = 0; page < kPagesPerRegion;) {
      const uint32_t first = page;
      while (page < kPagesPerRegion && region.written(page)) ++page;
      if (page == first) {
        ++page;
        continue;
      }
      cells_.resize(size_t{page - first} * kPlacesPerPage);
      const uint64_t place = uint64_t{first} * kPlacesPerPage;
      if (!process_.read(kPlacesBase + (region.number * kPlacesPerRegion + place) * sizeof(uint32_t), cells_.data(),
                         cells_.size() * sizeof(uint32_t)))
        return;
      add_places(region.start + (place << kPlaceShift));
    }
  }

  void add_places(uint64_t start) {
    blocks_ahead_.prepare(found.blocks, cells_.size() / PlacedBlock::kCells);
    origins_ahead_.prepare(found.origins, cells_.size() / PlacedBlock::kCells);
    uint64_t taken = 0;  // by the second cell of a block in the cells before
    for (size_t base = 0; base < cells_.size(); base += kMaskBits) {
      uint64_t left = occupied(&cells_[base]) & ~taken;
      taken = 0;
      while (left != 0) {
        const unsigned bit = static_cast<unsigned>(std::countr_zero(left));
        const size_t cell = base + bit;
        left &= left - 1;
        if (cell + 1 == cells_.size()) return;
        const PlacedBlock placed{cells_[cell] | uint64_t{cells_[cell + 1]} << 32};
        if (!placed.present()) continue;
        left &= ~(uint64_t{2} << bit);
        taken = bit + 1 == kMaskBits ? 1 : 0;
        const Block block{start + (cell << kPlaceShift), placed.size()};
        if (!makes_blocks(placed.function()) || !may_be_block(block)) continue;
        if (block.start >= next_node_) add_nodes_before(block.start + 1);
        add(block, placed.stack(), static_cast<HeapFunction>(placed.function()));
      }
    }
  }

  // In the parts of the nodes.
  struct Cursor {
    const Nodes& part;
    size_t next;
  };

  static constexpr size_t kFetchedAhead = 16;

  void find_next_node() {
    next_node_ = kRegionsEnd;
    for (Cursor& cursor : cursors_) {
      if (cursor.next == cursor.part.order.size() || cursor.part.order[cursor.next].start >= next_node_) continue;
      next_node_ = cursor.part.order[cursor.next].start;
      first_ = &cursor;
    }
  }
  void add_nodes_before(uint64_t address) {
    while (next_node_ < address) {
      const auto& [nodes, order] = first_->part;
      const ChunkNode& node = nodes[order[first_->next++].index];
      // They lie in no order.
      if (first_->next + kFetchedAhead < order.size())
        __builtin_prefetch(&nodes[order[first_->next + kFetchedAhead].index]);
      add(block_of(node), node.stack, static_cast<HeapFunction>(function_of(node)));
      find_next_node();
    }
  }

  void add(const Block& block, uint32_t stack, HeapFunction function) {
    found.overlap |= block.start < last_end_;
    last_end_ = block.end();
    found.add(block, stack, function);
  }

  const StoppedProcess& process_;
  const std::vector<Nodes>& nodes_;
  std::vector<Cursor> cursors_;
  Cursor* first_ = nullptr;  // where the next node is
  uint64_t next_node_ = 0;   // its start
  uint64_t last_end_ = 0;
  std::vector<uint32_t> cells_;
  PagesAhead<Block> blocks_ahead_;
  PagesAhead<BlockOrigin> origins_ahead_;
};

// Regions shared out so that each thread has about as much to read.
std::vector<std::span<const Region>> shares(const std::vector<Region>& regions, unsigned threads) {
  size_t total = 0, seen = 0;
  for (const Region& region : regions) total += region.most_blocks();
  std::vector<std::span<const Region>> shares;
  size_t first = 0;
  for (size_t i = 0; i + 1 < regions.size() && shares.size() + 1 < threads; ++i) {
    seen += regions[i].most_blocks();
    // A MiB that two regions claim to cover is not parted.
    if (regions[i + 1].start == regions[i].start) continue;
    if (seen < total / threads * (shares.size() + 1)) continue;
    shares.emplace_back(regions.data() + first, i + 1 - first);
    first = i + 1;
  }
  shares.emplace_back(regions.data() + first, regions.size() - first);
  return shares;
}

// Of blocks that overlap the first stays.
Found without_overlaps(const Found& given) {
  Found found;
  for (size_t i = 0; i < given.blocks.size(); ++i) {
    if (!found.blocks.empty() && given.blocks[i].start < found.blocks.back().end()) continue;
    found.add(given.blocks[i], given.origins[i].stack(), given.origins[i].function());
  }
  found.of_python = given.of_python;
  return found;
}

Found read_blocks(const StoppedProcess& process, const HeapControl& control, unsigned threads) {
  const std::vector<Nodes> nodes = read_nodes(process, std::min<uint64_t>(control.node_count, kMaxChunkNodes), threads);
  const std::vector<Region> regions = read_regions(process, std::min<uint64_t>(control.region_count, kMaxRegions - 1));
  const std::vector<std::span<const Region>> parts = shares(regions, threads);
  std::vector<PlaceReader> readers(parts.size(), PlaceReader(process, nodes));
  // The first reader's blocks are followed by the others'. Nodes before the first region are the first reader's.
  size_t most = 0;
  for (const Nodes& part : nodes) most += part.nodes.size();
  for (size_t i = parts.size(); i-- > 0;) {
    size_t own = 0;
    for (const Region& region : parts[i]) own += region.most_blocks();
    most += own;
    reserve_at_most(readers[i].found.blocks, i == 0 ? most : own);
    reserve_at_most(readers[i].found.origins, i == 0 ? most : own);
  }
  const auto work = [&](size_t i) {
    readers[i].read(parts[i], i == 0 ? 0 : parts[i].front().start,
                    i + 1 < parts.size() ? parts[i + 1].front().start : kRegionsEnd);
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < parts.size(); ++i) helpers.emplace_back(work, i);
  work(0);
  for (std::thread& helper : helpers) helper.join();
  Found found = std::move(readers.front().found);
  for (size_t i = 1; i < parts.size(); ++i) found.append(std::exchange(readers[i].found, {}));
  return found.overlap ? without_overlaps(found) : std::move(found);
}

}  // namespace

LiveBlocks read_live_blocks(const StoppedProcess& process, unsigned threads) {
  HeapControl control{};
  if (!process.read(kHeapLayerBase, &control, sizeof control)) return {};
  Found found = read_blocks(process, control, threads);
  LiveBlocks live{.blocks = std::move(found.blocks),
                  .origins = std::move(found.origins),
                  .pages = std::move(found.pages),
                  .bytes = found.bytes,
                  .of_python = found.of_python,
                  .all_known = control.late == 0 && control.lost_blocks == 0,
                  .lost = control.lost_blocks};
  return live;
}

}  // namespace vsup::supervisor::leaks
