#include "agent/heap/chunk_index.h"

#include "agent/heap/chunk_table.h"
#include "agent/heap/heap_alone.h"
#include "protocol/callstack.h"
#include "protocol/heap.h"

namespace vsup::agent {

namespace {

using namespace protocol;

static_assert(kMaxDepotNodes - 1 <= PlacedBlock::kMaxStack);
static_assert(static_cast<unsigned>(HeapFunction::kSystemCall) <= PlacedBlock::kMaxFunction);

HeapControl& control() {
  return *reinterpret_cast<HeapControl*>(kHeapLayerBase);
}

uint32_t& region_entry(uint64_t address) {
  return reinterpret_cast<uint32_t*>(kRegionsBase)[address >> kRegionShift];
}

// 0: there has been no block in it yet.
uint32_t region_of(uint64_t address) {
  if (address >= kRegionsEnd) return kNoRegion;
  return __atomic_load_n(&region_entry(address), __ATOMIC_ACQUIRE);
}

[[gnu::noinline]] uint32_t make_region(uint64_t address) {
  uint64_t& count = control().region_count;
  uint64_t number = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) + 1;
  if (number >= kMaxRegions) {
    __atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
    number = kNoRegion;
  } else {
    reinterpret_cast<uint32_t*>(kRegionNumbersBase)[number] = static_cast<uint32_t>(address >> kRegionShift);
  }
  // Another thread may be first; then this region stays empty.
  uint32_t known = 0;
  auto fresh = static_cast<uint32_t>(number);
  return __atomic_compare_exchange_n(&region_entry(address), &known, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
             ? fresh
             : known;
}

uint64_t& place_of(uint32_t region, uint64_t address) {
  uint64_t within = address >> kPlaceShift & (kPlacesPerRegion - 1);
  return reinterpret_cast<uint64_t*>(kPlacesBase)[uint64_t{region} * kPlacesPerRegion + within];
}
uint16_t& page_of(uint32_t region, uint64_t address) {
  uint64_t within = (address >> kPlaceShift & (kPlacesPerRegion - 1)) / kPlacesPerPage;
  return reinterpret_cast<uint16_t*>(kPlacePagesBase)[uint64_t{region} * kPagesPerRegion + within];
}

bool has_place(uint64_t address) {
  return address % (1u << kPlaceShift) == 0;
}

bool fits_place(const HeapBlock& block) {
  return has_place(block.address) && block.size <= PlacedBlock::kMaxSize && block.mark <= PlacedBlock::kMaxMark &&
         block.slack <= PlacedBlock::kMaxSlack;
}

uint64_t pack(const HeapBlock& block) {
  return block.stack | (block.function + uint64_t{1}) << 26 | block.size << 32 | uint64_t{block.mark} << 48 |
         uint64_t{block.slack} << 52;
}

void unpack(uint64_t word, uint64_t address, HeapBlock& block) {
  PlacedBlock placed{word};
  block = {.address = address,
           .size = placed.size(),
           .stack = placed.stack(),
           .slack = static_cast<uint16_t>(placed.slack()),
           .function = static_cast<uint8_t>(placed.function()),
           .mark = static_cast<uint8_t>(placed.mark()),
           .present = 1};
}

uint64_t exchange(uint64_t& place, uint64_t word) {
  if (!heap_alone()) return __atomic_exchange_n(&place, word, __ATOMIC_ACQ_REL);
  uint64_t former = place;
  place = word;
  return former;
}

void count_node(uint16_t& page, int change) {
  __atomic_fetch_add(&page, static_cast<uint16_t>(change), __ATOMIC_RELAXED);
}

bool has_nodes(uint16_t page) {
  return (page & ~kPageWritten) != 0;
}

// Of a block that is entered anew.
[[gnu::noinline]] bool remove_node(uint16_t& page, uint64_t address, HeapBlock& block) {
  if (!table_remove(address, block)) return false;
  count_node(page, -1);
  return true;
}

// Counted before it is there, so that a fork in between copies a count that is not too low.
[[gnu::noinline]] void insert_node(uint16_t& page, const HeapBlock& block, HeapBlock& former) {
  count_node(page, 1);
  if (table_insert(block, former) != TableInsertion::kNew) count_node(page, -1);
}

}  // namespace

void chunk_insert(const HeapBlock& block, HeapBlock& former) {
  former.present = 0;
  uint32_t region = region_of(block.address);
  if (region == 0) [[unlikely]]
    region = make_region(block.address);
  if (region == kNoRegion) [[unlikely]] {
    table_insert(block, former);
    return;
  }
  uint16_t& page = page_of(region, block.address);
  uint16_t seen = __atomic_load_n(&page, __ATOMIC_RELAXED);
  bool fits = fits_place(block);
  if (fits || (has_place(block.address) && (seen & kPageWritten) != 0)) {
    if ((seen & kPageWritten) == 0) [[unlikely]]
      __atomic_fetch_or(&page, kPageWritten, __ATOMIC_RELAXED);
    uint64_t known = exchange(place_of(region, block.address), fits ? pack(block) : 0);
    if (known != 0) [[unlikely]]
      unpack(known, block.address, former);
  }
  if (fits) {
    if (has_nodes(seen) && former.present == 0) remove_node(page, block.address, former);
  } else {
    insert_node(page, block, former);
  }
}

bool chunk_remove(uint64_t address, HeapBlock& block) {
  uint32_t region = region_of(address);
  if (region == 0) return false;
  if (region == kNoRegion) [[unlikely]]
    return table_remove(address, block);
  uint16_t& page = page_of(region, address);
  uint16_t seen = __atomic_load_n(&page, __ATOMIC_RELAXED);
  if (has_place(address) && (seen & kPageWritten) != 0) {
    uint64_t& place = place_of(region, address);
    uint64_t known = place == 0 ? 0 : exchange(place, 0);
    if (known != 0) {
      unpack(known, address, block);
      return true;
    }
  }
  return has_nodes(seen) && remove_node(page, address, block);
}

void chunk_set_mark(uint64_t address, uint8_t mark) {
  HeapBlock block, former;
  if (!chunk_remove(address, block)) return;
  block.mark = mark;
  chunk_insert(block, former);
}

void chunk_expect(uint64_t address) {
  uint32_t region = region_of(address);
  if (region != 0 && region != kNoRegion) __builtin_prefetch(&place_of(region, address), 1);
}

void chunk_lock_all() {
  table_lock_all();
}

void chunk_unlock_all() {
  table_unlock_all();
}

}  // namespace vsup::agent
