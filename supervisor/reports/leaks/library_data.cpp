#include "supervisor/reports/leaks/library_data.h"

#include <algorithm>

#include "supervisor/symbols/process_memory.h"

namespace vsup::supervisor::leaks {

namespace {

constexpr uint64_t kMostZeroed = uint64_t{64} << 20;  // of a module's data without a file behind it

// What can be written of `module`, the zeroed data behind its last mapping included.
void add_data(const Module& module, std::vector<Range>& data) {
  uint64_t last = 0;
  for (const MapEntry& mapping : module.mappings) {
    if (!mapping.writable || mapping.shared) continue;
    data.push_back({mapping.start, mapping.end});
    last = mapping.end;
  }
  if (last != 0 && module.image && module.image->end > last) {
    data.push_back({last, std::min(module.image->end, last + kMostZeroed)});
  }
}

}  // namespace

LibraryData take_library_data(const StoppedProcess& process) {
  LibraryData taken{ModuleMap::of_process(process.tid()), {}};
  ProcessMemory memory(process.tid());
  const ReadBytes read_bytes = [&memory](uint64_t at, void* to, size_t size) { return memory.read(at, to, size); };
  std::vector<Range> data;
  for (const MapEntry& entry : taken.modules.entries()) {
    if (entry.executable) taken.modules.inspect(entry.start, read_bytes);
  }
  for (const Module& module : taken.modules.modules()) add_data(module, data);
  const ReadMemory read = read_process(process.tid());
  for (const Range& range : present_parts(process.tid(), normalized(std::move(data)))) {
    SavedMemory piece{range.start, std::vector<uint8_t>(range.end - range.start)};
    piece.bytes.resize(read(range.start, piece.bytes.data(), piece.bytes.size()));
    taken.memory.push_back(std::move(piece));
  }
  return taken;
}

std::vector<SavedMemory> of_gone_libraries(const LibraryData& data, const ModuleMap& now) {
  // By range: a piece may hold the data of modules that touch each other.
  std::vector<Range> gone;
  for (const Module& module : data.modules.modules()) {
    const Module* still = now.module_at(module.mappings.front().start);
    if (still == nullptr || still->path != module.path) add_data(module, gone);
  }
  gone = normalized(std::move(gone));
  std::vector<SavedMemory> kept;
  for (const SavedMemory& piece : data.memory) {
    for (const Range& range : gone) {
      const uint64_t start = std::max(range.start, piece.start),
                     end = std::min(range.end, piece.start + piece.bytes.size());
      if (start >= end) continue;
      const auto first = piece.bytes.begin() + static_cast<std::ptrdiff_t>(start - piece.start);
      kept.push_back({start, {first, first + static_cast<std::ptrdiff_t>(end - start)}});
    }
  }
  return kept;
}

}  // namespace vsup::supervisor::leaks
