// Purpose: random instructions from random states, natively and from the code cache, must end in the same state: GPRs,
// flags, x87, SSE, AVX, AVX-512 and memory, and the same fault at the same instruction with the same registers.
// Before them, curated instructions: one of each encoding class found in the system's libraries, each three times from
// other states.
// Usage: compared_execution [--seed=N] [--snippets=N] [--print]
#include <cpuid.h>
#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "agent/x86/decoder.h"
#include "tests/differential/compared_execution/in_process_agent.h"

namespace {

using vsup::agent::Flow;
using vsup::agent::Instr;
using vsup::agent::OpMap;
using vsup::agent::Segment;
using vsup::agent::Space;
using vsup::protocol::AgentSettings;
using vsup::test::InProcessAgent;
using vsup::test::kSnippetEnd;
using vsup::test::MachineState;

constexpr uint64_t kCodeSize = 1 << 18;
constexpr uint64_t kSlotSize = 1024;  // of one snippet
constexpr uint64_t kDataSize = 1 << 16;
constexpr int kNativeRuns = 4;  // more, of a snippet that seems to do something else in the cache
constexpr uint64_t kMiddle = kDataSize / 2;

struct Arena {
  uint8_t* code;
  uint8_t* data;  // directly behind the code, so that rip-relative operands reach it
  uint8_t* stack;
};

using Random = std::mt19937_64;

// bt, bts, btr, btc of memory by a register: the bit lies up to 256 MiB from the operand's address.
bool is_memory_bit(const Instr& i) {
  return i.space == Space::kLegacy && i.map == OpMap::k0F && i.mem.present &&
         (i.opcode == 0xa3 || i.opcode == 0xab || i.opcode == 0xb3 || i.opcode == 0xbb);
}
uint8_t modrm_register(const Instr& i) {
  return static_cast<uint8_t>((i.modrm >> 3 & 7) | (i.rex & 4 ? 8 : 0));
}

// What cannot be compared: results that differ from one run to the next, what would pull the floor from under the test
// (FS, the page of the handler), and what a signal frame does not carry.
bool comparable(const Instr& i) {
  if (i.flow == Flow::kNativeOnly || i.flow == Flow::kSyscall) return false;
  if (i.segment != Segment::kDefault) return false;
  // The bit would lie in memory that is not the snippet's.
  if (is_memory_bit(i) && (modrm_register(i) == i.mem.base || modrm_register(i) == i.mem.index)) return false;
  if (i.space == Space::kLegacy && i.map == OpMap::k0F) {
    switch (i.opcode) {
      case 0x31:
      case 0x33:
      case 0xa2:
      case 0x01:  // rdtsc, rdpmc, cpuid, group 7
        return false;
      case 0xae:  // fxsave, xsave: the x87 pointers; fxrstor, xrstor, wrfsbase, ldmxcsr with random images
        return false;
      case 0xc7:  // rdrand, rdseed, rdpid, xrstors
        return i.modrm < 0xc0 && (i.modrm >> 3 & 7) == 1;
      case 0x1e:
      case 0x34:
      case 0x35:
      case 0x05:
      case 0x07:
        return false;
      default:
        break;
    }
  }
  if (i.space == Space::kLegacy && i.map == OpMap::k0F38 && (i.opcode & 0xf0) == 0xf0) return i.opcode < 0xf2;
  if (i.space == Space::kLegacy && i.map == OpMap::kOneByte) {
    if (i.opcode == 0x9d || i.opcode == 0xcd || i.opcode == 0xf1 || i.opcode == 0xcc) return false;  // popf, int
    if (i.opcode == 0xd9 && i.modrm < 0xc0 && (i.modrm >> 3 & 7) == 4) return false;                 // fldenv
    if (i.opcode == 0xdd && i.modrm < 0xc0 && (i.modrm >> 3 & 7) == 4) return false;                 // frstor
    if ((i.opcode == 0xd9 || i.opcode == 0xdd) && i.modrm < 0xc0 && (i.modrm >> 3 & 7) == 6)
      return false;                      // fnstenv, fnsave
    if (i.opcode == 0x8c) return false;  // mov r, sreg
  }
  return true;
}

bool is_rep_string(const Instr& i) {
  return i.space == Space::kLegacy && i.map == OpMap::kOneByte && (i.rep || i.repne) &&
         ((i.opcode >= 0xa4 && i.opcode <= 0xa7) || (i.opcode >= 0xaa && i.opcode <= 0xaf));
}

class Snippet {
 public:
  Snippet(const Arena& arena, Random& random, uint8_t* at) : arena_(arena), random_(random), out_(at), start_(at) {}

