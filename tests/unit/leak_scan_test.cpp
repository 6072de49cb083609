#include "supervisor/reports/leaks/leak_scan.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/heuristics.h"

using namespace vsup::supervisor;
using namespace vsup::supervisor::leaks;

namespace {

// A process that is one array of bytes at an address of its own choice.
struct FakeProcess {
  static constexpr uint64_t kBase = 0x5555'0000'0000 - 0x4000;  // regions of 64 MiB meet inside
  std::vector<uint8_t> bytes = std::vector<uint8_t>(0x10000);
  Blocks blocks;
  std::vector<Range> roots, files, code;
  std::vector<uint64_t> registers;
  unsigned threads = 2;
  bool plain = false;

  uint64_t block(uint64_t offset, uint64_t size) {
    blocks.push_back({kBase + offset, size});
    return kBase + offset;
  }
  void put(uint64_t address, uint64_t value) { std::memcpy(&bytes[address - kBase], &value, 8); }
  uint64_t get(uint64_t address) const {
    uint64_t value;
    std::memcpy(&value, &bytes[address - kBase], 8);
    return value;
  }
  void root(uint64_t offset, uint64_t size) { roots.push_back({kBase + offset, kBase + offset + size}); }

  ReadMemory reader() const {
    return [this](uint64_t address, void* to, size_t size) -> size_t {
      if (address < kBase || address >= kBase + bytes.size()) return 0;
      size = std::min<uint64_t>(size, kBase + bytes.size() - address);
      std::memcpy(to, &bytes[address - kBase], size);
      return size;
    };
  }

  std::vector<BlockResult> scan(unsigned heuristics = kAllHeuristics) {
    std::vector<uint32_t> order;
    const auto sorted = normalized_blocks(blocks, order);
    GraphInput input{sorted, {{kBase, kBase + bytes.size()}}, roots, registers, heuristics, files, code, {}, threads};
    input.read = reader();
    input.plain = plain;
    const PointerGraph graph = read_pointers(input);
    const auto found = scan_for_leaks(sorted, graph, threads);
    REQUIRE(found.size() == sorted.size());
    std::vector<BlockResult> results(blocks.size());
    for (size_t i = 0; i < order.size(); ++i) results[order[i]] = found[i];
    return results;
  }
};

constexpr LeakKind kReachable = LeakKind::kReachable, kPossible = LeakKind::kPossible, kIndirect = LeakKind::kIndirect,
                   kDefinite = LeakKind::kDefinite;

}  // namespace

TEST_CASE("leak scan: chains from a root, by start and by middle") {
  FakeProcess process;
  process.root(0, 64);
  const uint64_t a = process.block(0x100, 32), b = process.block(0x200, 32), c = process.block(0x300, 32),
                 d = process.block(0x400, 32), e = process.block(0x500, 32);
  process.put(FakeProcess::kBase, a);
  process.put(a + 24, b);
  process.put(FakeProcess::kBase + 8, c + 5);    // interior
  process.put(c, d);                             // what a possibly lost block holds is possibly lost
  process.put(FakeProcess::kBase + 16, e + 32);  // one past the end is no pointer into it
  const auto results = process.scan();
  CHECK(results[0].kind == kReachable);
  CHECK(results[1].kind == kReachable);
  CHECK(results[2].kind == kPossible);
  CHECK(results[3].kind == kPossible);
  CHECK(results[4].kind == kDefinite);
  // A pointer to the start from something reachable later makes all of it reachable.
  process.put(b, c);
  const auto again = process.scan();
  CHECK(again[2].kind == kReachable);
  CHECK(again[3].kind == kReachable);
}

TEST_CASE("leak scan: cliques") {
  FakeProcess process;
  // A tree, lost: the leader is found although its leaves have lower addresses.
  const uint64_t leaf1 = process.block(0x100, 8), leaf2 = process.block(0x200, 16), node = process.block(0x300, 24),
                 top = process.block(0x400, 32);
  process.put(node, leaf1);
  process.put(node + 8, leaf2 + 3);
  process.put(top, node);
  // A cycle: its lowest address leads.
  const uint64_t first = process.block(0x500, 40), second = process.block(0x600, 48);
  process.put(first, second);
  process.put(second, first);
  // One that points to itself.
  const uint64_t self = process.block(0x700, 56);
  process.put(self, self);
  const auto results = process.scan();
  CHECK(results[0].kind == kIndirect);
  CHECK(results[1].kind == kIndirect);
  CHECK(results[2].kind == kIndirect);
  CHECK(results[3].kind == kDefinite);
  CHECK(results[3].indirect_bytes == 8 + 16 + 24);
  CHECK(results[4].kind == kDefinite);
  CHECK(results[4].indirect_bytes == 48);
  CHECK(results[5].kind == kIndirect);
  CHECK(results[6].kind == kDefinite);
  CHECK(results[6].indirect_bytes == 0);
}

