#include "agent/heap/chunk_index.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <map>
#include <random>
#include <thread>

#include "protocol/heap.h"
#include "supervisor/reports/leaks/live_blocks.h"
#include "tests/harness/own_process.h"

using namespace vsup;
using agent::HeapBlock;
using protocol::HeapFunction;

namespace {

// The heap layer's memory, where the agent has it, for all tests of a run: the index keeps what it knows of it.
protocol::HeapControl& heap_layer() {
  static void* layer =
      mmap(reinterpret_cast<void*>(protocol::kHeapLayerBase), protocol::kHeapLayerSize, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  REQUIRE(layer == reinterpret_cast<void*>(protocol::kHeapLayerBase));
  return *static_cast<protocol::HeapControl*>(layer);
}

using Model = std::map<uint64_t, HeapBlock>;

void check_same(const HeapBlock& block, const HeapBlock& expected) {
  CHECK(block.present == 1);
  CHECK(block.address == expected.address);
  CHECK(block.size == expected.size);
  CHECK(block.stack == expected.stack);
  CHECK(block.slack == expected.slack);
  CHECK(block.function == expected.function);
  CHECK(block.mark == expected.mark);
}

// What the supervisor reads of these addresses is what was entered.
void check_read(const Model& model, uint64_t start, uint64_t end) {
  const supervisor::OwnProcess process;
  const supervisor::leaks::LiveBlocks live = supervisor::leaks::read_live_blocks(process, 2);
  auto expected = model.begin();
  for (size_t i = 0; i < live.blocks.size(); ++i) {
    if (live.blocks[i].start < start || live.blocks[i].start >= end) continue;
    REQUIRE(expected != model.end());
    CHECK(live.blocks[i].start == expected->first);
    CHECK(live.blocks[i].size == expected->second.size);
    CHECK(live.origins[i].stack() == expected->second.stack);
    CHECK(live.origins[i].function() == static_cast<HeapFunction>(expected->second.function));
    ++expected;
  }
  CHECK(expected == model.end());
}

class Walker {
 public:
  Walker(uint64_t seed, uint64_t start, uint64_t size) : random_(seed), start_(start), end_(start + size) {}

  void step() {
    const uint64_t address = start_ + random_() % ((end_ - start_) / 8) * 8;
    const auto known = model_.find(address);
    switch (random_() % 8) {
      case 0:
        if (known != model_.end()) known->second.mark = static_cast<uint8_t>(random_() % 20);
        agent::chunk_set_mark(address, known != model_.end() ? known->second.mark : 3);
        break;
      case 1:
      case 2:
      case 3:
        remove(address, known);
        break;
      default:
        insert(address, known);
    }
  }
  const Model& model() const { return model_; }

 private:
  void remove(uint64_t address, Model::iterator known) {
    HeapBlock block{};
    const bool found = agent::chunk_remove(address, block);
    CHECK(found == (known != model_.end()));
    if (!found || known == model_.end()) return;
    check_same(block, known->second);
    model_.erase(known);
  }
  // Of a size that leaves the next block alone; a block whose end was not seen is given back.
  void insert(uint64_t address, Model::iterator known) {
    const auto next = model_.upper_bound(address);
    const auto before = model_.lower_bound(address);
    if (before != model_.begin() && std::prev(before)->first + std::prev(before)->second.size > address) return;
    const uint64_t room = (next == model_.end() ? end_ : next->first) - address;
    const uint64_t sizes[] = {16, 16, 8, 24, 112, 113, 300, 5000};
    const uint64_t size = std::min(room, sizes[random_() % 8]);
    const HeapBlock block{.address = address,
                          .size = size,
                          .stack = static_cast<uint32_t>(1 + random_() % 60'000'000),
                          .slack = static_cast<uint16_t>(random_() % 10 == 0 ? random_() : 0),
                          .function = static_cast<uint8_t>(HeapFunction::kMalloc),
                          .mark = static_cast<uint8_t>(random_() % 10 == 0 ? random_() % 32 : 0),
                          .present = 1};
    HeapBlock former{};
    agent::chunk_insert(block, former);
    CHECK((former.present != 0) == (known != model_.end()));
    if (former.present != 0 && known != model_.end()) check_same(former, known->second);
    model_[address] = block;
  }

  std::mt19937_64 random_;
  uint64_t start_, end_;
  Model model_;
};

}  // namespace

TEST_CASE("chunk index: blocks are found again, whatever lies beside them, and the supervisor reads the same") {
  protocol::HeapControl& control = heap_layer();
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    control.alone = seed % 2;
    // Over the ends of regions and of pages; some so small that all cells are taken.
    const uint64_t start = 0x7000'0000'0000 + seed * 0x100'0000 - 0x200 * (seed % 3);
    Walker walker(seed, start, seed % 3 == 0 ? 0x400 : 0x10000);
    for (unsigned i = 0; i < 20'000; ++i) walker.step();
    check_read(walker.model(), start, start + 0x10000);
  }
  CHECK(control.lost_blocks == 0);
}

TEST_CASE("chunk index: threads whose smallest blocks are neighbours do not lose one") {
  heap_layer().alone = 0;
  constexpr unsigned kThreads = 4;
  constexpr uint64_t kStart = 0x7100'0000'0000, kSize = 0x1000;
  unsigned lost[kThreads] = {};
  const auto work = [&](unsigned own) {
    std::mt19937_64 random(own);
    Model model;
    for (unsigned i = 0; i < 100'000; ++i) {
      const uint64_t address = kStart + random() % (kSize / 16 / kThreads) * 16 * kThreads + 16 * own;
      HeapBlock block{.address = address,
                      .size = random() % 17,
                      .stack = i + 1,
                      .slack = 0,
                      .function = static_cast<uint8_t>(HeapFunction::kPythonMalloc),
                      .mark = 0,
                      .present = 1};
      HeapBlock former{};
      const auto known = model.find(address);
      if (known == model.end()) {
        agent::chunk_insert(block, former);
        if (former.present != 0) ++lost[own];
        model[address] = block;
      } else {
        if (!agent::chunk_remove(address, block) || block.stack != known->second.stack ||
            block.size != known->second.size)
          ++lost[own];
        model.erase(known);
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  for (const unsigned count : lost) CHECK(count == 0);
}