  // Up to `count` random instructions, then the jump to the end.
  void generate(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      switch (random_() % 12) {
        case 0:
          conditional();
          break;
        case 1:
          call();
          break;
        case 2:
          indirect_jump();
          break;
        case 3:
          counted_loop();
          break;
        default:
          random_instruction();
          break;
      }
    }
    finish();
  }

  // The one instruction at `bytes`, its operands pointed at the data, then the jump to the end.
  void generate_one(const uint8_t* bytes, size_t length) {
    uint8_t copy[15];
    std::memcpy(copy, bytes, length);
    Instr instr;
    vsup::agent::decode(copy, length, reinterpret_cast<uint64_t>(out_), instr);
    prepare(instr, copy);
    for (size_t i = 0; i < length; ++i) byte(copy[i]);
    finish();
  }

  uint8_t* start() const { return start_; }
  size_t size() const { return static_cast<size_t>(out_ - start_); }

 private:
  void byte(uint64_t value) { *out_++ = static_cast<uint8_t>(value); }
  void bytes(std::initializer_list<uint8_t> values) {
    for (uint8_t value : values) byte(value);
  }
  template <typename T>
  void put(T value) {
    std::memcpy(out_, &value, sizeof value);
    out_ += sizeof value;
  }
  void load_register(unsigned reg, uint64_t value) {
    byte(reg >= 8 ? 0x49 : 0x48);
    byte(0xb8 | (reg & 7));
    put(value);
  }
  uint64_t data_address() { return reinterpret_cast<uint64_t>(arena_.data) + kMiddle + random_() % 4096; }

