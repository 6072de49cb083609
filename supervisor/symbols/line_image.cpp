#include "supervisor/symbols/line_image.h"

#include <elf.h>

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "supervisor/symbols/file_bytes.h"
#include "supervisor/symbols/inflate.h"

namespace vsup::supervisor {

namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kMaxInflatedBytes = 512 << 20;
constexpr std::array<std::string_view, 2> kSections = {".debug_line", ".debug_line_str"};

std::optional<Bytes> inflated_contents(const ElfFile& file, const ElfSection& section) {
  if ((section.flags & SHF_COMPRESSED) == 0) return file.contents(section);
  Elf64_Chdr header{};
  if (!fits(section.offset, section.size, file.file_size()) || !file.read(section.offset, &header, sizeof header))
    return {};
  const uint64_t size = inflated_size(header, section.size);
  if (size == 0 || size > kMaxInflatedBytes) return {};
  Bytes compressed(section.size), contents(size);
  if (!file.read(section.offset, compressed.data(), compressed.size()) || !inflate_section(compressed, contents))
    return {};
  return contents;
}

void append(Bytes& to, const void* from, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  to.insert(to.end(), bytes, bytes + size);
}

// Behind the file's header lie the sections' contents, their names last, and then the table of sections.
class Image {
 public:
  void add(std::string_view name, const Bytes& contents) { add(SHT_PROGBITS, add_name(name), contents); }

  Bytes finish() {
    const uint32_t name = add_name(".shstrtab");
    add(SHT_STRTAB, name, names_);
    bytes_.resize((bytes_.size() + alignof(Elf64_Shdr) - 1) / alignof(Elf64_Shdr) * alignof(Elf64_Shdr));
    Elf64_Ehdr file{};
    std::memcpy(file.e_ident, ELFMAG, SELFMAG);
    file.e_ident[EI_CLASS] = ELFCLASS64;
    file.e_ident[EI_DATA] = ELFDATA2LSB;
    file.e_ident[EI_VERSION] = EV_CURRENT;
    file.e_type = ET_DYN;
    file.e_machine = EM_X86_64;
    file.e_version = EV_CURRENT;
    file.e_ehsize = sizeof file;
    file.e_shoff = bytes_.size();
    file.e_shentsize = sizeof(Elf64_Shdr);
    file.e_shnum = static_cast<uint16_t>(headers_.size());
    file.e_shstrndx = static_cast<uint16_t>(headers_.size() - 1);
    append(bytes_, headers_.data(), headers_.size() * sizeof headers_[0]);
    std::memcpy(bytes_.data(), &file, sizeof file);
    return std::move(bytes_);
  }

 private:
  uint32_t add_name(std::string_view name) {
    const auto at = static_cast<uint32_t>(names_.size());
    append(names_, name.data(), name.size());
    names_.push_back(0);
    return at;
  }

  void add(uint32_t type, uint32_t name, const Bytes& contents) {
    Elf64_Shdr header{};
    header.sh_name = name;
    header.sh_type = type;
    header.sh_offset = bytes_.size();
    header.sh_size = contents.size();
    header.sh_addralign = 1;
    append(bytes_, contents.data(), contents.size());
    headers_.push_back(header);
  }

  Bytes bytes_ = Bytes(sizeof(Elf64_Ehdr));
  Bytes names_ = Bytes(1);
  std::vector<Elf64_Shdr> headers_ = std::vector<Elf64_Shdr>(1);
};

}  // namespace

std::vector<uint8_t> line_image(const ElfFile& file) {
  Image image;
  for (const std::string_view name : kSections) {
    const ElfSection* section = file.section(name);
    if (section == nullptr) {
      if (name == kSections[0]) return {};
      continue;
    }
    const auto contents = inflated_contents(file, *section);
    if (!contents) return {};
    image.add(name, *contents);
  }
  return image.finish();
}

}  // namespace vsup::supervisor