TEST_CASE("leak scan: registers, sizes of zero, words that are not aligned") {
  FakeProcess process;
  process.root(0x13, 0x20);  // its aligned words alone: 0x18, 0x20, 0x28
  const uint64_t by_register = process.block(0x100, 32), empty = process.block(0x200, 0),
                 crooked = process.block(0x300, 24), beyond = process.block(0x401, 15);
  process.registers = {by_register, 0, ~uint64_t{0}};
  process.put(FakeProcess::kBase + 0x20, empty);
  process.put(crooked + 4, beyond);
  auto results = process.scan();
  CHECK(results[0].kind == kReachable);
  CHECK(results[1].kind == kReachable);
  CHECK(results[2].kind == kDefinite);
  CHECK(results[3].kind == kDefinite);
  CHECK(results[2].indirect_bytes == 0);
}

TEST_CASE("leak scan: heuristics") {
  FakeProcess process;
  process.root(0, 64);
  const uint64_t base = FakeProcess::kBase;
  const uint64_t text = process.block(0x100, 3 * 8 + 20 + 1);
  process.put(text, 11);      // length
  process.put(text + 8, 20);  // capacity
  process.put(base, text + 24);
  const uint64_t sized = process.block(0x200, 8 + 30);
  process.put(sized, 30);
  process.put(base + 8, sized + 8);
  const uint64_t array = process.block(0x300, 8 + 5 * 12);
  process.put(array, 5);
  process.put(base + 16, array + 8);
  const uint64_t object = process.block(0x400, 64);
  const uint64_t table = base + 0x8000, code = base + 0x9000;
  process.files = {{table, table + 0x100}};
  process.code = {{code, code + 0x100}};
  process.put(table, code + 1);
  process.put(table + 24, code + 2);  // null pointers between are fine
  process.put(object, table);
  process.put(object + 32, table);
  process.put(base + 24, object + 32);
  auto results = process.scan();
  CHECK(results[0].heuristic == kStdString);
  CHECK(results[1].heuristic == kLength64);
  CHECK(results[2].heuristic == kNewArray);
  CHECK(results[3].heuristic == kMultipleInheritance);
  for (const BlockResult& result : results) CHECK(result.kind == kReachable);
  results = process.scan(kNewArray);
  CHECK(results[0].kind == kPossible);
  CHECK(results[1].heuristic == kNewArray);  // a length is a plausible number of elements of one byte
  CHECK(results[2].kind == kReachable);
  CHECK(results[3].kind == kPossible);
  for (const BlockResult& result : process.scan(0)) CHECK(result.kind == kPossible);
  // A pointer to the start needs no heuristic.
  process.put(base + 32, text);
  CHECK(process.scan()[0].heuristic == kNoHeuristic);
  // One function is no table.
  process.put(table + 24, 7);
  CHECK(process.scan()[3].kind == kPossible);
}

