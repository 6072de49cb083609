#include <doctest/doctest.h>
#include <elf.h>
#include <libdeflate.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "supervisor/symbols/elf_file.h"
#include "supervisor/symbols/symbol_copy.h"

using namespace vsup::supervisor;

namespace {

using Bytes = std::vector<uint8_t>;

struct Section {
  const char* name;
  uint32_t type;
  uint64_t flags;
  Bytes bytes;
};

void append(Bytes& to, const void* from, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  to.insert(to.end(), bytes, bytes + size);
}

Bytes file_of(std::vector<Section> sections) {
  Bytes file(sizeof(Elf64_Ehdr));
  Bytes names(1);
  std::vector<Elf64_Shdr> headers(1);
  sections.push_back({".shstrtab", SHT_STRTAB, 0, {}});
  for (Section& section : sections) {
    Elf64_Shdr header{};
    header.sh_name = static_cast<uint32_t>(names.size());
    append(names, section.name, std::strlen(section.name) + 1);
    if (&section == &sections.back()) section.bytes = names;
    header.sh_type = section.type;
    header.sh_flags = section.flags;
    header.sh_offset = file.size();
    header.sh_size = section.bytes.size();
    append(file, section.bytes.data(), section.bytes.size());
    headers.push_back(header);
  }
  Elf64_Ehdr start{};
  std::memcpy(start.e_ident, ELFMAG, SELFMAG);
  start.e_ident[EI_CLASS] = ELFCLASS64;
  start.e_ident[EI_DATA] = ELFDATA2LSB;
  start.e_type = ET_DYN;
  start.e_shoff = file.size();
  start.e_shentsize = sizeof(Elf64_Shdr);
  start.e_phentsize = sizeof(Elf64_Phdr);
  start.e_shnum = static_cast<uint16_t>(headers.size());
  start.e_shstrndx = static_cast<uint16_t>(headers.size() - 1);
  append(file, headers.data(), headers.size() * sizeof headers[0]);
  std::memcpy(file.data(), &start, sizeof start);
  return file;
}

Bytes compressed(const Bytes& bytes, uint64_t said_size) {
  Bytes packed(libdeflate_zlib_compress_bound(nullptr, bytes.size()));
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(6);
  packed.resize(libdeflate_zlib_compress(compressor, bytes.data(), bytes.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(compressor);
  const Elf64_Chdr header{ELFCOMPRESS_ZLIB, 0, said_size, 1};
  Bytes result;
  append(result, &header, sizeof header);
  append(result, packed.data(), packed.size());
  return result;
}

ElfFile copy_of(const Bytes& file) {
  const int fd = ::memfd_create("test", MFD_CLOEXEC);
  REQUIRE(::write(fd, file.data(), file.size()) == static_cast<ssize_t>(file.size()));
  ::fchmod(fd, 0666);  // anyone may change it
  const int copy = symbol_copy(fd);
  auto result = ElfFile::from_fd(copy);
  ::close(copy);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("symbol copy: debug sections are inflated, code and what is not read is left out") {
  const Bytes lines(100'000, 7), code(5000, 0x90), link = {'x', 0};
  const ElfFile copy = copy_of(file_of({{".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, code},
                                        {".debug_line", SHT_PROGBITS, SHF_COMPRESSED, compressed(lines, lines.size())},
                                        {".debug_loclists", SHT_PROGBITS, SHF_COMPRESSED, compressed(lines, 1000)},
                                        {".debug_str", SHT_PROGBITS, 0, {'a', 'b', 0}},
                                        {".gnu_debuglink", SHT_PROGBITS, 0, link}}));
  REQUIRE(copy.section(".debug_line"));
  CHECK(copy.section(".debug_line")->flags == 0);
  CHECK(copy.contents(*copy.section(".debug_line")) == lines);
  CHECK(copy.contents(*copy.section(".debug_str")) == Bytes{'a', 'b', 0});
  CHECK(copy.contents(*copy.section(".gnu_debuglink")) == link);
  CHECK(copy.section(".debug_loclists")->type == SHT_NOBITS);
  CHECK(copy.section(".text")->size == code.size());
  CHECK(copy.contents(*copy.section(".text")) == Bytes(code.size(), 0));
}

TEST_CASE("symbol copy: a section whose size is a lie stays as it is") {
  const Bytes lines(100'000, 7);
  for (const uint64_t said : {uint64_t{0}, uint64_t{99'999}, uint64_t{100'001}, uint64_t{1} << 40, ~uint64_t{0}}) {
    const Bytes packed = compressed(lines, said);
    const ElfFile copy = copy_of(file_of({{".debug_line", SHT_PROGBITS, SHF_COMPRESSED, packed}}));
    REQUIRE(copy.section(".debug_line"));
    CHECK(copy.section(".debug_line")->flags == SHF_COMPRESSED);
    CHECK(copy.section(".debug_line")->size == packed.size());
  }
}

TEST_CASE("symbol copy: what is no file of sections is copied whole") {
  Bytes file = file_of({{".text", SHT_PROGBITS, SHF_ALLOC, Bytes(64, 1)}});
  file[offsetof(Elf64_Ehdr, e_shoff) + 7] = 1;
  const int fd = ::memfd_create("test", MFD_CLOEXEC);
  REQUIRE(::write(fd, file.data(), file.size()) == static_cast<ssize_t>(file.size()));
  const int copy = symbol_copy(fd);
  Bytes read(file.size());
  CHECK(::pread(copy, read.data(), read.size(), 0) == static_cast<ssize_t>(file.size()));
  CHECK(read == file);
  ::close(copy);
}
