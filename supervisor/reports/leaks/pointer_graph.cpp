#include "supervisor/reports/leaks/pointer_graph.h"

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace vsup::supervisor::leaks {
namespace {

constexpr size_t kPiece = size_t{256} << 10;  // read at once: fits the second-level cache
constexpr size_t kBatch = 256;                // look-ups under way at once
constexpr size_t kSharesPerThread = 8;        // of the heap: one thread may be twice as fast as another

// An interior pointer, whose heuristic is looked for when all is read.
struct Interior {
  uint64_t at;  // index in the pointers
  uint64_t value;
};

// Copies those of `count` words, which need not be aligned, that are in [low, low + span) to `to`, which has room for
// kOverrun more. Returns how many they are.
using Gather = size_t (*)(const uint8_t* words, size_t count, uint64_t low, uint64_t span, uint64_t* to);
constexpr size_t kOverrun = 8;

// Without a branch: what follows is kept when it may be a pointer and overwritten otherwise.
size_t gather_words(const uint8_t* words, size_t count, uint64_t low, uint64_t span, uint64_t* to) {
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    uint64_t word;
    std::memcpy(&word, words + i * sizeof word, sizeof word);
    to[at] = word;
    at += word - low < span ? 1 : 0;
  }
  return at;
}

// Eight words at once.
[[gnu::target("avx512f,popcnt")]] size_t gather_eights(const uint8_t* words, size_t count, uint64_t low, uint64_t span,
                                                       uint64_t* to) {
  const __m512i lowest = _mm512_set1_epi64(static_cast<int64_t>(low));
  const __m512i size = _mm512_set1_epi64(static_cast<int64_t>(span));
  size_t at = 0;
  for (size_t i = 0; i < count; i += 8) {
    const unsigned present = count - i < 8 ? (1u << (count - i)) - 1 : 0xff;
    const __m512i eight = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(present), words + i * sizeof(uint64_t));
    const unsigned wanted = _mm512_cmplt_epu64_mask(_mm512_sub_epi64(eight, lowest), size) & present;
    _mm512_storeu_si512(to + at, _mm512_maskz_compress_epi64(static_cast<__mmask8>(wanted), eight));
    at += static_cast<unsigned>(__builtin_popcount(wanted));
  }
  return at;
}

Gather best_gather() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt") ? gather_eights : gather_words;
}

// Reads ranges and keeps the pointers to blocks in them.
class Reader {
 public:
  Reader(const GraphInput& input, const BlockTable& table)
      : input_(input),
        table_(table),
        gather_(input.plain ? gather_words : best_gather()),
        buffer_(new uint64_t[kPiece / 8]) {}

  LargeVector<Pointer> pointers;
  std::vector<Interior> interior;
  uint64_t bytes_read = 0;

  // Calls words(start, end, bytes) for pieces of `range`, in order; piece borders are page borders.
  template <typename Words>
  void read_range(Range range, const Words& words) {
    while (range.start < range.end) {
      const uint64_t to_border = kPiece - range.start % kPageSize;
      const size_t size = std::min<uint64_t>(to_border, range.end - range.start);
      const size_t got = std::min(input_.read(range.start, buffer_.get(), size), size);
      bytes_read += got;
      if (got > 0) words(range.start, range.start + got, reinterpret_cast<const uint8_t*>(buffer_.get()));
      // Past what cannot be read: to the next page.
      range.start = got == size ? range.start + size : (range.start + got) / kPageSize * kPageSize + kPageSize;
    }
  }

  // `bytes` is what is at `start`. Aligned words alone can hold pointers. Counts to `tally` what is found.
  void scan(uint64_t start, uint64_t end, const uint8_t* bytes, uint64_t* tally) {
    const uint64_t first = (start + 7) & ~uint64_t{7};
    const uint64_t last = end & ~uint64_t{7};
    if (first >= last) return;
    const uint8_t* words = bytes + (first - start);  // aligned in the process, not here
    for (uint64_t left = (last - first) / 8; left > 0;) {
      const uint64_t count = std::min<uint64_t>(left, kBatch - count_);
      const size_t found = gather_(words, count, table_.low(), table_.span(), values_ + count_);
      count_ += found;
      if (found > 0) runs_[run_count_++] = {count_, tally};
      if (count_ > kBatch / 2) flush();
      words += count * sizeof(uint64_t);
      left -= count;
    }
  }