TEST_CASE("leak scan: Python's objects behind their collector's header, and instances' values") {
  FakeProcess process;
  process.root(0, 256);
  const uint64_t base = FakeProcess::kBase;
  constexpr uint64_t kFlags = 168, kHaveGc = 1 << 14, kManagedDict = 1 << 4, kTypeSubclass = uint64_t{1} << 31;
  const uint64_t meta = base + 0x8000, plain = base + 0x8200, with_dict = base + 0x8400, simple = base + 0x8600;
  for (const uint64_t type : {meta, plain, with_dict, simple}) process.put(type + 8, meta);
  process.put(meta + kFlags, kHaveGc | kTypeSubclass);
  process.put(plain + kFlags, kHaveGc);
  process.put(with_dict + kFlags, kHaveGc | kManagedDict);
  process.put(simple + kFlags, 0);
  uint64_t next = 0;
  const auto object = [&](uint64_t offset, uint64_t header, uint64_t type) {
    const uint64_t block = process.block(offset, header + 32);
    process.put(block + header, 1);
    process.put(block + header + 8, type);
    process.put(base + 8 * next++, block + header);
  };
  object(0x100, 16, plain);
  object(0x200, 32, with_dict);
  object(0x300, 32, plain);      // nothing comes before its header
  object(0x400, 16, with_dict);  // something does
  object(0x500, 16, simple);     // it has no header
  object(0x600, 16, base + 64);  // no type
  object(0x700, 16, 0x7fff'0000'0000);
  // Five values, behind 8 bytes of which the last two say that 3 are used and 8 come before.
  const uint64_t values = process.block(0x800, 8 + 5 * 8);
  process.put(values, uint64_t{8} << 56 | uint64_t{3} << 48);
  process.put(base + 8 * next++, values + 8);
  const uint64_t tagged = process.block(0x900, 16 + 7 * 8);
  process.put(tagged + 8, uint64_t{16} << 56);
  process.put(base + 8 * next++, tagged + 16 - 1);
  const uint64_t too_few = process.block(0xa00, 16 + 3 * 8);
  process.put(too_few + 8, uint64_t{16} << 56);
  process.put(base + 8 * next++, too_few + 16);
  const auto results = process.scan();
  const LeakKind kinds[] = {kReachable, kReachable, kPossible,  kPossible,  kPossible,
                            kPossible,  kPossible,  kReachable, kReachable, kPossible};
  for (size_t i = 0; i < std::size(kinds); ++i) {
    CAPTURE(i);
    CHECK(results[i].kind == kinds[i]);
    CHECK(results[i].heuristic == (kinds[i] == kReachable ? kPyObject : kNoHeuristic));
  }
  CHECK(process.scan(kAllHeuristics & ~kPyObject)[0].kind == kPossible);
  const ReadMemory reader = process.reader();
  // In the collector's lists, which link headers and mark the links back.
  using Collected = PythonObjects::Collected;
  PythonObjects before(reader);
  CHECK(before.collected(process.blocks[0]) == Collected::kNo);
  const uint64_t first = process.blocks[0].start, second = process.blocks[1].start + 16;
  process.put(first, second);
  process.put(second + 8, first | 1);
  process.put(second, base + 0xf00);
  process.put(base + 0xf00 + 8, second | 2);
  PythonObjects linked(reader);
  CHECK(linked.collected(process.blocks[0]) == Collected::kAtStart);
  CHECK(linked.collected(process.blocks[1]) == Collected::kInside);
  CHECK(linked.collected(process.blocks[5]) == Collected::kNo);
  // Immortal by its count of references, wherever it begins.
  PythonObjects python(reader);
  CHECK_FALSE(python.is_immortal(process.blocks[0]));
  process.put(process.blocks[0].start + 16, 0xffff'ffff);
  process.put(process.blocks[5].start + 16, 0xffff'ffff);  // no type
  PythonObjects later(reader);
  CHECK(later.is_immortal(process.blocks[0]));
  CHECK_FALSE(later.is_immortal(process.blocks[5]));
}

namespace {

// Memcheck's algorithm to the letter: one stack, states that rise, blocks read again when they do.
struct Oracle {
  enum State { kUnreached, kReach, kPoss, kInd };
  const FakeProcess& process;
  Blocks blocks;  // sorted
  std::vector<State> state;
  std::vector<uint64_t> indirect;
  std::vector<size_t> stack;

  explicit Oracle(const FakeProcess& given, const Blocks& sorted)
      : process(given), blocks(sorted), state(sorted.size()), indirect(sorted.size()) {}

  size_t find(uint64_t value) const {
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (value >= blocks[i].start && value < blocks[i].end()) return i;
    }
    return blocks.size();
  }
  void meet(uint64_t value, bool definite) {
    const size_t i = find(value);
    if (i == blocks.size() || state[i] == kReach) return;
    if (value == blocks[i].start && definite) {
      state[i] = kReach;
      stack.push_back(i);
    } else if (state[i] == kUnreached) {
      state[i] = kPoss;
      stack.push_back(i);
    }
  }
  template <typename F>
  void words(uint64_t start, uint64_t end, F f) {
    for (start = (start + 7) / 8 * 8; start + 8 <= end; start += 8) f(process.get(start));
  }
  void run() {
    for (const Range& root : process.roots) words(root.start, root.end, [&](uint64_t v) { meet(v, true); });
    while (!stack.empty()) {
      const size_t i = stack.back();
      stack.pop_back();
      words(blocks[i].start, blocks[i].start + blocks[i].size, [&](uint64_t v) { meet(v, state[i] != kPoss); });
    }
    for (size_t leader = 0; leader < blocks.size(); ++leader) {
      if (state[leader] != kUnreached) continue;
      stack.push_back(leader);
      while (!stack.empty()) {
        const size_t i = stack.back();
        stack.pop_back();
        words(blocks[i].start, blocks[i].start + blocks[i].size, [&](uint64_t v) {
          const size_t j = find(v);
          if (j == blocks.size() || state[j] != kUnreached || j == leader) return;
          state[j] = kInd;
          indirect[leader] += blocks[j].size + indirect[j];
          indirect[j] = 0;
          stack.push_back(j);
        });
      }
    }
  }
};

}  // namespace

TEST_CASE("leak scan: random heaps, as the algorithm to the letter finds them") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    FakeProcess process;
    process.root(0, 8 * (random() % 12));
    uint64_t offset = 0x100;
    const size_t count = 1 + random() % 120;
    for (size_t i = 0; i < count; ++i) {
      offset += random() % 3 == 0 ? 16 * (random() % 40) : 1 + random() % 16;
      const uint64_t size = random() % 8 == 0 ? 0 : random() % (random() % 10 == 0 ? 3000 : 90);
      if (offset + size + 16 > process.bytes.size()) break;
      process.block(offset, size);
      offset += size + 1;
    }
    const unsigned density = 1 + static_cast<unsigned>(random() % 30);
    for (uint64_t at = 0; at + 8 <= process.bytes.size(); at += 8) {
      if (random() % density != 0) continue;
      const Block& target = process.blocks[random() % process.blocks.size()];
      process.put(FakeProcess::kBase + at, target.start + (random() % 4 == 0 ? random() % (target.size + 2) : 0));
    }
    std::vector<uint32_t> order;
    Oracle oracle(process, normalized_blocks(process.blocks, order));
    oracle.run();
    process.threads = 1 + seed % 3;
    process.plain = seed % 2 == 0;
    const auto results = process.scan(0);
    for (size_t i = 0; i < order.size(); ++i) {
      const LeakKind kinds[] = {kDefinite, kReachable, kPossible, kIndirect};
      REQUIRE(results[order[i]].kind == kinds[oracle.state[i]]);
      REQUIRE(results[order[i]].indirect_bytes == oracle.indirect[i]);
    }
  }
}

