#include "supervisor/symbols/inflate.h"

#include <libdeflate.h>

#include <memory>

namespace vsup::supervisor {

namespace {

constexpr uint64_t kMaxDeflateRatio = 1032;  // of RFC 1951: 258 bytes in two bits

}  // namespace

uint64_t inflated_size(const Elf64_Chdr& header, uint64_t size) {
  if (size <= sizeof header || header.ch_type != ELFCOMPRESS_ZLIB || header.ch_size / kMaxDeflateRatio > size) return 0;
  return header.ch_size;
}

bool inflate_section(std::span<const uint8_t> section, std::span<uint8_t> to) {
  if (section.size() <= sizeof(Elf64_Chdr)) return false;
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> decompressor(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  const std::span<const uint8_t> stream = section.subspan(sizeof(Elf64_Chdr));
  return decompressor && libdeflate_zlib_decompress(decompressor.get(), stream.data(), stream.size(), to.data(),
                                                    to.size(), nullptr) == LIBDEFLATE_SUCCESS;
}

}  // namespace vsup::supervisor
