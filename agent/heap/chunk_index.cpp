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

uint64_t cell_number(uint64_t address) {
  return address >> kPlaceShift & (kPlacesPerRegion - 1);
}

// The first of the two cells of a block at this address.
uint32_t* cells_of(uint32_t region, uint64_t address) {
  return reinterpret_cast<uint32_t*>(kPlacesBase) + uint64_t{region} * kPlacesPerRegion + cell_number(address);
}
uint16_t& page_of(uint32_t region, uint64_t address) {
  return reinterpret_cast<uint16_t*>(
      kPlacePagesBase)[uint64_t{region} * kPagesPerRegion + cell_number(address) / kPlacesPerPage];
}

// Both cells must be the region's.
bool has_place(uint64_t address) {
  return address % (1u << kPlaceShift) == 0 && cell_number(address) != kPlacesPerRegion - 1;
}

bool fits_place(const HeapBlock& block) {
  return has_place(block.address) && block.size <= PlacedBlock::kMaxSize && block.mark <= PlacedBlock::kMaxMark &&
         block.slack <= PlacedBlock::kMaxSlack;
}

uint64_t pack(const HeapBlock& block) {
  return block.stack | (block.function + uint64_t{1}) << 26 | block.size << 32 | uint64_t{block.mark} << 39 |
         uint64_t{block.slack} << 43 | PlacedBlock::kSecondMark;
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

// The two cells as one word, in a process with one thread.
uint64_t load_both(const uint32_t* cells) {
  uint64_t word;
  __builtin_memcpy(&word, cells, sizeof word);
  return word;
}
void store_both(uint32_t* cells, uint64_t word) {
  __builtin_memcpy(cells, &word, sizeof word);
}

bool claim(uint32_t& cell, uint32_t known, uint32_t value) {
  return __atomic_compare_exchange_n(&cell, &known, value, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

// The block that begins there, or 0; its cells are empty then. Of several threads that ask for one block one gets it.
uint64_t take_placed(uint32_t* cells) {
  if (heap_alone()) {
    uint64_t word = load_both(cells);
    if (!PlacedBlock::begins(static_cast<uint32_t>(word))) return 0;
    store_both(cells, 0);
    return word;
  }
  uint32_t first = __atomic_load_n(&cells[0], __ATOMIC_ACQUIRE);
  if (!PlacedBlock::begins(first) || !claim(cells[0], first, 0)) return 0;
  return first | uint64_t{__atomic_exchange_n(&cells[1], 0, __ATOMIC_ACQ_REL)} << 32;
}

// False: another block has one of the cells. The second is written first, so that a thread that is killed in between
// leaves no block without a size; it stands for the block's own bytes, unless those are few.
bool put_placed(uint32_t* cells, uint64_t word) {
  if (heap_alone()) {
    if (load_both(cells) != 0) return false;
    store_both(cells, word);
    return true;
  }
  auto second = static_cast<uint32_t>(word >> 32);
  if (PlacedBlock{word}.size() > 1u << kPlaceShift) {
    if (__atomic_load_n(&cells[1], __ATOMIC_RELAXED) != 0) return false;
    __atomic_store_n(&cells[1], second, __ATOMIC_RELEASE);
  } else if (!claim(cells[1], 0, second)) {
    return false;
  }
  if (claim(cells[0], 0, static_cast<uint32_t>(word))) return true;
  __atomic_store_n(&cells[1], 0, __ATOMIC_RELEASE);
  return false;
}

void mark_written(uint16_t& page) {
  if ((__atomic_load_n(&page, __ATOMIC_RELAXED) & kPageWritten) == 0) [[unlikely]]
    __atomic_fetch_or(&page, kPageWritten, __ATOMIC_RELAXED);
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
  uint32_t* cells = cells_of(region, block.address);
  bool placed = false;
  if (fits_place(block)) {
    // Said before there is something, in both pages where the cells are in two.
    mark_written(page);
    if (cell_number(block.address) % kPlacesPerPage == kPlacesPerPage - 1) [[unlikely]]
      mark_written(page_of(region, block.address + (1u << kPlaceShift)));
    placed = put_placed(cells, pack(block));
  }
  uint16_t seen = __atomic_load_n(&page, __ATOMIC_RELAXED);
  if (!placed && has_place(block.address) && (seen & kPageWritten) != 0) {
    uint64_t known = take_placed(cells);
    if (known != 0) {
      unpack(known, block.address, former);
      placed = fits_place(block) && put_placed(cells, pack(block));
    }
  }
  if (!placed) {
    insert_node(page, block, former);
  } else if (has_nodes(seen) && former.present == 0) {
    remove_node(page, block.address, former);
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
    uint64_t known = take_placed(cells_of(region, address));
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
  if (region != 0 && region != kNoRegion) __builtin_prefetch(cells_of(region, address), 1);
}

void chunk_lock_all() {
  table_lock_all();
}

void chunk_unlock_all() {
  table_unlock_all();
}

}  // namespace vsup::agent