TEST_CASE("leak scan: blocks that cannot be") {
  std::vector<uint32_t> order;
  const auto blocks = normalized_blocks({{0x3000, 16},
                                         {0x1000, 0x1800},
                                         {0x2000, 8},
                                         {0, 5},
                                         {~uint64_t{0} - 4, 100},
                                         {0x4000, ~uint64_t{0}},
                                         {0x7fff'ffff'f000, 0x1000}},
                                        order);
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[0].start == 0x1000);
  CHECK(blocks[1].start == 0x3000);
  CHECK(order == std::vector<uint32_t>{1, 0, 6});
  const BlockTable table(blocks);
  CHECK(table.find(0x1000) == 0);
  CHECK(table.find(0x27ff) == 0);
  CHECK(table.find(0x2800) == BlockTable::kNone);
  CHECK(table.find(0x7fff'ffff'ffff) == 2);
  CHECK(table.find(0x8000'0000'0000) == BlockTable::kNone);
  CHECK(table.find(0) == BlockTable::kNone);
  CHECK(scan_for_leaks({}, {}).empty());
}

TEST_CASE("leak scan: a block of 32 TiB costs no more than a small one") {
  const uint64_t start = 0x1234'5670, size = uint64_t{1} << 45;
  const Blocks blocks = {{start - 64, 32}, {start, size}, {start + size, 0}, {start + size + (1 << 30), 8}};
  const BlockTable table(blocks);
  REQUIRE(table.valid());
  CHECK(table.find(start - 33) == 0);
  CHECK(table.find(start - 32) == BlockTable::kNone);
  CHECK(table.find(start) == 1);
  for (unsigned shift = 0; shift < 45; ++shift) {
    CHECK(table.find(start + (uint64_t{1} << shift)) == 1);
    CHECK(table.find(start + size - (uint64_t{1} << shift)) == 1);
  }
  CHECK(table.find(start + size) == 2);
  CHECK(table.find(start + size + 1) == BlockTable::kNone);
  CHECK(table.find(start + size + (1 << 29)) == BlockTable::kNone);
  CHECK(table.find(start + size + (1 << 30) + 7) == 3);
}

