#include "supervisor/inject/agent_image.h"

#include <elf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

extern "C" const uint8_t vsup_agent_blob_start[];
extern "C" const uint8_t vsup_agent_blob_end[];

namespace vsup::supervisor {

namespace {

constexpr uint64_t kPageMask = 4095;

AgentImage failed(const char* why) {
  AgentImage image;
  image.error = std::string("agent image: ") + why;
  return image;
}

bool read_fault_targets(AgentImage& image) {
  const uint64_t start = image.exports.fixups_start, end = image.exports.fixups_end;
  for (const AgentSegment& segment : image.segments) {
    if (start < segment.data_address || end < start || end - segment.data_address > segment.data.size()) continue;
    for (uint64_t at = start; end - at >= sizeof(protocol::Fixup); at += sizeof(protocol::Fixup)) {
      protocol::Fixup fixup;
      memcpy(&fixup, segment.data.data() + (at - segment.data_address), sizeof fixup);
      image.fault_targets.push_back(
          {at + static_cast<uint64_t>(int64_t{fixup.instruction}),
           at + offsetof(protocol::Fixup, target) + static_cast<uint64_t>(int64_t{fixup.target})});
    }
    std::ranges::sort(image.fault_targets, {}, &FaultTarget::instruction);
    return true;
  }
  return false;
}

}  // namespace

uint64_t AgentImage::fault_target(uint64_t pc) const {
  if (pc >= exports.safe_access_start && pc < exports.safe_access_end) return exports.safe_access_fail;
  const auto found = std::ranges::lower_bound(fault_targets, pc, {}, &FaultTarget::instruction);
  return found != fault_targets.end() && found->instruction == pc ? found->target : 0;
}

AgentImage parse_agent_image(std::span<const uint8_t> elf) {
  Elf64_Ehdr header;
  if (elf.size() < sizeof header) return failed("truncated");
  memcpy(&header, elf.data(), sizeof header);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr))
    return failed("not an x86-64 ELF file");
  AgentImage image;
  bool exports_found = false;
  for (unsigned index = 0; index < header.e_phnum; ++index) {
    Elf64_Phdr program;
    const uint64_t at = header.e_phoff + index * sizeof program;
    if (at + sizeof program > elf.size()) return failed("program headers beyond its end");
    memcpy(&program, elf.data() + at, sizeof program);
    if (program.p_type != PT_LOAD || program.p_memsz == 0) continue;
    if (program.p_offset + program.p_filesz > elf.size() || program.p_filesz > program.p_memsz)
      return failed("segment beyond its end");
    if (program.p_vaddr < protocol::kBlobBase ||
        program.p_vaddr + program.p_memsz > protocol::kBlobBase + protocol::kBlobMaxSize)
      return failed("segment outside its range");
    AgentSegment segment;
    segment.start = program.p_vaddr & ~kPageMask;
    segment.size = ((program.p_vaddr + program.p_memsz + kPageMask) & ~kPageMask) - segment.start;
    segment.protection = ((program.p_flags & PF_R) != 0 ? PROT_READ : 0) |
                         ((program.p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
                         ((program.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
    segment.data_address = program.p_vaddr;
    segment.data = elf.subspan(program.p_offset, program.p_filesz);
    if (header.e_entry >= program.p_vaddr &&
        header.e_entry + sizeof image.exports <= program.p_vaddr + program.p_filesz) {
      memcpy(&image.exports, segment.data.data() + (header.e_entry - program.p_vaddr), sizeof image.exports);
      exports_found = true;
    }
    image.segments.push_back(segment);
  }
  if (!exports_found) return failed("no exports at its entry point");
  if (!read_fault_targets(image)) return failed("no table of faults");
  if (image.exports.magic != protocol::kBootMagic || image.exports.version != protocol::kBootVersion)
    return failed("exports of another version");
  return image;
}

const AgentImage& embedded_agent() {
  static const AgentImage image =
      parse_agent_image({vsup_agent_blob_start, static_cast<size_t>(vsup_agent_blob_end - vsup_agent_blob_start)});
  return image;
}

}  // namespace vsup::supervisor