  void flush() {
    for (size_t i = 0; i < count_; ++i) table_.prefetch_entry(values_[i]);
    for (size_t i = 0; i < count_; ++i) candidates_[i] = table_.candidate(values_[i]);
    pages_ahead_.prepare(pointers, count_);
    size_t i = 0;
    for (size_t run = 0; run < run_count_; ++run) {
      const size_t before = pointers.size();
      for (; i < runs_[run].end; ++i) {
        const auto [number, known] = candidates_[i];
        const uint32_t block = known ? number - 1 : table_.find_from(number, values_[i]);
        if (block == BlockTable::kNone) continue;
        const bool exact = known || values_[i] == input_.blocks[block].start;
        if (!exact) interior.push_back({pointers.size(), values_[i]});
        pointers.emplace_back(block, exact);
      }
      if (runs_[run].tally != nullptr) *runs_[run].tally += pointers.size() - before;
    }
    count_ = 0;
    run_count_ = 0;
  }

 private:
  // Neighbours among the values that count to one tally.
  struct Run {
    size_t end;
    uint64_t* tally;
  };

  const GraphInput& input_;
  const BlockTable& table_;
  const Gather gather_;
  std::unique_ptr<uint64_t[]> buffer_;
  PagesAhead<Pointer> pages_ahead_;
  size_t count_ = 0;
  size_t run_count_ = 0;
  uint64_t values_[kBatch + kOverrun];
  Run runs_[kBatch];
  BlockTable::Candidate candidates_[kBatch];
};

// The pointers of the blocks `begin` to `end` - 1; `counts` are theirs.
void read_blocks(const GraphInput& input, size_t begin, size_t end, Reader& reader, uint64_t* counts) {
  const Blocks& blocks = input.blocks;
  size_t block = begin;
  const uint64_t low = blocks[begin].start, high = blocks[end - 1].start + blocks[end - 1].size;
  for (const Range& part : input.heap) {
    const Range range{std::max(part.start, low), std::min(part.end, high)};
    if (range.start >= range.end) continue;
    reader.read_range(range, [&](uint64_t from, uint64_t to, const uint8_t* bytes) {
      while (block < end && blocks[block].start + blocks[block].size <= from) ++block;
      // The last block of a piece may go on in the next one.
      for (size_t i = block; i < end && blocks[i].start < to; ++i) {
        const uint64_t first = std::max(blocks[i].start, from);
        const uint64_t last = std::min(blocks[i].start + blocks[i].size, to);
        if (first < last) reader.scan(first, last, bytes + (first - from), &counts[i]);
        if (blocks[i].start + blocks[i].size <= to) block = i + 1;
      }
    });
  }
  reader.flush();
}

// Where so many shares of the blocks begin, and their end: each has about as much memory to read. Some may have none.
std::vector<size_t> shares(const GraphInput& input, uint64_t heap_bytes, size_t count) {
  const Blocks& blocks = input.blocks;
  std::vector<size_t> borders = {0};
  uint64_t before = 0;
  for (const Range& part : input.heap) {
    const uint64_t size = part.end - part.start;
    while (borders.size() < count) {
      const uint64_t wanted = heap_bytes / count * borders.size();
      if (wanted >= before + size) break;
      const uint64_t address = part.start + (wanted - before);
      const auto block = std::lower_bound(blocks.begin(), blocks.end(), address,
                                          [](const Block& b, uint64_t start) { return b.start < start; });
      borders.push_back(static_cast<size_t>(block - blocks.begin()));
    }
    before += size;
  }
  borders.push_back(blocks.size());
  return borders;
}

void set_heuristics(const GraphInput& input, LargeVector<Pointer>& pointers, std::vector<Interior>& interior) {
  // By block: one look at its first words serves all pointers into it.
  std::sort(interior.begin(), interior.end(), [](const Interior& a, const Interior& b) { return a.value < b.value; });
  HeuristicFinder finder(input.heuristics, input.files, input.code, input.read);
  uint64_t last_value = 0;
  uint8_t last = kNoHeuristic;
  for (const Interior& found : interior) {
    Pointer& pointer = pointers[found.at];
    if (found.value != last_value) last = finder.find(input.blocks[pointer.block()], found.value);
    last_value = found.value;
    pointer.set_heuristic(last);
  }
}

