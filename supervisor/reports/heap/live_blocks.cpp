#include "supervisor/reports/heap/live_blocks.h"

#include <algorithm>

namespace vsup::supervisor {
namespace {

using namespace protocol;

constexpr uint64_t kPiece = 64u << 10;  // nodes read at once

}  // namespace

LiveBlocks read_live_blocks(const StoppedProcess& process) {
  LiveBlocks live;
  HeapControl control{};
  if (!process.read(kHeapLayerBase, &control, sizeof control)) return live;
  live.lost = control.lost_blocks;
  live.all_known = control.late == 0 && live.lost == 0;
  const uint64_t count = std::min<uint64_t>(control.node_count, kMaxChunkNodes);
  std::vector<ChunkNode> nodes;
  live.blocks.reserve(count);
  for (uint64_t first = 0; first < count; first += kPiece) {
    nodes.resize(std::min(kPiece, count - first));
    if (!process.read(kChunkNodesBase + first * sizeof(ChunkNode), nodes.data(), nodes.size() * sizeof(ChunkNode)))
      break;
    for (const ChunkNode& node : nodes) {
      const uint64_t address = node.address_and_more & kChunkAddressMask;
      const auto function = static_cast<HeapFunction>(node.address_and_more >> 48 & 0xff);
      const bool of_python = function >= HeapFunction::kPythonMalloc && function < HeapFunction::kPythonFree;
      if (address == 0 || (function >= HeapFunction::kFree && !of_python)) continue;
      live.of_python |= of_python;
      live.blocks.push_back({address, node.size_low | uint64_t{node.size_high} << 32, node.stack, function});
    }
  }
  for (uint64_t i = 0; i < std::min<uint64_t>(control.hook_count, kMaxHooks); ++i) {
    HookSite site{};
    if (!process.read(kHookSitesBase + i * kHookSiteStride, &site, sizeof site)) break;
    live.functions.try_emplace(site.function, site.address);
  }
  return live;
}

}  // namespace vsup::supervisor
