// Purpose: read the parts of an ELF file that symbols and unwinding need: class, segments, sections, build id.
// Assumes: nothing about the input; files and memory images of a tracee are untrusted.
// Promises: every offset is bounds-checked and every size limited; a malformed file gives an error, never a crash.
// Reads with pread, so a file that is truncated meanwhile gives an error too (a mapping would give SIGBUS).
// Format: System V ABI, gabi41, and the AMD64 supplement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vsup::supervisor {

// Reads exactly `size` bytes at `offset`; false if that is not possible.
using ReadBytes = std::function<bool(uint64_t offset, void* to, size_t size)>;

struct ElfSegment {
  uint32_t type = 0, flags = 0;
  uint64_t offset = 0, vaddr = 0, file_size = 0, memory_size = 0, alignment = 0;
};

struct ElfSection {
  std::string name;
  uint32_t type = 0, link = 0, info = 0;
  uint64_t flags = 0, address = 0, offset = 0, size = 0, entry_size = 0;
};

class ElfFile {
 public:
  static constexpr uint64_t kMaxSectionBytes = 1ull << 30;
  static constexpr size_t kMaxSegments = 4096;
  static constexpr size_t kMaxSections = 65536;
  static constexpr uint64_t kMaxNoteBytes = 1 << 20;

  // On failure: nullopt, and *error (may be null) says why in one line.
  static std::optional<ElfFile> open(const std::string& path, std::string* error = nullptr);
  static std::optional<ElfFile> from_fd(int fd, std::string* error = nullptr);  // fd is duplicated
  static std::optional<ElfFile> from_bytes(std::vector<uint8_t> bytes, std::string* error = nullptr);

  unsigned class_bits() const { return class_bits_; }  // 32 or 64
  uint16_t machine() const { return machine_; }        // EM_X86_64, EM_386, ...
  uint16_t type() const { return type_; }              // ET_EXEC, ET_DYN, ...
  uint64_t entry() const { return entry_; }
  uint64_t file_size() const { return size_; }
  bool is_x86_64() const;

  // Of 64-bit files only; empty for 32-bit ones. A file without section headers has no sections.
  const std::vector<ElfSegment>& segments() const { return segments_; }
  const std::vector<ElfSection>& sections() const { return sections_; }
  const ElfSection* section(std::string_view name) const;
  // Where nobody asks for sections any more: names and all take more room than what is asked for afterwards.
  void forget_sections() { std::vector<ElfSection>().swap(sections_); }
  const ElfSegment* segment(uint32_t type) const;

  // The bytes in the file; nullopt when out of bounds, too large, SHT_NOBITS or compressed.
  std::optional<std::vector<uint8_t>> contents(const ElfSection& section) const;
  std::optional<std::vector<uint8_t>> contents(const ElfSegment& segment) const;
  bool read(uint64_t offset, void* to, size_t size) const;

  // The GNU build id, lower-case hexadecimal; empty if there is none.
  const std::string& build_id() const { return build_id_; }

  // Link-time address of the byte at a file offset, by the PT_LOAD segments. `executable` picks among segments
  // that share a page of the file.
  std::optional<uint64_t> vaddr_of_offset(uint64_t offset, bool executable) const;
  // Lowest page of any PT_LOAD segment; 0 without one.
  uint64_t lowest_vaddr() const;

 private:
  ElfFile() = default;
  static std::optional<ElfFile> parse(ReadBytes read, uint64_t size, std::string* error);
  bool parse_segments(uint64_t offset, uint64_t count, uint64_t entry_size);
  void parse_sections(uint64_t offset, uint64_t count, uint64_t entry_size, uint64_t name_index);
  void find_build_id();
  // nullopt when out of bounds or too large.
  std::optional<std::vector<uint8_t>> bytes_at(uint64_t offset, uint64_t size) const;

  ReadBytes read_;
  uint64_t size_ = 0;
  unsigned class_bits_ = 0;
  uint16_t machine_ = 0, type_ = 0;
  uint64_t entry_ = 0;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSection> sections_;
  std::string build_id_;
};

// The build id in the contents of a note segment or section; empty if there is none.
std::string build_id_of_notes(const uint8_t* notes, size_t size);

// Whether notes hold Go's own build id.
bool has_go_note(const uint8_t* notes, size_t size);

// An ELF image as the loader mapped it, read from a process's memory: works for the vdso, for deleted files and
// across mount namespaces.
struct LoadedImage {
  uint64_t base = 0;             // where its ELF header lies
  uint64_t bias = 0;             // address in the process minus link-time address
  uint64_t end = 0;              // end of its last PT_LOAD
  uint64_t eh_frame_header = 0;  // .eh_frame_hdr in the process, 0 if none
  uint64_t eh_frame_header_size = 0;
  std::string build_id;
  bool is_go = false;  // made by the Go toolchain, whose code keeps frame pointers
};

// nullopt when no 64-bit ELF header lies at `base`.
std::optional<LoadedImage> inspect_loaded_image(const ReadBytes& read_memory, uint64_t base);

}  // namespace vsup::supervisor
