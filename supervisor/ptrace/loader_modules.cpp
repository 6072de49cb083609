// Source: link.h of glibc 2.36 and musl 1.2 (struct r_debug, struct link_map); elf(5).
#include "supervisor/ptrace/loader_modules.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

constexpr uint64_t kMaxHeaders = 64;
constexpr uint64_t kMaxDynamic = 512;
constexpr uint64_t kMaxModules = 1 << 16;
constexpr size_t kMaxPath = 4096;
constexpr uint64_t kPage = 4096;

uint64_t find_debug(pid_t tid) {
  const uint64_t headers = read_auxv(tid, AT_PHDR);
  const uint64_t count = std::min<uint64_t>(read_auxv(tid, AT_PHNUM), kMaxHeaders);
  if (headers == 0) return 0;
  uint64_t bias = 0, dynamic = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Elf64_Phdr header{};
    if (!read_value(tid, headers + i * sizeof header, header)) return 0;
    if (header.p_type == PT_PHDR) bias = headers - header.p_vaddr;
    if (header.p_type == PT_DYNAMIC) dynamic = header.p_vaddr;
  }
  if (dynamic == 0) return 0;
  for (uint64_t i = 0; i < kMaxDynamic; ++i) {
    Elf64_Dyn entry{};
    if (!read_value(tid, bias + dynamic + i * sizeof entry, entry) || entry.d_tag == DT_NULL) return 0;
    if (entry.d_tag == DT_DEBUG) return entry.d_un.d_ptr;
  }
  return 0;
}

// Empty when it cannot be read or is too long.
std::string read_path(pid_t tid, uint64_t address) {
  std::string path;
  while (path.size() < kMaxPath) {
    char piece[256];
    const size_t size = std::min<uint64_t>(sizeof piece, kPage - address % kPage);
    if (!read_memory(tid, address, piece, size)) return {};
    const size_t length = strnlen(piece, size);
    path.append(piece, length);
    if (length < size) return path;
    address += size;
  }
  return {};
}

}  // namespace

r_debug LoaderModules::state(pid_t tid) {
  if (debug_ == 0) debug_ = find_debug(tid);
  r_debug loader{};
  if (debug_ == 0 || !read_value(tid, debug_, loader)) return {};
  if (loader.r_brk == 0) debug_ = 0;
  return loader;
}

std::optional<std::vector<LoaderModule>> LoaderModules::added(pid_t tid, const r_debug& loader) {
  const bool knows = tail_ != 0;
  uint64_t at = knows ? tail_ : reinterpret_cast<uint64_t>(loader.r_map);
  tail_ = 0;
  std::vector<LoaderModule> modules;
  for (uint64_t count = 0; at != 0 && count < kMaxModules; ++count) {
    link_map map{};
    if (!read_value(tid, at, map)) return {};
    if (knows && count != 0) modules.push_back({map.l_addr, read_path(tid, reinterpret_cast<uint64_t>(map.l_name))});
    const auto next = reinterpret_cast<uint64_t>(map.l_next);
    if (next == 0) tail_ = at;
    at = next;
  }
  if (!knows || tail_ == 0) return {};
  return modules;
}

std::vector<CodeRange> code_of(pid_t tid, const LoaderModule& module) {
  Elf64_Ehdr file{};
  if (!read_value(tid, module.bias, file) || std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
      file.e_phentsize != sizeof(Elf64_Phdr) || file.e_phnum > kMaxHeaders || file.e_phoff > kPage)
    return {};
  std::vector<Elf64_Phdr> headers(file.e_phnum);
  if (!read_memory(tid, module.bias + file.e_phoff, headers.data(), headers.size() * sizeof(Elf64_Phdr))) return {};
  std::vector<CodeRange> ranges;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const uint64_t before = header.p_vaddr % kPage;
    if (header.p_offset < before || header.p_filesz > uint64_t{1} << 40) return {};
    ranges.push_back({module.bias + header.p_vaddr - before,
                      (module.bias + header.p_vaddr + header.p_filesz + kPage - 1) / kPage * kPage,
                      header.p_offset - before});
  }
  return ranges;
}

}  // namespace vsup::supervisor