// Which share is read next: one thread takes them from the front, so that its pointers are those of a row of blocks,
// the others from the back, until they meet.
class ShareQueue {
 public:
  explicit ShareQueue(size_t count) : end_(count) {}

  std::optional<size_t> take_first() {
    const std::scoped_lock lock(mutex_);
    return first_ < end_ ? std::optional(first_++) : std::nullopt;
  }
  std::optional<size_t> take_last() {
    const std::scoped_lock lock(mutex_);
    return first_ < end_ ? std::optional(--end_) : std::nullopt;
  }

 private:
  std::mutex mutex_;
  size_t first_ = 0, end_;
};

void read_roots(const GraphInput& input, const BlockTable& table, PointerGraph& graph) {
  Reader reader(input, table);
  for (const Range& root : input.roots) {
    reader.read_range(root,
                      [&](uint64_t from, uint64_t to, const uint8_t* bytes) { reader.scan(from, to, bytes, nullptr); });
  }
  for (const SavedMemory& piece : input.saved) {
    reader.scan(piece.start, piece.start + piece.bytes.size(), piece.bytes.data(), nullptr);
  }
  const auto* values = reinterpret_cast<const uint8_t*>(input.registers.data());
  reader.scan(0, input.registers.size() * 8, values, nullptr);
  reader.flush();
  set_heuristics(input, reader.pointers, reader.interior);
  graph.roots = std::move(reader.pointers);
  graph.bytes_read += reader.bytes_read;
}

}  // namespace

PointerGraph read_pointers(const GraphInput& input) {
  const Blocks& blocks = input.blocks;
  PointerGraph graph;
  const BlockTable table(blocks, std::max(input.threads, 1u));
  if (blocks.empty() || blocks.size() > kMaxBlocks || !table.valid()) return graph;
  graph.first = ZeroedArray<uint64_t>(blocks.size() + 1);
  uint64_t heap_bytes = 0;
  for (const Range& part : input.heap) heap_bytes += part.end - part.start;
  const size_t share_count = input.threads > 1 ? input.threads * kSharesPerThread : 1;
  const std::vector<size_t> borders = shares(input, heap_bytes, share_count);
  ShareQueue queue(borders.size() - 1);
  std::vector<LargeVector<Pointer>> parts(borders.size() - 1);  // of the shares from the back
  std::atomic<uint64_t> bytes_read = 0;
  const auto read_share = [&](size_t share, Reader& reader) {
    const size_t first = borders[share], end = borders[share + 1];
    if (first >= end) return;
    prepare_pages(&graph.first[first], &graph.first[end]);
    read_blocks(input, first, end, reader, &graph.first[1]);
  };
  const auto read_from_back = [&] {
    Reader reader(input, table);
    while (const auto share = queue.take_last()) {
      reserve_at_most(reader.pointers, heap_bytes / share_count / sizeof(uint64_t));
      read_share(*share, reader);
      set_heuristics(input, reader.pointers, reader.interior);
      reader.interior.clear();
      parts[*share] = std::exchange(reader.pointers, {});
    }
    bytes_read += reader.bytes_read;
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < input.threads; ++i) threads.emplace_back(read_from_back);
  Reader reader(input, table);
  reserve_at_most(reader.pointers, heap_bytes / sizeof(uint64_t));  // each word may be one
  while (const auto share = queue.take_first()) read_share(*share, reader);
  set_heuristics(input, reader.pointers, reader.interior);
  for (std::thread& thread : threads) thread.join();
  graph.bytes_read = reader.bytes_read + bytes_read;
  read_roots(input, table, graph);

  graph.pointers = std::move(reader.pointers);
  std::thread sums([&] {
    for (size_t i = 0; i < blocks.size(); ++i) graph.first[i + 1] += graph.first[i];
  });
  for (LargeVector<Pointer>& part : parts) {
    append_large(graph.pointers, part);
    LargeVector<Pointer>().swap(part);
  }
  sums.join();
  return graph;
}

}  // namespace vsup::supervisor::leaks
