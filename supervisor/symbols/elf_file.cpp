#include "supervisor/symbols/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "supervisor/base/large_allocator.h"
#include "supervisor/symbols/file_bytes.h"

namespace vsup::supervisor {
namespace {

constexpr uint64_t kPageSize = 4096;

std::nullopt_t fail(std::string* error, const char* why) {
  if (error) *error = why;
  return std::nullopt;
}

// An open file that closes itself with the last reader.
struct SharedFd {
  explicit SharedFd(int open_fd) : fd(open_fd) {}
  ~SharedFd() { ::close(fd); }
  SharedFd(const SharedFd&) = delete;
  SharedFd& operator=(const SharedFd&) = delete;
  int fd;
};

// The data of the first note of this type and name (without its last NUL); empty if there is none.
std::span<const uint8_t> note_data(const uint8_t* notes, size_t size, uint32_t type, std::string_view wanted) {
  size_t at = 0;
  while (size - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes + at, sizeof note);
    at += sizeof note;
    // Notes are padded to 4 bytes here; those with 8-byte alignment hold sizes that are multiples of 8.
    uint64_t name_size = (uint64_t{note.n_namesz} + 3) & ~3ull;
    uint64_t data_size = (uint64_t{note.n_descsz} + 3) & ~3ull;
    if (!fits(at, name_size, size)) break;
    const uint8_t* name = notes + at;
    at += name_size;
    if (!fits(at, note.n_descsz, size)) break;
    if (note.n_type == type && note.n_namesz == wanted.size() + 1 &&
        std::memcmp(name, wanted.data(), wanted.size()) == 0) {
      return {notes + at, note.n_descsz};
    }
    if (!fits(at, data_size, size)) break;
    at += data_size;
  }
  return {};
}

ElfSegment segment_of(const Elf64_Phdr& header) {
  return {header.p_type,   header.p_flags, header.p_offset, header.p_vaddr,
          header.p_filesz, header.p_memsz, header.p_align};
}

}  // namespace

std::string build_id_of_notes(const uint8_t* notes, size_t size) {
  auto id = note_data(notes, size, NT_GNU_BUILD_ID, "GNU");
  if (id.empty() || id.size() > 64) return {};
  return hexadecimal(id);
}

bool has_go_note(const uint8_t* notes, size_t size) {
  constexpr uint32_t kGoBuildId = 4;  // cmd/link/internal/ld/elf.go
  return !note_data(notes, size, kGoBuildId, std::string_view("Go\0", 3)).empty();
}

std::optional<ElfFile> ElfFile::open(const std::string& path, std::string* error) {
  // O_NONBLOCK: a fifo at this path must not hang us.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return fail(error, std::strerror(errno));
  auto file = from_fd(fd, error);
  ::close(fd);
  return file;
}

std::optional<ElfFile> ElfFile::from_fd(int fd, std::string* error) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return fail(error, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(error, "not a regular file");
  int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return fail(error, std::strerror(errno));
  auto shared = std::make_shared<SharedFd>(own);
  auto read = [shared](uint64_t offset, void* to, size_t size) { return read_file(shared->fd, offset, to, size); };
  return parse(read, static_cast<uint64_t>(status.st_size), error);
}

std::optional<ElfFile> ElfFile::from_bytes(std::vector<uint8_t> bytes, std::string* error) {
  auto shared = std::make_shared<std::vector<uint8_t>>(std::move(bytes));
  auto read = [shared](uint64_t offset, void* to, size_t size) {
    if (!fits(offset, size, shared->size())) return false;
    if (size > 0) std::memcpy(to, shared->data() + offset, size);
    return true;
  };
  return parse(read, shared->size(), error);
}

