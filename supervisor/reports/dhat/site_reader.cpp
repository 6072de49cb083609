#include "supervisor/reports/dhat/site_reader.h"

#include <x86intrin.h>

#include <algorithm>

#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor::dhat {

namespace records = agent::dhat;

std::optional<SiteRecords> read_sites(const StoppedProcess& process, uint64_t ticks_per_second) {
  SiteRecords result;
  if (!process.read(records::kToolBase, &result.header, sizeof result.header)) return {};
  const records::Header& header = result.header;
  if (header.start_ticks == 0 || header.site_limit > records::kMaxSites) return {};
  result.pid = process.pid();
  if (ticks_per_second != 0) {
    const uint64_t passed = __rdtsc() - header.start_ticks;
    result.time = static_cast<uint64_t>(static_cast<double>(passed) * 1e6 / static_cast<double>(ticks_per_second));
  }
  constexpr uint64_t kAtOnce = 8192;
  std::vector<records::Site> some(kAtOnce);
  for (uint64_t first = 0; first < header.site_limit; first += kAtOnce) {
    const uint64_t count = std::min(kAtOnce, header.site_limit - first);
    const uint64_t at = records::kSitesAt + first * sizeof(records::Site);
    if (!process.read(at, some.data(), count * sizeof(records::Site))) return {};
    for (uint64_t i = 0; i < count; ++i) {
      if (some[i].total_blocks == 0) continue;
      records::Site& site = result.sites.emplace_back(static_cast<uint32_t>(first + i), some[i]).second;
      // It has not changed since the peak.
      if (site.peak != header.peak) {
        site.peak_bytes = site.live_bytes;
        site.peak_blocks = site.live_blocks;
      }
    }
  }
  result.stacks = StackReader::of_process(process.tid());
  result.modules = ModuleMap::of_process(process.tid());
  ProcessMemory memory(process.tid());
  const ReadBytes read = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
  for (const MapEntry& entry : result.modules.entries())
    if (entry.executable) result.modules.inspect(entry.start, read);
  return result;
}

}  // namespace vsup::supervisor::dhat
