#include "supervisor/session/rseq_sections.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/rseq.h"

namespace vsup::supervisor {

namespace {

constexpr std::string_view kSection = "__rseq_cs";
constexpr uint64_t kMaxNames = 1 << 20;

bool read_at(int fd, uint64_t offset, void* to, size_t size) {
  return offset < (uint64_t{1} << 62) && pread(fd, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

bool has_section(int fd) {
  Elf64_Ehdr header{};
  if (!read_at(fd, 0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 ||
      header.e_shstrndx >= header.e_shnum)
    return false;
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (!read_at(fd, header.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr))) return false;
  const Elf64_Shdr& strings = sections[header.e_shstrndx];
  if (strings.sh_size > kMaxNames) return false;
  std::vector<char> names(strings.sh_size);
  if (!read_at(fd, strings.sh_offset, names.data(), names.size())) return false;
  return std::any_of(sections.begin(), sections.end(), [&names](const Elf64_Shdr& section) {
    return section.sh_name < names.size() &&
           std::string_view(names.data() + section.sh_name, names.size() - section.sh_name).starts_with(kSection);
  });
}

}  // namespace

bool RseqSections::in_file(const std::string& path) {
  const auto [known, is_new] = files_.try_emplace(path, false);
  if (!is_new) return known->second;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  known->second = fd && fstat(fd.get(), &facts) == 0 && S_ISREG(facts.st_mode) && has_section(fd.get());
  return known->second;
}

// The kernel clears the field when a thread is preempted outside of the sequence that it names.
bool RseqSections::in_process(pid_t tid) {
  const auto sequence = rseq_sequence(tid);
  if (!sequence) return false;
  if (*sequence != 0) return true;
  const std::vector<Mapping> maps = read_maps(tid);
  return std::any_of(maps.begin(), maps.end(), [this](const Mapping& mapping) {
    return mapping.executable && mapping.file && mapping.path.starts_with('/') && in_file(mapping.path);
  });
}

}  // namespace vsup::supervisor
