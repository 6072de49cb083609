#include <doctest/doctest.h>
#include <elf.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "supervisor/symbols/elf_file.h"

using namespace vsup::supervisor;

namespace {

std::vector<uint8_t> file_bytes(const char* path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A small file with one PT_LOAD, one PT_NOTE with a build id, and two sections.
std::vector<uint8_t> small_elf() {
  std::vector<uint8_t> bytes(0x400);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  header.e_shoff = 0x200;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 2;
  header.e_shstrndx = 1;
  std::memcpy(bytes.data(), &header, sizeof header);
  Elf64_Phdr segments[2]{};
  segments[0].p_type = PT_LOAD;
  segments[0].p_flags = PF_R | PF_X;
  segments[0].p_offset = 0;
  segments[0].p_vaddr = 0x10000;
  segments[0].p_filesz = segments[0].p_memsz = 0x400;
  segments[1].p_type = PT_NOTE;
  segments[1].p_offset = 0x100;
  segments[1].p_vaddr = 0x10100;
  segments[1].p_filesz = segments[1].p_memsz = 20;
  std::memcpy(bytes.data() + sizeof header, segments, sizeof segments);
  const uint8_t note[] = {4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 0xde, 0xad, 0xbe, 0xef};
  std::memcpy(bytes.data() + 0x100, note, sizeof note);
  Elf64_Shdr sections[2]{};
  sections[1].sh_name = 1;
  sections[1].sh_type = SHT_STRTAB;
  sections[1].sh_offset = 0x300;
  sections[1].sh_size = 11;
  std::memcpy(bytes.data() + 0x200, sections, sizeof sections);
  std::memcpy(bytes.data() + 0x300, "\0.shstrtab", 11);
  return bytes;
}

void touch_everything(const ElfFile& file) {
  for (const auto& section : file.sections()) (void)file.contents(section);
  for (const auto& segment : file.segments()) (void)file.contents(segment);
  (void)file.vaddr_of_offset(0x123, true);
  (void)file.lowest_vaddr();
}

}  // namespace

TEST_CASE("elf_file: segments, sections and build id of a small file") {
  auto file = ElfFile::from_bytes(small_elf());
  REQUIRE(file);
  CHECK(file->is_x86_64());
  CHECK(file->build_id() == "deadbeef");
  CHECK(file->segments().size() == 2);
  REQUIRE(file->section(".shstrtab"));
  CHECK(file->section(".shstrtab")->size == 11);
  CHECK(file->section(".nothing") == nullptr);
  CHECK(file->lowest_vaddr() == 0x10000);
  CHECK(file->vaddr_of_offset(0x20, true) == 0x10020);
  CHECK_FALSE(file->vaddr_of_offset(0x2000, true));
}

TEST_CASE("elf_file: its own program") {
  auto file = ElfFile::open("/proc/self/exe");
  REQUIRE(file);
  CHECK(file->is_x86_64());
  REQUIRE(file->section(".text"));
  auto text = file->contents(*file->section(".text"));
  REQUIRE(text);
  CHECK(text->size() == file->section(".text")->size);
  REQUIRE(file->section(".bss"));
  CHECK_FALSE(file->contents(*file->section(".bss")));
}

TEST_CASE("elf_file: what is no ELF file gives one line") {
  std::string error;
  CHECK_FALSE(ElfFile::open("/nonexistent", &error));
  CHECK(error == "No such file or directory");
  CHECK_FALSE(ElfFile::open("/", &error));
  CHECK_FALSE(ElfFile::open("/dev/zero", &error));
  CHECK(error == "not a regular file");
  CHECK_FALSE(ElfFile::from_bytes({}, &error));
  CHECK(error == "too short for an ELF header");
  CHECK_FALSE(ElfFile::from_bytes(std::vector<uint8_t>(100, 'x'), &error));
  CHECK(error == "not an ELF file");
  auto big_endian = small_elf();
  big_endian[EI_DATA] = ELFDATA2MSB;
  CHECK_FALSE(ElfFile::from_bytes(big_endian, &error));
  auto narrow = small_elf();
  narrow[EI_CLASS] = ELFCLASS32;
  auto file = ElfFile::from_bytes(narrow, &error);
  REQUIRE(file);
  CHECK(file->class_bits() == 32);
}

TEST_CASE("elf_file: every truncation of a small file and of a real one") {
  auto bytes = small_elf();
  for (size_t size = 0; size < bytes.size(); size++) {
    auto file = ElfFile::from_bytes({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)});
    if (file) touch_everything(*file);
  }
  auto real = file_bytes("/proc/self/exe");
  for (size_t size = 0; size < real.size(); size += 1 + size / 3) {
    auto file = ElfFile::from_bytes({real.begin(), real.begin() + static_cast<ptrdiff_t>(size)});
    if (file && size < (1 << 20)) touch_everything(*file);
  }
}

TEST_CASE("elf_file: random damage") {
  std::mt19937 random(7);
  auto bytes = small_elf();
  for (int round = 0; round < 20000; round++) {
    auto damaged = bytes;
    for (int i = 0; i < 4; i++) {
      static constexpr uint8_t kValues[] = {0, 1, 0x7f, 0x80, 0xff};
      damaged[random() % damaged.size()] = random() % 2 ? kValues[random() % 5] : static_cast<uint8_t>(random());
    }
    auto file = ElfFile::from_bytes(std::move(damaged));
    if (file) touch_everything(*file);
  }
}

TEST_CASE("elf_file: notes that lie about their sizes") {
  uint8_t note[20] = {4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4};
  CHECK(build_id_of_notes(note, 20) == "01020304");
  for (size_t size = 0; size < 20; size++) CHECK(build_id_of_notes(note, size).empty());
  note[4] = 0xff;
  note[7] = 0xff;
  CHECK(build_id_of_notes(note, 20).empty());
  std::memset(note, 0xff, 12);
  CHECK(build_id_of_notes(note, 20).empty());
}

TEST_CASE("elf_file: an image in memory") {
  auto bytes = small_elf();
  const uint64_t base = 0x7f0000000000;
  auto read = [&](uint64_t address, void* to, size_t size) {
    if (address < base || address - base > bytes.size() || size > bytes.size() - (address - base)) return false;
    std::memcpy(to, bytes.data() + (address - base), size);
    return true;
  };
  auto image = inspect_loaded_image(read, base);
  REQUIRE(image);
  CHECK(image->bias == base - 0x10000);
  CHECK(image->build_id == "deadbeef");
  CHECK_FALSE(inspect_loaded_image(read, base + 8));
  CHECK_FALSE(inspect_loaded_image(read, 0));
}
