// Purpose: any bytes against the decoder: nothing is read beyond them, and what it says holds together.
// Usage: decoder_fuzz --seconds=N --corpus=DIR [--seed=N] [FILE]; with FILE only this input.
// A failing input is in ./decoder_fuzz.failed; the last line of output is the command to repeat it. Built with
// -fsanitize=fuzzer and VSUP_LIBFUZZER defined, libFuzzer's main replaces the one here.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/x86/decoder.h"
#include "tests/harness/fuzz.h"

namespace {

using vsup::agent::decode;
using vsup::agent::Effects;
using vsup::agent::effects;
using vsup::agent::Flow;
using vsup::agent::Instr;
using Bytes = std::vector<uint8_t>;

constexpr size_t kLongest = 15;
constexpr uint64_t kPc = 0x7f0000001000;

// Decodes from a buffer of exactly `size` bytes, so that the address sanitizer sees each byte too many.
bool decode_exactly(const uint8_t* bytes, size_t size, uint64_t pc, Instr& instr) {
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
  std::copy_n(bytes, size, copy.get());
  return decode(copy.get(), size, pc, instr);
}

bool same(const Instr& a, const Instr& b) {
  return a.length == b.length && a.flow == b.flow && a.opcode == b.opcode && a.map == b.map && a.space == b.space &&
         a.imm == b.imm && a.mem.displacement == b.mem.displacement && a.mem.base == b.mem.base &&
         a.mem.index == b.mem.index && a.target == b.target;
}

const char* check_layout(const Instr& instr) {
  if (instr.opcode_offset >= instr.length) return "opcode outside the instruction";
  if (instr.has_modrm && instr.modrm_offset >= instr.length) return "ModRM outside the instruction";
  if (instr.disp_size != 0 && instr.disp_offset + instr.disp_size > instr.length) return "displacement outside";
  if (instr.imm_size != 0 && instr.imm_offset + instr.imm_size > instr.length) return "immediate outside";
  if (instr.mem.vsib && instr.mem.index > 31) return "no such vector register";
  if (instr.mem.present && !instr.mem.vsib && instr.mem.index != vsup::agent::kNoReg && instr.mem.index > 15) {
    return "no such index register";
  }
  return nullptr;
}

const char* check_effects(const Instr& instr) {
  Effects out;
  effects(instr, out);
  if (out.access_count > std::size(out.access)) return "too many accesses";
  if (((out.flags_read | out.flags_written) & ~uint32_t{vsup::agent::kFlagsAll}) != 0) return "no such flag";
  bool explicit_operand = false;
  for (unsigned i = 0; i < out.access_count; i++) {
    const vsup::agent::Access& access = out.access[i];
    if (access.address_only == (access.read || access.write)) return "an access must read, write or only name";
    explicit_operand |= access.address.base == instr.mem.base && access.address.index == instr.mem.index &&
                        access.address.displacement == instr.mem.displacement;
  }
  if (instr.mem.present && !explicit_operand) return "the memory operand has no access";
  if (instr.mem.present && instr.mem.base < 16 && (out.gpr_read >> instr.mem.base & 1) == 0) return "base not read";
  return nullptr;
}

// A ds prefix means nothing, wherever there is room for it.
const char* check_meaningless_prefix(const uint8_t* bytes, const Instr& instr) {
  if (instr.length == kLongest) return nullptr;
  uint8_t longer[kLongest];
  longer[0] = 0x3e;
  std::copy_n(bytes, instr.length, longer + 1);
  Instr prefixed;
  if (!decode_exactly(longer, instr.length + 1U, kPc - 1, prefixed)) return "a ds prefix makes it invalid";
  prefixed.length--;
  return same(instr, prefixed) ? nullptr : "a ds prefix changes it";
}

const char* check_instruction(const uint8_t* bytes, size_t size) {
  Instr instr;
  if (!decode_exactly(bytes, size, kPc, instr)) return instr.length == 0 ? nullptr : "length of what is invalid";
  if (instr.length == 0 || instr.length > size || instr.length > kLongest) return "length";
  Instr again;
  if (!decode_exactly(bytes, instr.length, kPc, again) || !same(instr, again)) return "later bytes matter";
  for (size_t shorter = 0; shorter < instr.length; shorter++) {
    if (decode_exactly(bytes, shorter, kPc, again)) return "decoded from a part";
  }
  if (!decode_exactly(bytes, size, kPc + 16, again) || again.length != instr.length) return "the address matters";
  const bool direct = instr.flow == Flow::kJump || instr.flow == Flow::kCondJump || instr.flow == Flow::kLoop ||
                      instr.flow == Flow::kCall;
  if (again.target - instr.target != (direct ? 16 : 0)) return "target";
  if (const char* failure = check_layout(instr)) return failure;
  if (const char* failure = check_effects(instr)) return failure;
  return check_meaningless_prefix(bytes, instr);
}

// Each offset of the input is one place to decode at.
const char* try_input(const uint8_t* data, size_t size) {
  for (size_t at = 0; at <= size; at++) {
    if (const char* failure = check_instruction(data + at, std::min(size - at, kLongest + 1))) return failure;
  }
  return nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (const char* failure = try_input(data, size)) {
    std::fprintf(stderr, "%s\n", failure);
    std::abort();
  }
  return 0;
}

#ifndef VSUP_LIBFUZZER
namespace {

constexpr char kFailedName[] = "decoder_fuzz.failed";
constexpr size_t kLongestInput = 64;

Bytes bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

Bytes mutate(Bytes input, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  constexpr uint8_t kPrefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x65, 0x40,
                                   0x48, 0x4f, 0x0f, 0x62, 0xc4, 0xc5, 0x8f, 0x38, 0x3a};
  for (uint64_t changes = 1 + random() % 4; changes > 0; changes--) {
    const auto at = static_cast<std::ptrdiff_t>(random() % (input.size() + 1));
    switch (random() % 5) {
      case 0:
        input.insert(input.begin() + at, kPrefixes[random() % std::size(kPrefixes)]);
        break;
      case 1:
        if (!input.empty()) input[random() % input.size()] ^= static_cast<uint8_t>(1U << random() % 8);
        break;
      case 2:
        if (!input.empty()) input[random() % input.size()] = static_cast<uint8_t>(random());
        break;
      case 3:
        if (!input.empty()) input.erase(input.begin() + static_cast<std::ptrdiff_t>(random() % input.size()));
        break;
      default: {
        const Bytes& other = corpus[random() % corpus.size()];
        const size_t from = random() % (other.size() + 1);
        const size_t count = std::min<size_t>(other.size() - from, 16);
        const auto begin = other.begin() + static_cast<std::ptrdiff_t>(from);
        input.insert(input.begin() + at, begin, begin + static_cast<std::ptrdiff_t>(count));
      }
    }
  }
  if (input.size() > kLongestInput) input.resize(kLongestInput);
  return input;
}

std::vector<Bytes> read_corpus(const std::string& directory) {
  std::vector<Bytes> corpus;
  for (const std::string& text : fuzz::read_corpus(directory)) corpus.push_back(bytes_of(text));
  if (corpus.empty()) corpus.push_back({0x90});
  return corpus;
}

int try_many(const fuzz::Settings& settings, const char* program) {
  const std::vector<Bytes> corpus = read_corpus(settings.corpus);
  std::mt19937_64 random(settings.seed);
  std::printf("seed %llu, %zu corpus files\n", static_cast<unsigned long long>(settings.seed), corpus.size());
  std::fflush(stdout);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(settings.seconds);
  size_t count = 0;
  for (; count < corpus.size() || std::chrono::steady_clock::now() < end; count++) {
    Bytes input = corpus[count % corpus.size()];
    if (count >= corpus.size()) input = mutate(std::move(input), corpus, random);
    if (const char* failure = try_input(input.data(), input.size())) {
      fuzz::keep(kFailedName, {input.begin(), input.end()});
      std::printf("failed after %zu inputs: %s\n%s %s\n", count, failure, program, kFailedName);
      return 1;
    }
  }
  std::printf("%zu inputs, no failure\n", count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  fuzz::Settings settings;
  if (!fuzz::parse(argc, argv, settings)) return 1;
  if (settings.single.empty()) return try_many(settings, argv[0]);
  const Bytes input = bytes_of(fuzz::slurp(settings.single));
  return fuzz::report(settings, try_input(input.data(), input.size()));
}
#endif