TEST_CASE("leak scan: memory with holes is read around them") {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* memory =
      static_cast<uint8_t*>(mmap(nullptr, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(memory != MAP_FAILED);
  const auto start = reinterpret_cast<uint64_t>(memory);
  memory[0] = 1;
  memory[10 * page] = 2;
  memory[12 * page + 5] = 3;
  mprotect(memory + 11 * page, page, PROT_NONE);
  const auto present = present_parts(getpid(), {{start, start + 64 * page}});
  REQUIRE(present.size() == 3);
  CHECK(present[1].start == start + 10 * page);
  CHECK(present[1].end == start + 11 * page);
  // A block over the page that cannot be read, and pointers on both sides of it.
  const Blocks blocks = {{start, 20 * page}, {start + 30 * page, 8}, {start + 30 * page + 64, 8}};
  reinterpret_cast<uint64_t*>(memory)[1] = blocks[1].start;
  reinterpret_cast<uint64_t*>(memory + 12 * page)[0] = blocks[2].start;
  const std::vector<Range> heap = {{start, start + 20 * page}, {start + 30 * page, start + 31 * page}};
  const PointerGraph graph = read_pointers({blocks, heap, {}, {}, 0, {}, {}, read_process(getpid()), 2});
  REQUIRE(graph.pointers.size() == 2);
  REQUIRE(graph.first.size() == 4);
  CHECK(graph.first[0] == 0);
  for (size_t i = 1; i < 4; ++i) CHECK(graph.first[i] == 2);
  CHECK(graph.bytes_read == 19 * page + 64 + 8);
  munmap(memory, 64 * page);
}

TEST_CASE("leak scan: several threads find what one does, in a graph that is large enough to be shared") {
  constexpr uint32_t kBlocks = 200'000;
  uint64_t random = 7;
  const auto number = [&random](uint32_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((random >> 33) % below);
  };
  Blocks blocks;
  PointerGraph graph;
  graph.first = ZeroedArray<uint64_t>(kBlocks + 1);
  const auto pointer = [&](uint32_t to) {
    const uint32_t kind = number(8);
    Pointer made(to, kind < 4);
    if (kind >= 4 && kind < 7) made.set_heuristic(static_cast<uint8_t>(1u << (kind - 4)));
    return made;
  };
  for (uint32_t i = 0; i < kBlocks; ++i) {
    blocks.push_back({0x10'0000 + i * uint64_t{64}, 48});
    // To far ones and to the next one, so that there are both many ways at once and long ones.
    for (uint32_t p = number(3); p > 0; --p) graph.pointers.push_back(pointer(number(kBlocks)));
    if (number(10) > 0) graph.pointers.push_back(pointer((i + 1) % kBlocks));
    graph.first[i + 1] = graph.pointers.size();
  }
  for (int i = 0; i < 5; ++i) graph.roots.push_back(pointer(number(kBlocks)));
  const LeakResults expected = scan_for_leaks(blocks, graph, 1);
  size_t reachable = 0, heuristic = 0;
  for (uint32_t i = 0; i < kBlocks; ++i) {
    reachable += expected[i].kind == kReachable;
    heuristic += expected[i].kind == kReachable && expected[i].heuristic != kNoHeuristic;
  }
  CHECK(reachable > kBlocks / 2);
  CHECK(heuristic > 100);
  for (unsigned threads = 2; threads < 6; ++threads) {
    const LeakResults found = scan_for_leaks(blocks, graph, threads);
    size_t differing = 0;
    for (uint32_t i = 0; i < kBlocks; ++i) {
      const bool by_another = expected[i].kind == kReachable && found[i].heuristic != expected[i].heuristic;
      differing +=
          by_another || found[i].kind != expected[i].kind || found[i].indirect_bytes != expected[i].indirect_bytes;
    }
    CHECK(differing == 0);
  }
}
