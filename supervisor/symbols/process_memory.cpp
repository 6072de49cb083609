#include "supervisor/symbols/process_memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstring>

namespace vsup::supervisor {

bool ProcessMemory::read(uint64_t address, void* to, size_t size) {
  auto* bytes = static_cast<uint8_t*>(to);
  if (address + size < address) return false;
  while (size > 0) {
    uint64_t start = address & ~(kPageSize - 1);
    const Page* source = page(start);
    if (!source) return false;
    size_t part = std::min<size_t>(size, kPageSize - (address - start));
    std::memcpy(bytes, source->data() + (address - start), part);
    bytes += part;
    address += part;
    size -= part;
  }
  return true;
}

const ProcessMemory::Page* ProcessMemory::page(uint64_t start) {
  auto found = pages_.find(start);
  if (found != pages_.end()) return found->second.get();
  if (pages_.size() >= kMaxPages) pages_.clear();
  auto page = std::make_unique<Page>();
  iovec local{page->data(), kPageSize};
  iovec remote{reinterpret_cast<void*>(start), kPageSize};
  if (::process_vm_readv(pid_, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(kPageSize)) page.reset();
  return pages_.emplace(start, std::move(page)).first->second.get();
}

}  // namespace vsup::supervisor