  // Candidate bytes: random prefixes, then a random opcode of a random map.
  size_t candidate(uint8_t* bytes) {
    size_t n = 0;
    uint64_t shape = random_() % 16;
    if (shape >= 14) {  // evex
      bytes[n++] = 0x62;
      bytes[n++] = static_cast<uint8_t>((random_() & 0xf0) | (1 + random_() % 3));
      bytes[n++] = static_cast<uint8_t>(random_() | 4);
      bytes[n++] = static_cast<uint8_t>(random_());
    } else if (shape >= 12) {  // vex
      bytes[n++] = 0xc4;
      bytes[n++] = static_cast<uint8_t>((random_() & 0xe0) | (1 + random_() % 3));
      bytes[n++] = static_cast<uint8_t>(random_());
    } else {
      static constexpr uint8_t kPrefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x2e};
      while (random_() % 4 == 0 && n < 3) bytes[n++] = kPrefixes[random_() % sizeof kPrefixes];
      if (random_() % 2 == 0) bytes[n++] = static_cast<uint8_t>(0x40 | random_() % 16);
      if (shape >= 6) bytes[n++] = 0x0f;
      if (shape >= 10) bytes[n++] = shape == 10 ? 0x38 : 0x3a;
    }
    while (n < 15) bytes[n++] = static_cast<uint8_t>(random_());
    if (random_() % 4 == 0 && shape < 12) {  // more rip-relative operands than chance gives
      Instr instr;
      if (vsup::agent::decode(bytes, 15, 0, instr) && instr.has_modrm)
        bytes[instr.modrm_offset] = static_cast<uint8_t>(random_() & 0x38) | 5;
    }
    return n;
  }

  void random_instruction() {
    for (;;) {
      uint8_t bytes[15];
      size_t n = candidate(bytes);
      Instr instr;
      if (!vsup::agent::decode(bytes, n, reinterpret_cast<uint64_t>(out_), instr)) continue;
      if (instr.flow != Flow::kNone || !comparable(instr)) continue;
      prepare(instr, bytes);
      for (unsigned i = 0; i < instr.length; ++i) byte(bytes[i]);
      return;
    }
  }

  // Points the operands at the data; one instruction in 32 is left with whatever address it has.
  void prepare(const Instr& instr, uint8_t* bytes) {
    if (is_memory_bit(instr)) load_register(modrm_register(instr), random_() % 1000);
    if (random_() % 32 == 0 && !instr.rip_relative()) return;
    bool string =
        instr.space == Space::kLegacy && instr.map == OpMap::kOneByte && instr.opcode >= 0xa4 && instr.opcode <= 0xaf;
    if (string) {
      load_register(6, data_address());
      load_register(7, data_address());
      if (is_rep_string(instr)) load_register(1, random_() % 20);
    }
    if (!instr.mem.present) return;
    if (instr.rip_relative()) {
      if (instr.address32) return;
      // The instruction comes after nothing else: its displacement is from its own end.
      int64_t distance = static_cast<int64_t>(data_address()) - reinterpret_cast<int64_t>(out_ + instr.length);
      auto narrow = static_cast<int32_t>(distance);
      std::memcpy(bytes + instr.disp_offset, &narrow, 4);
      return;
    }
    if (instr.mem.vsib || instr.disp_size == 8) return;
    if (instr.mem.base == 4) {  // the stack pointer stays: its memory is there to be used
      if (instr.mem.index != vsup::agent::kNoReg) load_register(instr.mem.index, random_() % 64);
      return;
    }
    uint64_t index = random_() % 64;
    uint64_t base = data_address() - static_cast<uint64_t>(instr.mem.displacement);
    if (instr.mem.index != vsup::agent::kNoReg) {
      if (instr.mem.index == instr.mem.base) return;
      load_register(instr.mem.index, index);
      base -= index * instr.mem.scale;
    }
    if (instr.mem.base != vsup::agent::kNoReg) load_register(instr.mem.base, base);
  }

  void conditional() {
    byte(0x70 | random_() % 16);
    uint8_t* distance = out_++;
    random_instruction();
    if (out_ - distance > 120) out_ = distance + 1;
    *distance = static_cast<uint8_t>(out_ - distance - 1);
  }

  // call over a body that returns; direct or through a register or memory
  void call() {
    bool indirect = random_() % 2 == 0;
    static constexpr unsigned kRegisters[] = {0, 1, 2, 3, 5, 8, 13, 15};
    unsigned reg = kRegisters[random_() % 8];
    uint8_t* constant = nullptr;
    uint8_t* distance = nullptr;
    if (indirect) {
      load_register(reg, 0);
      constant = out_ - 8;
      if (reg >= 8) byte(0x41);
      byte(0xff);
      byte(0xd0 | (reg & 7));
    } else {
      byte(0xe8);
      distance = out_;
      put<int32_t>(0);
    }
    uint8_t* after = out_;
    byte(0xeb);  // jmp over the body
    uint8_t* over = out_++;
    uint64_t body = reinterpret_cast<uint64_t>(out_);
    if (random_() % 2 == 0) {
      byte(0xc3);
    } else {                                  // ret imm16 takes the word pushed here along
      bytes({0x48, 0x8b, 0x0c, 0x24});        // mov rcx, [rsp]
      bytes({0x48, 0x89, 0x4c, 0x24, 0xf8});  // mov [rsp - 8], rcx
      bytes({0x48, 0x8d, 0x64, 0x24, 0xf8});  // lea rsp, [rsp - 8]
      byte(0xc2);
      put<uint16_t>(8);
    }
    *over = static_cast<uint8_t>(out_ - over - 1);
    if (indirect)
      std::memcpy(constant, &body, 8);
    else {
      auto narrow = static_cast<int32_t>(body - reinterpret_cast<uint64_t>(after));
      std::memcpy(distance, &narrow, 4);
    }
  }

  // jmp [rip + slot], the slot right behind
  void indirect_jump() {
    byte(0xff);
    byte(0x25);
    put<int32_t>(0);
    put<uint64_t>(reinterpret_cast<uint64_t>(out_) + 8);
  }

  void counted_loop() {
    load_register(1, 1 + random_() % 5);
    uint8_t* top = out_;
    bytes({0x48, 0x8d, 0x40, 0x03});  // lea rax, [rax + 3]
    byte(0xe0 + random_() % 3);       // loopne, loope, loop
    byte(static_cast<uint64_t>(top - (out_ + 1)));
  }

  void finish() {
    byte(0xff);
    byte(0x25);
    put<int32_t>(0);
    put<uint64_t>(kSnippetEnd);
  }

  const Arena& arena_;
  Random& random_;
  uint8_t* out_;
  uint8_t* start_;
};

