#include "supervisor/session/build_id.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace vsup::supervisor {
namespace {

// Format: a chain of Elf64_Nhdr, name and descriptor, each padded to 4 bytes (gabi, "Note Section").
std::string find_build_id(const std::vector<unsigned char>& notes) {
  size_t at = 0;
  while (at + sizeof(Elf64_Nhdr) <= notes.size()) {
    Elf64_Nhdr header;
    std::memcpy(&header, notes.data() + at, sizeof header);
    at += sizeof header;
    size_t name_size = (size_t{header.n_namesz} + 3) & ~size_t{3};
    size_t descriptor_size = (size_t{header.n_descsz} + 3) & ~size_t{3};
    if (name_size > notes.size() - at || descriptor_size > notes.size() - at - name_size) return {};
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(notes.data() + at, "GNU", 4) == 0) {
      static constexpr char kDigits[] = "0123456789abcdef";
      std::string text;
      for (size_t i = 0; i < std::min<size_t>(header.n_descsz, 64); ++i) {
        unsigned char byte = notes[at + name_size + i];
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
      }
      return text;
    }
    at += name_size + descriptor_size;
  }
  return {};
}

std::string read_from(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return {};
  Elf64_Ehdr header;
  if (pread(fd, &header, sizeof header, 0) != sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return {};
  }
  std::vector<Elf64_Phdr> segments(std::min<size_t>(header.e_phnum, 128));
  size_t bytes = segments.size() * sizeof(Elf64_Phdr);
  if (pread(fd, segments.data(), bytes, static_cast<off_t>(header.e_phoff)) != static_cast<ssize_t>(bytes)) return {};
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE) continue;
    std::vector<unsigned char> notes(std::min<size_t>(segment.p_filesz, 4096));
    ssize_t count = pread(fd, notes.data(), notes.size(), static_cast<off_t>(segment.p_offset));
    if (count <= 0) continue;
    notes.resize(static_cast<size_t>(count));
    std::string id = find_build_id(notes);
    if (!id.empty()) return id;
  }
  return {};
}

}  // namespace

std::string read_build_id(const std::string& path) {
  // O_NONBLOCK: a path from a tracee may name a fifo.
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return {};
  std::string id = read_from(fd);
  close(fd);
  return id;
}

}  // namespace vsup::supervisor
