#include "supervisor/reports/heap/live_blocks.h"

#include <algorithm>

namespace vsup::supervisor {
namespace {

using namespace protocol;

constexpr uint64_t kPiece = 64u << 10;  // nodes read at once

void add(LiveBlocks& live, const LiveBlock& block) {
  const bool of_python = block.function >= HeapFunction::kPythonMalloc && block.function < HeapFunction::kPythonFree;
  if (block.address == 0 || (block.function >= HeapFunction::kFree && !of_python)) return;
  live.of_python |= of_python;
  live.blocks.push_back(block);
}

void read_nodes(const StoppedProcess& process, uint64_t count, LiveBlocks& live) {
  std::vector<ChunkNode> nodes;
  live.blocks.reserve(count);
  for (uint64_t first = 0; first < count; first += kPiece) {
    nodes.resize(std::min(kPiece, count - first));
    if (!process.read(kChunkNodesBase + first * sizeof(ChunkNode), nodes.data(), nodes.size() * sizeof(ChunkNode)))
      return;
    for (const ChunkNode& node : nodes)
      add(live, {node.address_and_more & kChunkAddressMask, node.size_low | uint64_t{node.size_high} << 32, node.stack,
                 static_cast<HeapFunction>(node.address_and_more >> 48 & 0xff)});
  }
}

// Those of the pages that were ever written, neighbours at once.
void read_places(const StoppedProcess& process, uint64_t region, uint64_t start, LiveBlocks& live) {
  uint16_t pages[kPagesPerRegion];
  if (!process.read(kPlacePagesBase + region * sizeof pages, pages, sizeof pages)) return;
  std::vector<PlacedBlock> places;
  for (uint32_t page = 0; page < kPagesPerRegion;) {
    const uint32_t first = page;
    while (page < kPagesPerRegion && (pages[page] & kPageWritten) != 0) ++page;
    if (page == first) {
      ++page;
      continue;
    }
    places.resize(size_t{page - first} * kPlacesPerPage);
    const uint64_t place = uint64_t{first} * kPlacesPerPage;
    if (!process.read(kPlacesBase + (region * kPlacesPerRegion + place) * sizeof(PlacedBlock), places.data(),
                      places.size() * sizeof(PlacedBlock)))
      return;
    for (size_t i = 0; i < places.size(); ++i)
      if (places[i].word != 0)
        add(live, {start + ((place + i) << kPlaceShift), places[i].size(), places[i].stack(),
                   static_cast<HeapFunction>(places[i].function())});
  }
}

void read_regions(const StoppedProcess& process, uint64_t count, LiveBlocks& live) {
  std::vector<uint32_t> numbers(count + 1);
  if (!process.read(kRegionNumbersBase, numbers.data(), numbers.size() * sizeof(uint32_t))) return;
  for (uint64_t region = 1; region <= count; ++region)
    read_places(process, region, uint64_t{numbers[region]} << kRegionShift, live);
}

}  // namespace

LiveBlocks read_live_blocks(const StoppedProcess& process) {
  LiveBlocks live;
  HeapControl control{};
  if (!process.read(kHeapLayerBase, &control, sizeof control)) return live;
  live.lost = control.lost_blocks;
  live.all_known = control.late == 0 && live.lost == 0;
  read_nodes(process, std::min<uint64_t>(control.node_count, kMaxChunkNodes), live);
  read_regions(process, std::min<uint64_t>(control.region_count, kMaxRegions - 1), live);
  for (uint64_t i = 0; i < std::min<uint64_t>(control.hook_count, kMaxHooks); ++i) {
    HookSite site{};
    if (!process.read(kHookSitesBase + i * kHookSiteStride, &site, sizeof site)) break;
    live.functions.try_emplace(site.function, site.address);
  }
  return live;
}

}  // namespace vsup::supervisor