void fill(Random& random, uint8_t* from, size_t size) {
  for (size_t i = 0; i + 8 <= size; i += 8) {
    uint64_t value = random();
    std::memcpy(from + i, &value, 8);
  }
}

// The floating-point numbers of a random register file would be NaNs nearly always: small values make them interesting.
MachineState random_state(Random& random, const Arena& arena, const std::vector<uint8_t>& xsave_model) {
  MachineState state{};
  for (uint64_t& reg : state.gpr) reg = random() >> random() % 64;
  state.gpr[4] = reinterpret_cast<uint64_t>(arena.stack) + kMiddle;
  state.rflags = 0x202 | (random() & 0x8d5);
  state.xsave = xsave_model;
  if (state.xsave.size() >= 512) {
    fill(random, state.xsave.data() + 160, 256);  // xmm0-15
    for (int r = 0; r < 16; ++r)
      if (random() % 2 == 0) {
        double value = static_cast<double>(static_cast<int64_t>(random() % 2000) - 1000) / 8;
        std::memcpy(state.xsave.data() + 160 + 16 * r, &value, 8);
      }
    uint32_t mxcsr = 0x1f80;
    std::memcpy(state.xsave.data() + 24, &mxcsr, 4);
  }
  return state;
}

std::string hex(const uint8_t* bytes, size_t size) {
  std::string text;
  char piece[4];
  for (size_t i = 0; i < size; ++i) {
    std::snprintf(piece, sizeof piece, "%02x ", bytes[i]);
    text += piece;
  }
  return text;
}

// Makes xsave images comparable. Components that are not in use hold stale bytes, and whether one that holds zeros is
// in use is the processor's own business. The x87 environment keeps the last instruction's pc (fip, fop), which in the
// cache is a cache pc. Source of the layout: Intel SDM volume 1, 13.4; CPUID leaf 0xd gives size and offset of each
// component.
void normalise(std::vector<uint8_t>& xsave) {
  if (xsave.size() < 576) return;
  std::memset(xsave.data() + 6, 0, 18);
  std::memset(xsave.data() + 464, 0, 48);  // software bytes of the frame
  uint64_t in_use = 0;
  std::memcpy(&in_use, xsave.data() + 512, 8);
  if ((in_use & 1) == 0) std::memset(xsave.data() + 32, 0, 128);
  if ((in_use & 2) == 0) std::memset(xsave.data() + 160, 0, 256);
  for (unsigned component = 2; component < 63; ++component) {
    unsigned size = 0, offset = 0, c = 0, d = 0;
    __cpuid_count(0xd, component, size, offset, c, d);
    if (size != 0 && offset + size <= xsave.size() && (in_use >> component & 1) == 0)
      std::memset(xsave.data() + offset, 0, size);
  }
  std::memset(xsave.data() + 512, 0, 64);
}

const char* difference(const MachineState& a, const MachineState& b) {
  for (int i = 0; i < 16; ++i)
    if (a.gpr[i] != b.gpr[i]) return "registers";
  if ((a.rflags ^ b.rflags) & 0xcd5) return "flags";
  if (a.signal != b.signal || a.signal_code != b.signal_code) return "signal";
  if (a.pc != b.pc) return "pc";
  if (a.signal == SIGSEGV && a.fault_address != b.fault_address) return "fault address";
  if (a.xsave != b.xsave) return "vector or x87 state";
  return nullptr;
}

}  // namespace

