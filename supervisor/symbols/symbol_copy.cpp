#include "supervisor/symbols/symbol_copy.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "supervisor/base/large_allocator.h"
#include "supervisor/base/unique_fd.h"
#include "supervisor/symbols/file_bytes.h"
#include "supervisor/symbols/inflate.h"

namespace vsup::supervisor {
namespace {

constexpr uint64_t kMaxCopiedBytes = 512 << 20;
constexpr uint64_t kAlignment = 64;

constexpr std::string_view kUnread[] = {
    ".debug_loc",      ".debug_loclists", ".debug_macro",        ".debug_macinfo",      ".debug_names",
    ".debug_pubnames", ".debug_pubtypes", ".debug_gnu_pubnames", ".debug_gnu_pubtypes", ".gdb_index",
};

// A file in memory, mapped to be written.
class MemoryFile {
 public:
  explicit MemoryFile(uint64_t size) : size_(size), fd_(::memfd_create("vsup-symbols", MFD_CLOEXEC)) {
    if (!fd_ || ::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return;
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (mapped != MAP_FAILED) bytes_ = static_cast<uint8_t*>(mapped);
  }
  ~MemoryFile() {
    if (bytes_ != nullptr) ::munmap(bytes_, size_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  explicit operator bool() const { return bytes_ != nullptr; }
  uint8_t* at(uint64_t offset) { return bytes_ + offset; }
  int release() { return fd_.release(); }

 private:
  const uint64_t size_;
  UniqueFd fd_;
  uint8_t* bytes_ = nullptr;
};

struct Sections {
  Elf64_Ehdr file{};
  std::vector<Elf64_Shdr> headers;
  std::vector<char> names;

  std::string_view name(const Elf64_Shdr& header) const {
    if (header.sh_name >= names.size()) return {};
    return {&names[header.sh_name], strnlen(&names[header.sh_name], names.size() - header.sh_name)};
  }
};

// Of what the linker makes for x86-64; nothing for anything else.
std::optional<Sections> read_sections(int fd, uint64_t size) {
  Sections sections;
  Elf64_Ehdr& file = sections.file;
  if (!fits(0, sizeof file, size) || !read_file(fd, 0, &file, sizeof file)) return {};
  if (std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_ident[EI_CLASS] != ELFCLASS64 ||
      file.e_ident[EI_DATA] != ELFDATA2LSB || (file.e_type != ET_EXEC && file.e_type != ET_DYN) ||
      file.e_shentsize != sizeof(Elf64_Shdr) || file.e_shnum == 0 || file.e_shstrndx >= file.e_shnum ||
      !fits(file.e_shoff, file.e_shnum * sizeof(Elf64_Shdr), size) || file.e_phentsize != sizeof(Elf64_Phdr) ||
      file.e_phnum == PN_XNUM || !fits(file.e_phoff, file.e_phnum * sizeof(Elf64_Phdr), size))
    return {};
  sections.headers.resize(file.e_shnum);
  if (!read_file(fd, file.e_shoff, sections.headers.data(), sections.headers.size() * sizeof(Elf64_Shdr))) return {};
  const Elf64_Shdr& names = sections.headers[file.e_shstrndx];
  if (names.sh_type != SHT_STRTAB || names.sh_size > kMaxCopiedBytes || !fits(names.sh_offset, names.sh_size, size))
    return {};
  sections.names.resize(names.sh_size);
  if (!read_file(fd, names.sh_offset, sections.names.data(), names.sh_size)) return {};
  return sections;
}

bool has_bytes(const Elf64_Shdr& header) {
  return header.sh_type != SHT_NOBITS && header.sh_type != SHT_NULL && header.sh_size != 0;
}

// Code and data of the program.
bool is_loaded(const Elf64_Shdr& header) {
  return (header.sh_flags & SHF_ALLOC) != 0 && header.sh_type == SHT_PROGBITS;
}

// 0: the section is not compressed, or not in a way that is inflated here.
uint64_t inflated_size(int fd, const Elf64_Shdr& header, Elf64_Chdr& compression) {
  if ((header.sh_flags & SHF_COMPRESSED) == 0 || !read_file(fd, header.sh_offset, &compression, sizeof compression))
    return 0;
  return supervisor::inflated_size(compression, header.sh_size);
}

class Copier {
 public:
  Copier(int fd, uint64_t size, Sections sections) : fd_(fd), size_(size), sections_(std::move(sections)) {}

  // False when it would be too large, or the file makes no sense.
  bool plan() {
    uint64_t copied = 0, end = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    for (Elf64_Shdr& header : sections_.headers) {
      const std::string_view name = sections_.name(header);
      if (std::find(std::begin(kUnread), std::end(kUnread), name) != std::end(kUnread)) header.sh_type = SHT_NOBITS;
      if (!has_bytes(header) || is_loaded(header)) continue;
      if (!fits(header.sh_offset, header.sh_size, size_)) return false;
      Piece piece{&header, header.sh_offset, header.sh_size, 0, 0, 0};
      Elf64_Chdr compression{};
      if (const uint64_t inflated = inflated_size(fd_, header, compression)) {
        piece.place = end;
        piece.inflated = inflated;
        piece.alignment = compression.ch_addralign;
        end += (inflated + kAlignment - 1) / kAlignment * kAlignment;
        inflates_ = true;
      }
      copied += std::max(header.sh_size, piece.inflated);
      if (copied > kMaxCopiedBytes || end > size_ + kMaxCopiedBytes) return false;
      pieces_.push_back(piece);
    }
    end_ = end;
    return true;
  }

  bool inflates() const { return inflates_; }

  // -1: it cannot be made.
  int copy() {
    MemoryFile memory(end_);
    if (!memory) return -1;
    uint64_t most = 0;
    for (const Piece& piece : pieces_) most = std::max(most, piece.inflated != 0 ? piece.size : 0);
    const auto compressed = std::make_unique_for_overwrite<uint8_t[]>(most);
    prepare_pages(&compressed[0], &compressed[most]);
    for (const Piece& piece : pieces_) {
      if (piece.inflated != 0) {
        if (!read_file(fd_, piece.offset, &compressed[0], piece.size)) return -1;
        prepare_pages(memory.at(piece.place), memory.at(piece.place + piece.inflated));
        if (inflate_section({&compressed[0], piece.size}, {memory.at(piece.place), piece.inflated})) {
          piece.header->sh_offset = piece.place;
          piece.header->sh_size = piece.inflated;
          piece.header->sh_addralign = piece.alignment;
          piece.header->sh_flags &= ~uint64_t{SHF_COMPRESSED};
          continue;
        }
      }
      prepare_pages(memory.at(piece.offset), memory.at(piece.offset + piece.size));
      if (!read_file(fd_, piece.offset, memory.at(piece.offset), piece.size)) return -1;  // damaged: libdw will say so
    }
    const Elf64_Ehdr& file = sections_.file;
    if (!read_file(fd_, file.e_phoff, memory.at(file.e_phoff), file.e_phnum * sizeof(Elf64_Phdr))) return -1;
    std::memcpy(memory.at(0), &file, sizeof file);
    std::memcpy(memory.at(file.e_shoff), sections_.headers.data(), sections_.headers.size() * sizeof(Elf64_Shdr));
    return memory.release();
  }

 private:
  struct Piece {
    Elf64_Shdr* header;
    uint64_t offset, size;                // in the file
    uint64_t place, inflated, alignment;  // in the copy; 0: copied as it is, to where it was
  };

  const int fd_;
  const uint64_t size_;
  Sections sections_;
  std::vector<Piece> pieces_;
  uint64_t end_ = 0;
  bool inflates_ = false;
};

int copy_whole(int fd, uint64_t size) {
  if (size == 0) return -1;
  MemoryFile memory(size);
  return memory && read_file(fd, 0, memory.at(0), size) ? memory.release() : -1;
}

}  // namespace

int symbol_copy(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0 || status.st_size < 0) return fd;
  const auto size = static_cast<uint64_t>(status.st_size);
  // Files that only root changes come from packages, which are replaced by renaming.
  const bool packaged = status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && ::geteuid() != 0;
  int copy = -1;
  if (auto sections = read_sections(fd, size)) {
    Copier copier(fd, size, std::move(*sections));
    if (copier.plan() && (!packaged || copier.inflates())) copy = copier.copy();
  }
  if (copy < 0 && !packaged && size <= kMaxCopiedBytes) copy = copy_whole(fd, size);
  if (copy < 0) return fd;
  ::close(fd);
  return copy;
}

}  // namespace vsup::supervisor