std::optional<ElfFile> ElfFile::parse(ReadBytes read, uint64_t size, std::string* error) {
  ElfFile file;
  file.read_ = std::move(read);
  file.size_ = size;
  unsigned char ident[EI_NIDENT];
  if (!file.read(0, ident, sizeof ident)) return fail(error, "too short for an ELF header");
  if (std::memcmp(ident, ELFMAG, SELFMAG) != 0) return fail(error, "not an ELF file");
  if (ident[EI_DATA] != ELFDATA2LSB) return fail(error, "not little-endian");
  if (ident[EI_CLASS] == ELFCLASS32) {
    Elf32_Ehdr header;
    if (!file.read(0, &header, sizeof header)) return fail(error, "too short for an ELF header");
    file.class_bits_ = 32;
    file.machine_ = header.e_machine;
    file.type_ = header.e_type;
    file.entry_ = header.e_entry;
    return file;
  }
  if (ident[EI_CLASS] != ELFCLASS64) return fail(error, "unknown ELF class");
  Elf64_Ehdr header;
  if (!file.read(0, &header, sizeof header)) return fail(error, "too short for an ELF header");
  file.class_bits_ = 64;
  file.machine_ = header.e_machine;
  file.type_ = header.e_type;
  file.entry_ = header.e_entry;

  uint64_t segment_count = header.e_phnum, section_count = header.e_shnum, name_index = header.e_shstrndx;
  if (header.e_shoff != 0 && header.e_shentsize == sizeof(Elf64_Shdr)) {
    // Counts that do not fit the header are kept in the first section header.
    Elf64_Shdr first;
    if (file.read(header.e_shoff, &first, sizeof first)) {
      if (section_count == 0) section_count = first.sh_size;
      if (name_index == SHN_XINDEX) name_index = first.sh_link;
      if (segment_count == PN_XNUM) segment_count = first.sh_info;
    }
  }
  if (segment_count > 0 && !file.parse_segments(header.e_phoff, segment_count, header.e_phentsize)) {
    return fail(error, "program headers out of bounds");
  }
  if (section_count > 0 && header.e_shoff != 0) {
    file.parse_sections(header.e_shoff, section_count, header.e_shentsize, name_index);
  }
  file.find_build_id();
  return file;
}

bool ElfFile::parse_segments(uint64_t offset, uint64_t count, uint64_t entry_size) {
  if (entry_size != sizeof(Elf64_Phdr) || count > kMaxSegments || !fits(offset, count * entry_size, size_))
    return false;
  std::vector<Elf64_Phdr> headers(count);
  if (!read(offset, headers.data(), count * sizeof(Elf64_Phdr))) return false;
  for (const auto& header : headers) segments_.push_back(segment_of(header));
  return true;
}

// Section headers are not needed to run a program: when they are broken the file counts as stripped of them.
void ElfFile::parse_sections(uint64_t offset, uint64_t count, uint64_t entry_size, uint64_t name_index) {
  if (entry_size != sizeof(Elf64_Shdr) || count > kMaxSections || !fits(offset, count * entry_size, size_)) return;
  std::vector<Elf64_Shdr> headers(count);
  if (!read(offset, headers.data(), count * sizeof(Elf64_Shdr))) return;
  std::vector<char> names;
  if (name_index < count && headers[name_index].sh_type == SHT_STRTAB && headers[name_index].sh_size <= (64u << 20) &&
      fits(headers[name_index].sh_offset, headers[name_index].sh_size, size_)) {
    names.resize(headers[name_index].sh_size);
    if (!read(headers[name_index].sh_offset, names.data(), names.size())) names.clear();
  }
  for (const auto& header : headers) {
    ElfSection section;
    if (header.sh_name < names.size()) {
      size_t longest = std::min<size_t>(names.size() - header.sh_name, 256);
      section.name.assign(&names[header.sh_name], strnlen(&names[header.sh_name], longest));
    }
    section.type = header.sh_type;
    section.link = header.sh_link;
    section.info = header.sh_info;
    section.flags = header.sh_flags;
    section.address = header.sh_addr;
    section.offset = header.sh_offset;
    section.size = header.sh_size;
    section.entry_size = header.sh_entsize;
    sections_.push_back(std::move(section));
  }
}

void ElfFile::find_build_id() {
  for (const auto& segment : segments_) {
    if (segment.type != PT_NOTE || segment.file_size > kMaxNoteBytes) continue;
    auto notes = contents(segment);
    if (notes) build_id_ = build_id_of_notes(notes->data(), notes->size());
    if (!build_id_.empty()) return;
  }
  for (const auto& section : sections_) {  // relocatable and debug files
    if (section.type != SHT_NOTE || section.size > kMaxNoteBytes) continue;
    auto notes = contents(section);
    if (notes) build_id_ = build_id_of_notes(notes->data(), notes->size());
    if (!build_id_.empty()) return;
  }
}