// One instruction of each encoding class in the executable segments of the libraries that this process has loaded and
// of others that are usually there: space, map, opcode, selecting prefix, W, length, operand forms.
std::vector<std::vector<uint8_t>> curated_instructions() {
  std::vector<std::vector<uint8_t>> found;
  std::set<std::tuple<int, int, int, int, int, int, int>> seen;
  for (const char* name : {"libc.so.6", "libm.so.6", "libcrypto.so.3", "libgmp.so.10", "libstdc++.so.6",
                           "libopenblas.so.0", "libpython3.11.so.1.0"}) {
    void* library = dlopen(name, RTLD_LAZY);
    link_map* map = nullptr;
    if (library == nullptr || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) continue;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      uint64_t start = 0, end = 0;
      char mode[5] = {}, path[512] = {};
      std::sscanf(line.c_str(), "%lx-%lx %4s %*s %*s %*s %511s", &start, &end, mode, path);
      if (mode[2] != 'x' || std::string(path).find(std::string(name).substr(0, 6)) == std::string::npos) continue;
      for (uint64_t at = start; at + 15 < end;) {
        Instr i;
        const auto* bytes = reinterpret_cast<const uint8_t*>(at);
        if (!vsup::agent::decode(bytes, 15, at, i)) {
          ++at;
          continue;
        }
        at += i.length;
        if (i.flow != Flow::kNone || !comparable(i)) continue;
        int operands = !i.has_modrm ? 0 : !i.mem.present ? 1 : i.rip_relative() ? 2 : i.has_sib ? 3 : 4;
        int group = i.has_modrm && i.space == Space::kLegacy && i.map == OpMap::kOneByte ? i.modrm >> 3 & 7 : 0;
        int variant = (i.rex & 8) | (i.operand16 ? 4 : 0) | (i.lock ? 2 : 0) | (i.evex_aaa != 0 ? 1 : 0) | group << 4;
        if (seen.insert({static_cast<int>(i.space), static_cast<int>(i.map), i.opcode, i.mandatory_prefix, operands,
                         i.vector_length, variant})
                .second)
          found.emplace_back(bytes, bytes + i.length);
      }
    }
  }
  return found;
}

