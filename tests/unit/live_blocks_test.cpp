#include "supervisor/reports/leaks/live_blocks.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>

using namespace vsup;
using namespace vsup::supervisor;
using namespace vsup::supervisor::leaks;
using protocol::HeapFunction;

namespace {

// A process that has nothing but the heap layer's index, made of pages of zeros until something is put there.
class FakeIndex : public StoppedProcess {
 public:
  pid_t pid() const override { return 1; }
  pid_t tid() const override { return 1; }
  uint64_t generation() const override { return 1; }
  const std::vector<ThreadRegisters>& threads() const override { return threads_; }
  bool read(uint64_t address, void* to, size_t size) const override {
    std::memset(to, 0, size);
    const uint64_t end = address + size;
    for (auto page = pages_.lower_bound(address & ~uint64_t{kPage - 1}); page != pages_.end() && page->first < end;
         ++page) {
      const uint64_t first = std::max(address, page->first), last = std::min(end, page->first + kPage);
      std::memcpy(static_cast<uint8_t*>(to) + (first - address), page->second.data() + (first - page->first),
                  last - first);
    }
    return true;
  }
  bool write(uint64_t address, const void* from, size_t size) override {
    for (size_t i = 0; i < size; ++i) {
      std::vector<uint8_t>& page = pages_[(address + i) & ~uint64_t{kPage - 1}];
      page.resize(kPage);
      page[(address + i) % kPage] = static_cast<const uint8_t*>(from)[i];
    }
    return true;
  }
  bool call_agent(uint64_t) override { return false; }

  template <typename T>
  void put(uint64_t address, const T& value) {
    write(address, &value, sizeof value);
  }

  protocol::HeapControl control{};

  void add_node(uint64_t address, uint64_t size, uint32_t stack, HeapFunction function) {
    protocol::ChunkNode node{};
    node.address_and_more = address | static_cast<uint64_t>(function) << 48;
    node.size_low = static_cast<uint32_t>(size);
    node.size_high = static_cast<uint16_t>(size >> 32);
    node.stack = stack;
    put(protocol::kChunkNodesBase + ++control.node_count * sizeof node, node);
  }
  // Regions are numbered as their first blocks come. False: another block has the cells, or there is one alone.
  bool add_place(uint64_t address, uint64_t size, uint32_t stack, HeapFunction function) {
    const auto [found, fresh] = regions_.try_emplace(address >> protocol::kRegionShift, control.region_count + 1);
    if (fresh) {
      ++control.region_count;
      put(protocol::kRegionNumbersBase + found->second * 4, static_cast<uint32_t>(found->first));
    }
    const uint64_t place = address >> protocol::kPlaceShift & (protocol::kPlacesPerRegion - 1);
    if (place + 1 == protocol::kPlacesPerRegion) return false;
    if (cells_.contains(address) || cells_.contains(address + 16)) return false;
    cells_.insert({address, address + 16});
    put(protocol::kPlacesBase + (found->second * protocol::kPlacesPerRegion + place) * 4,
        uint64_t{stack} | (static_cast<uint64_t>(function) + 1) << 26 | size << 32 |
            protocol::PlacedBlock::kSecondMark);
    for (const uint64_t cell : {place, place + 1})
      put(protocol::kPlacePagesBase + (found->second * protocol::kPagesPerRegion + cell / protocol::kPlacesPerPage) * 2,
          protocol::kPageWritten);
    return true;
  }
  LiveBlocks read_blocks(unsigned threads) {
    protocol::HeapControl written = control;
    ++written.node_count;  // with the first, which is none
    put(protocol::kHeapLayerBase, written);
    return read_live_blocks(*this, threads);
  }

 private:
  static constexpr uint64_t kPage = 4096;
  std::vector<ThreadRegisters> threads_;
  std::map<uint64_t, std::vector<uint8_t>> pages_;
  std::map<uint64_t, uint64_t> regions_;
  std::set<uint64_t> cells_;
};

}  // namespace