bool ElfFile::is_x86_64() const {
  return class_bits_ == 64 && machine_ == EM_X86_64;
}

const ElfSection* ElfFile::section(std::string_view name) const {
  for (const auto& section : sections_) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

const ElfSegment* ElfFile::segment(uint32_t type) const {
  for (const auto& segment : segments_) {
    if (segment.type == type) return &segment;
  }
  return nullptr;
}

bool ElfFile::read(uint64_t offset, void* to, size_t size) const {
  return fits(offset, size, size_) && read_(offset, to, size);
}

std::optional<std::vector<uint8_t>> ElfFile::contents(const ElfSection& section) const {
  if (section.type == SHT_NOBITS || (section.flags & SHF_COMPRESSED)) return std::nullopt;
  return bytes_at(section.offset, section.size);
}

std::optional<std::vector<uint8_t>> ElfFile::contents(const ElfSegment& segment) const {
  return bytes_at(segment.offset, segment.file_size);
}

std::optional<std::vector<uint8_t>> ElfFile::bytes_at(uint64_t offset, uint64_t size) const {
  if (size > kMaxSectionBytes || !fits(offset, size, size_)) return std::nullopt;
  std::vector<uint8_t> bytes;
  resize_pages(bytes, size);
  if (!read(offset, bytes.data(), bytes.size())) return std::nullopt;
  return bytes;
}

std::optional<uint64_t> ElfFile::vaddr_of_offset(uint64_t offset, bool executable) const {
  const ElfSegment* best = nullptr;
  for (const auto& segment : segments_) {
    if (segment.type != PT_LOAD) continue;
    // The loader maps whole pages.
    uint64_t first = segment.offset & ~(kPageSize - 1);
    uint64_t size = segment.file_size + (segment.offset - first);
    uint64_t last = (first + size + kPageSize - 1) & ~(kPageSize - 1);
    if (offset < first || offset >= last || last < first) continue;
    bool matches = ((segment.flags & PF_X) != 0) == executable;
    bool best_matches = best && ((best->flags & PF_X) != 0) == executable;
    if (!best || (matches && !best_matches)) best = &segment;
  }
  if (!best) return std::nullopt;
  return offset - best->offset + best->vaddr;
}

uint64_t ElfFile::lowest_vaddr() const {
  uint64_t lowest = UINT64_MAX;
  for (const auto& segment : segments_) {
    if (segment.type == PT_LOAD) lowest = std::min(lowest, segment.vaddr & ~(kPageSize - 1));
  }
  return lowest == UINT64_MAX ? 0 : lowest;
}

std::optional<LoadedImage> inspect_loaded_image(const ReadBytes& read_memory, uint64_t base) {
  Elf64_Ehdr header;
  if (!read_memory(base, &header, sizeof header)) return std::nullopt;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_phnum > 512 || header.e_phoff > (1u << 20)) {
    return std::nullopt;
  }
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (!read_memory(base + header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr))) return std::nullopt;
  LoadedImage image;
  image.base = base;
  const Elf64_Phdr* first = nullptr;
  for (const auto& segment : segments) {
    if (segment.p_type == PT_LOAD && (!first || segment.p_vaddr < first->p_vaddr)) first = &segment;
  }
  if (!first) return std::nullopt;
  // Offset 0 of the file lies at `base`.
  image.bias = base - (first->p_vaddr - first->p_offset);
  for (const auto& segment : segments) {
    if (segment.p_type == PT_LOAD) {
      image.end = std::max(image.end, image.bias + segment.p_vaddr + segment.p_memsz);
    } else if (segment.p_type == PT_GNU_EH_FRAME) {
      image.eh_frame_header = image.bias + segment.p_vaddr;
      image.eh_frame_header_size = segment.p_memsz;
    } else if (segment.p_type == PT_NOTE && segment.p_memsz <= (64u << 10)) {
      std::vector<uint8_t> notes(segment.p_memsz);
      if (!read_memory(image.bias + segment.p_vaddr, notes.data(), notes.size())) continue;
      if (image.build_id.empty()) image.build_id = build_id_of_notes(notes.data(), notes.size());
      image.is_go |= has_go_note(notes.data(), notes.size());
    }
  }
  return image;
}

}  // namespace vsup::supervisor
