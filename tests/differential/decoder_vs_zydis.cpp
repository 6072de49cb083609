// Purpose: the decoder against Zydis, over every instruction of real libraries, over all encodings, over random bytes.
// Assumes: libzydis 4.0. Promises: exit status 0 when there is no difference but those of decoder_exceptions.def.
// Usage: decoder_vs_zydis [--seed N] [--random COUNT] [LIBRARY...]; without a library, those of Debian 12 that are
// there.
#include <elf.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/differential/decoder_observation.h"
#include "tests/differential/decoder_zydis_reference.h"

namespace vsup::test {
namespace {

constexpr const char* kDebianLibraries[] = {
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
    "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0",
    "/usr/lib/x86_64-linux-gnu/libgmp.so.10",
    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0",
};
constexpr unsigned kShownPerKind = 3;
constexpr size_t kLongest = 15;

struct Exception {
  const char* name;
  uint32_t parts;
  bool (*applies)(const ZydisDecodedInstruction& z, const Observation& ours, const Observation& theirs);
  const char* reason;
  uint64_t uses;
};

Exception exceptions[] = {
#define VSUP_DECODER_EXCEPTION(name, parts, condition, reason)                                        \
  {#name, parts,                                                                                      \
   [](const ZydisDecodedInstruction& z, const Observation& ours, const Observation& theirs) -> bool { \
     static_cast<void>(z), static_cast<void>(ours), static_cast<void>(theirs);                        \
     return condition;                                                                                \
   },                                                                                                 \
   reason, 0},
#include "tests/differential/decoder_exceptions.def"
#undef VSUP_DECODER_EXCEPTION
    {"", 0, [](const ZydisDecodedInstruction&, const Observation&, const Observation&) { return false; }, "", 0},
};

class Comparison {
 public:
  // Compares one instruction; returns how far a linear sweep goes on.
  unsigned step(const uint8_t* bytes, size_t size, uint64_t pc) {
    Observation theirs = reference_.observe(bytes, size, pc);
    Observation ours = observe(bytes, size, pc);
    count_++;
    if (const uint32_t parts = unexplained(compare(ours, theirs), ours, theirs); parts != 0) {
      report(parts, bytes, size, ours, theirs);
    }
    return theirs.valid ? theirs.length : 1;
  }

  uint64_t count() const { return count_; }
  uint64_t differences() const { return differences_; }

 private:
  uint32_t unexplained(uint32_t parts, const Observation& ours, const Observation& theirs) {
    if (parts == 0) return 0;
    ZydisDecodedInstruction none{};
    const ZydisDecodedInstruction& z = theirs.valid ? reference_.instruction() : none;
    for (Exception& exception : exceptions) {
      if ((parts & exception.parts) == 0 || !exception.applies(z, ours, theirs)) continue;
      exception.uses++;
      parts &= ~exception.parts;
    }
    return parts;
  }

  void report(uint32_t parts, const uint8_t* bytes, size_t size, const Observation& ours, const Observation& theirs) {
    differences_++;
    const std::string text = theirs.valid ? reference_.text() : "(invalid)";
    const std::string kind = text.substr(0, text.find(' ')) + " " + std::to_string(parts);
    if (kinds_[kind]++ >= kShownPerKind) return;
    std::printf("difference %#x: %s\n  bytes ", parts, text.c_str());
    for (size_t i = 0; i < size && i < kLongest; i++) std::printf(" %02x", bytes[i]);
    std::printf("\n  ours   %s\n  zydis  %s\n", describe(ours).c_str(), describe(theirs).c_str());
  }

  ZydisReference reference_;
  uint64_t count_ = 0, differences_ = 0;
  std::map<std::string, unsigned> kinds_;
};

std::vector<uint8_t> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Linear sweep over the executable sections of an ELF file. False when there is no such file.
bool sweep_library(const char* path, Comparison& comparison) {
  const std::vector<uint8_t> bytes = read_file(path);
  if (bytes.size() < sizeof(Elf64_Ehdr) || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) return false;
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (unsigned i = 0; i < header.e_shnum; i++) {
    Elf64_Shdr section;
    std::memcpy(&section, bytes.data() + header.e_shoff + i * header.e_shentsize, sizeof section);
    if ((section.sh_flags & SHF_EXECINSTR) == 0 || section.sh_type != SHT_PROGBITS) continue;
    for (uint64_t at = 0; at < section.sh_size;) {
      at += comparison.step(bytes.data() + section.sh_offset + at, section.sh_size - at, section.sh_addr + at);
    }
  }
  return true;
}

// Every opcode of every map in every encoding space, with each selecting prefix, W, vector length, and all ModRM bytes.
class EncodingSweep {
 public:
  explicit EncodingSweep(Comparison& comparison) : comparison_(comparison) {}

  void run() {
    for (const std::vector<uint8_t>& prefixes : kLegacyPrefixes) {
      for (const std::vector<uint8_t>& escape : kEscapes) {
        begin_ = prefixes;
        begin_.insert(begin_.end(), escape.begin(), escape.end());
        opcodes_and_modrms();
      }
    }
    vex();
    evex();
  }

 private:
  static inline const std::vector<std::vector<uint8_t>> kLegacyPrefixes = {
      {},           {0x66},       {0xf3}, {0xf2}, {0xf0},       {0x48},       {0x45},       {0x66, 0x48}, {0xf3, 0x4f},
      {0x66, 0xf3}, {0x66, 0xf2}, {0x67}, {0x64}, {0xf2, 0x48}, {0xf0, 0x4d}, {0xf2, 0xf3}, {0x48, 0x66},
  };
  static inline const std::vector<std::vector<uint8_t>> kEscapes = {{}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};