TEST_CASE("live blocks: places and nodes come in the order of addresses, whoever reads them") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    FakeIndex index;
    struct Given {
      uint64_t size;
      uint32_t stack;
      HeapFunction function;
    };
    std::map<uint64_t, Given> given;
    const unsigned count = 1 + random() % 300;
    // Over a few MiB, in no order; some overlap.
    for (unsigned i = 0; i < count; ++i) {
      const uint64_t address = 0x5555'0000'0000 + random() % (1 + seed % 5 * (uint64_t{3} << 20)) / 16 * 16;
      const uint64_t size = random() % (random() % 4 == 0 ? 100'000 : 113);
      const HeapFunction functions[] = {HeapFunction::kMalloc, HeapFunction::kNewArrayAligned, HeapFunction::kFree,
                                        HeapFunction::kPythonRealloc, HeapFunction::kPythonFree};
      const Given block{size, static_cast<uint32_t>(random() % 1000), functions[random() % 5]};
      if (!given.try_emplace(address, block).second) continue;
      const bool small = size <= protocol::PlacedBlock::kMaxSize && random() % 3 != 0;
      if (!small || !index.add_place(address, size, block.stack, block.function))
        index.add_node(address, size, block.stack, block.function);
    }
    for (unsigned threads = 1; threads <= 3; ++threads) {
      CAPTURE(threads);
      const LiveBlocks live = index.read_blocks(threads);
      size_t next = 0;
      uint64_t end = 0, bytes = 0;
      bool of_python = false;
      for (const auto& [address, block] : given) {
        if (block.function == HeapFunction::kFree || block.function == HeapFunction::kPythonFree) continue;
        of_python |= block.function == HeapFunction::kPythonRealloc;
        if (address < end) continue;
        REQUIRE(next < live.blocks.size());
        CHECK(live.blocks[next].start == address);
        CHECK(live.blocks[next].size == block.size);
        CHECK(live.origins[next].stack() == block.stack);
        CHECK(live.origins[next].function() == block.function);
        end = live.blocks[next++].end();
        bytes += block.size;
        const Range* pages = range_at(live.pages, address);
        REQUIRE(pages != nullptr);
        CHECK(pages->end >= end);
      }
      CHECK(live.blocks.size() == next);
      CHECK(live.origins.size() == next);
      CHECK(live.of_python == of_python);
      CHECK(live.bytes == bytes);
    }
  }
}

TEST_CASE("live blocks: numbers that cannot be") {
  FakeIndex index;
  CHECK(index.read_blocks(2).blocks.empty());
  index.add_place(0x1000, 16, 1, HeapFunction::kMalloc);
  index.add_place(0x7fff'ffff'ffe0, 112, 2, HeapFunction::kMalloc);  // ends beyond user space
  index.add_place(0x8000'0000'0000, 16, 2, HeapFunction::kMalloc);   // there is none
  index.add_node(0x7fff'ffff'0000, 0xffff'ffff'ffff, 3, HeapFunction::kMalloc);
  index.add_node(0x2000, 8, ~uint32_t{0}, HeapFunction::kNew);
  index.add_node(0x3000, 8, 4, static_cast<HeapFunction>(255));
  // Two regions for the same MiB.
  ++index.control.region_count;
  index.put(protocol::kRegionNumbersBase + index.control.region_count * 4, uint32_t{0});
  index.put(protocol::kPlacePagesBase + index.control.region_count * protocol::kPagesPerRegion * 2,
            protocol::kPageWritten);
  index.put(protocol::kPlacesBase + (index.control.region_count * protocol::kPlacesPerRegion + 0x100) * 4,
            uint64_t{7} | uint64_t{1} << 26 | uint64_t{16} << 32 | protocol::PlacedBlock::kSecondMark);
  for (unsigned threads = 1; threads <= 3; ++threads) {
    const LiveBlocks live = index.read_blocks(threads);
    REQUIRE(live.blocks.size() == 2);
    CHECK(live.blocks[0].start == 0x1000);
    CHECK(live.origins[0].stack() == 1);
    CHECK(live.blocks[1].start == 0x2000);
    CHECK(live.origins[1].stack() == 0);
    CHECK(live.origins[1].function() == HeapFunction::kNew);
  }
}