int main(int argc, char** argv) {
  uint64_t seed = static_cast<uint64_t>(time(nullptr));
  uint64_t snippets = 20000;
  bool print = false, low = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.rfind("--seed=", 0) == 0)
      seed = std::strtoull(argv[i] + 7, nullptr, 0);
    else if (argument.rfind("--snippets=", 0) == 0)
      snippets = std::strtoull(argv[i] + 11, nullptr, 0);
    else if (argument == "--print")
      print = true;
    else if (argument == "--low")
      low = true;
    else
      return std::fprintf(stderr, "usage: compared_execution [--seed=N] [--snippets=N] [--low] [--print]\n"), 2;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);

  AgentSettings settings{};
  settings.max_block_instructions = 128;
  settings.link = 1;
  settings.cache_limit = 1 << 24;
  settings.translate_limit = ~0ull;
  InProcessAgent agent(settings);

  // Random code moves its stack pointer and adds displacements of 32 bits: the test's own memory is farther away.
  // Low code is that of programs at fixed addresses: what is rip-relative there can be named by its address.
  void* const wanted = reinterpret_cast<void*>(low ? 0x4000'0000 : 0x1000'0000'0000);
  void* const got = mmap(wanted, kCodeSize + 2 * kDataSize, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != wanted) return std::fprintf(stderr, "compared_execution: no memory at %p\n", wanted), 2;
  auto* base = static_cast<uint8_t*>(got);
  Arena arena{base, base + kCodeSize, base + kCodeSize + kDataSize};
  std::printf("compared_execution --seed=%" PRIu64 " --snippets=%" PRIu64 "%s\n", seed, snippets, low ? " --low" : "");

  std::vector<uint8_t> model;
  {
    MachineState probe{};
    probe.pc = kSnippetEnd;
    probe.gpr[4] = reinterpret_cast<uint64_t>(arena.stack) + kMiddle;
    probe.rflags = 0x202;
    agent.run_native(probe);
    model = probe.xsave;
  }

  std::vector<uint8_t> data_before(2 * kDataSize), data_native(2 * kDataSize), code_before(kCodeSize);
  uint64_t faults = 0, self_modifying = 0, native_only = 0, not_repeatable = 0;
  const std::vector<std::vector<uint8_t>> curated = curated_instructions();
  const uint64_t curated_runs = 3 * curated.size();
  std::printf("%zu curated instructions\n", curated.size());
  snippets += curated_runs;
  for (uint64_t n = 0; n < snippets; ++n) {
    Random random(seed * 1'000'003 + n);
    uint8_t* at = arena.code + n % (kCodeSize / kSlotSize) * kSlotSize;
    Snippet snippet(arena, random, at);
    if (n < curated_runs)
      snippet.generate_one(curated[n / 3].data(), curated[n / 3].size());
    else
      snippet.generate(1 + static_cast<unsigned>(random() % 8));
    if (print) std::printf("%" PRIu64 ": %s\n", n, hex(snippet.start(), snippet.size()).c_str()), std::fflush(stdout);
    fill(random, arena.data, 2 * kDataSize);
    std::memcpy(data_before.data(), arena.data, 2 * kDataSize);
    MachineState native = random_state(random, arena, model);
    native.pc = reinterpret_cast<uint64_t>(at);
    const MachineState initial = native;
    MachineState cached = native;

    std::memcpy(code_before.data(), arena.code, kCodeSize);
    agent.run_native(native);
    if (std::memcmp(code_before.data(), arena.code, kCodeSize) != 0) {  // it wrote into code: another test's matter
      ++self_modifying;
      continue;
    }
    std::memcpy(data_native.data(), arena.data, 2 * kDataSize);
    std::memcpy(arena.data, data_before.data(), 2 * kDataSize);
    agent.run_cached(cached);
    if (cached.signal == vsup::test::kNativeOnlySignal) {  // a jump into the middle of an instruction found one
      ++native_only;
      continue;
    }

    normalise(native.xsave);
    normalise(cached.xsave);
    const char* what = difference(native, cached);
    if (what == nullptr && std::memcmp(data_native.data(), arena.data, 2 * kDataSize) != 0) what = "memory";
    if (native.signal != 0) ++faults;
    if (what == nullptr) continue;
    // Random addresses may be this program's own memory, which changes from one run to the next.
    const std::vector<uint8_t> data_cached(arena.data, arena.data + 2 * kDataSize);
    const auto differs_natively = [&] {
      std::memcpy(arena.data, data_before.data(), 2 * kDataSize);
      MachineState again = initial;
      agent.run_native(again);
      normalise(again.xsave);
      return difference(native, again) != nullptr || std::memcmp(data_native.data(), arena.data, 2 * kDataSize) != 0;
    };
    bool repeatable = true;
    for (int run = 0; run < kNativeRuns && repeatable; ++run) repeatable = !differs_natively();
    if (!repeatable) {
      ++not_repeatable;
      continue;
    }
    std::printf("snippet %" PRIu64 " differs in %s\n  code at %p: %s\n", n, what, static_cast<void*>(at),
                hex(snippet.start(), snippet.size()).c_str());
    for (int i = 0; i < 16; ++i)
      std::printf("  r%-2d native %016" PRIx64 " cached %016" PRIx64 "%s\n", i, native.gpr[i], cached.gpr[i],
                  native.gpr[i] == cached.gpr[i] ? "" : "  <--");
    std::printf("  flags %" PRIx64 " %" PRIx64 ", pc %" PRIx64 " %" PRIx64 ", signal %d %d, address %" PRIx64
                " %" PRIx64 "\n",
                native.rflags, cached.rflags, native.pc, cached.pc, native.signal, cached.signal, native.fault_address,
                cached.fault_address);
    for (size_t i = 0; i < native.xsave.size() && i < cached.xsave.size(); ++i)
      if (native.xsave[i] != cached.xsave[i])
        std::printf("  xsave byte %zu: %02x %02x\n", i, native.xsave[i], cached.xsave[i]);
    for (size_t i = 0; i < data_native.size(); ++i)
      if (data_native[i] != data_cached[i]) std::printf("  data +%zx: %02x %02x\n", i, data_native[i], data_cached[i]);
    std::printf("repeat with: compared_execution --seed=%" PRIu64 " --snippets=%" PRIu64 "%s\n", seed, n + 1,
                low ? " --low" : "");
    return 1;
  }
  std::printf("%" PRIu64 " snippets agree, %" PRIu64 " of them ended by the same fault; left out: %" PRIu64
              " that wrote into themselves, %" PRIu64 " that came upon an instruction for native execution, %" PRIu64
              " that do not do the same twice natively\n",
              snippets - self_modifying - native_only - not_repeatable, faults, self_modifying, native_only,
              not_repeatable);
  // More would hide something: they are one in some millions.
  return faults + self_modifying + native_only < snippets && not_repeatable < 3 ? 0 : 1;
}