  void opcodes_and_modrms() {
    for (unsigned opcode = 0; opcode < 256; opcode++) {
      for (unsigned modrm = 0; modrm < 256; modrm++) {
        std::vector<uint8_t> bytes = begin_;
        bytes.insert(bytes.end(), {static_cast<uint8_t>(opcode), static_cast<uint8_t>(modrm), 0x0c, 0x90, 0x11, 0x22,
                                   0x33, 0x44, 0x55, 0x66, 0x77});
        bytes.resize(24);
        comparison_.step(bytes.data(), kLongest, 0x10000);
      }
    }
  }

  void vex() {
    for (const uint8_t lead : {0xc4, 0x8f}) {
      const unsigned first_map = lead == 0xc4 ? 1 : 8;
      for (unsigned map = first_map; map < first_map + 3; map++) {
        for (unsigned tail = 0; tail < 16; tail++) {
          const uint8_t rest = static_cast<uint8_t>((tail & 8) << 4 | (tail & 7));
          for (const uint8_t vvvv : {0x78, 0x50}) {
            begin_ = {lead, static_cast<uint8_t>(0xe0 | map), static_cast<uint8_t>(rest | vvvv)};
            opcodes_and_modrms();
          }
        }
      }
    }
  }

  // p2 covers vector length, broadcast or rounding, masks with and without zeroing.
  void evex() {
    for (const unsigned map : {1, 2, 3, 5, 6}) {
      for (unsigned width_pp = 0; width_pp < 8; width_pp++) {
        for (const uint8_t vvvv : {0x78, 0x50}) {
          const uint8_t p1 = static_cast<uint8_t>((width_pp & 4) << 5 | vvvv | 4 | (width_pp & 3));
          for (const uint8_t p2 : {0x08, 0x28, 0x48, 0x18, 0x58, 0x49, 0xca, 0xb9, 0x68, 0x40}) {
            begin_ = {0x62, static_cast<uint8_t>(0xf0 | map), p1, p2};
            opcodes_and_modrms();
          }
        }
      }
    }
  }

  Comparison& comparison_;
  std::vector<uint8_t> begin_;
};

// Random bytes, half of them behind a vector prefix, a quarter behind an escape byte.
void random_bytes(uint64_t seed, uint64_t count, Comparison& comparison) {
  std::mt19937_64 random(seed);
  for (uint64_t i = 0; i < count; i++) {
    uint8_t bytes[16];
    const uint64_t words[2] = {random(), random()};
    std::memcpy(bytes, words, sizeof bytes);
    switch (random() % 8) {
      case 0:
        bytes[0] = 0xc4, bytes[1] = static_cast<uint8_t>((bytes[1] & 0xe0) | (1 + bytes[15] % 3));
        break;
      case 1:
        bytes[0] = 0xc5;
        break;
      case 2:
      case 3:
        bytes[0] = 0x62, bytes[1] &= 0xf7, bytes[2] |= 4;
        break;
      case 4:
        bytes[0] = 0x0f;
        break;
      case 5:
        bytes[1] = 0x0f;
        break;
      default:
        break;
    }
    comparison.step(bytes, random() % 16 == 0 ? random() % kLongest : kLongest, 0x400000);
  }
}

struct Settings {
  uint64_t seed = 1, random_count = 2'000'000;
  bool encodings = true;
  std::vector<const char*> libraries;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i++) {
    if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      settings.seed = std::strtoull(argv[++i], nullptr, 0);
    } else if (std::strcmp(argv[i], "--random") == 0 && i + 1 < argc) {
      settings.random_count = std::strtoull(argv[++i], nullptr, 0);
    } else {
      settings.libraries.push_back(argv[i]);
    }
  }
  if (settings.libraries.empty()) {
    settings.libraries.assign(std::begin(kDebianLibraries), std::end(kDebianLibraries));
  }
  return settings;
}

// Runs one part and prints its line.
template <typename Run>
uint64_t measured(const std::string& name, Run run) {
  Comparison comparison;
  const auto start = std::chrono::steady_clock::now();
  run(comparison);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%s: %llu instructions, %llu differences, %.1f s\n", name.c_str(),
              static_cast<unsigned long long>(comparison.count()),
              static_cast<unsigned long long>(comparison.differences()), seconds);
  return comparison.differences();
}

int run(const Settings& settings) {
  uint64_t differences = 0;
  for (const char* path : settings.libraries) {
    bool found = false;
    differences += measured(path, [&](Comparison& comparison) { found = sweep_library(path, comparison); });
    if (!found) std::printf("%s: missing, not compared\n", path);
  }
  differences += measured("all encodings", [](Comparison& comparison) { EncodingSweep(comparison).run(); });
  differences += measured("random bytes, seed " + std::to_string(settings.seed), [&](Comparison& comparison) {
    random_bytes(settings.seed, settings.random_count, comparison);
  });
  for (const Exception& exception : exceptions) {
    if (exception.uses == 0) continue;
    std::printf("exception %s: %llu times: %s\n", exception.name, static_cast<unsigned long long>(exception.uses),
                exception.reason);
  }
  return differences == 0 ? 0 : 1;
}

}  // namespace
}  // namespace vsup::test

int main(int argc, char** argv) {
  return vsup::test::run(vsup::test::parse(argc, argv));
}
