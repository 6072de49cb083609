// Purpose: golden cases of the decoder: every odd encoding once, with what the manuals say of it.
#include "agent/x86/decoder.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vsup::agent {
namespace {

constexpr uint64_t kPc = 0x401000;
constexpr uint16_t kRaxBit = 1 << 0, kRcxBit = 1 << 1, kRdxBit = 1 << 2, kRbxBit = 1 << 3, kRspBit = 1 << 4,
                   kRbpBit = 1 << 5, kRsiBit = 1 << 6, kRdiBit = 1 << 7, kR8Bit = 1 << 8;

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += hex[i] == ' ' ? 1 : 2) {
    if (hex[i] != ' ') bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

bool decodes(const std::string& hex) {
  const std::vector<uint8_t> bytes = bytes_of(hex);
  Instr instr;
  const bool valid = decode(bytes.data(), bytes.size(), kPc, instr);
  CHECK(valid == (instr.length != 0));
  return valid;
}

// Of bytes that are one whole instruction.
Instr decoded(const std::string& hex) {
  const std::vector<uint8_t> bytes = bytes_of(hex);
  Instr instr;
  CAPTURE(hex);
  REQUIRE(decode(bytes.data(), bytes.size(), kPc, instr));
  CHECK(instr.length == bytes.size());
  return instr;
}

Effects effects_of(const std::string& hex) {
  const Instr instr = decoded(hex);
  Effects out;
  effects(instr, out);
  return out;
}

TEST_CASE("decoder: rex counts only directly before the opcode") {
  CHECK(decoded("48 89 c8").rex == 0x48);
  const Instr ignored = decoded("48 66 89 c8");
  CHECK(ignored.rex == 0);
  CHECK(ignored.operand16);
  CHECK(ignored.opcode_offset == 2);
  CHECK(decoded("66 48 89 c8").rex == 0x48);
  CHECK(decoded("41 48 89 c8").rex == 0x48);  // of two the last
  CHECK(decoded("41 48 89 c8").legacy_prefix_count == 1);
}

TEST_CASE("decoder: segment prefixes") {
  CHECK(decoded("64 8b 00").mem.segment == Segment::kFs);
  CHECK(decoded("65 8b 00").mem.segment == Segment::kGs);
  CHECK(decoded("2e 8b 00").mem.segment == Segment::kDefault);
  CHECK(decoded("64 2e 8b 00").mem.segment == Segment::kFs);  // cs has no effect, so it does not replace fs
  CHECK(decoded("64 65 8b 00").mem.segment == Segment::kGs);
  CHECK(decoded("64 8d 00").mem.segment == Segment::kDefault);  // lea computes, no segment
  CHECK(effects_of("64 a4").access[0].address.segment == Segment::kFs);
  CHECK(effects_of("64 a4").access[1].address.segment == Segment::kDefault);  // the destination is always es
}

TEST_CASE("decoder: address size 67") {
  const Instr load = decoded("67 8b 04 25 78 56 34 12");
  CHECK(load.mem.address32);
  CHECK(load.mem.displacement == 0x12345678);
  CHECK(decoded("67 e3 10").flow == Flow::kLoop);
  CHECK(decoded("67 a1 78 56 34 12").disp_size == 4);
  const Instr no_base = decoded("67 43 8d 04 05 10 00 00 00");  // base 5 with mod 0 is none, whatever rex.b
  CHECK(no_base.mem.base == kNoReg);
  CHECK(no_base.mem.index == 8);
}

TEST_CASE("decoder: addressing forms") {
  const Instr relative = decoded("48 8d 05 f9 ff ff ff");
  CHECK(relative.rip_relative());
  CHECK(relative.mem.displacement == -7);
  CHECK(relative.disp_offset == 3);
  CHECK(decoded("41 8b 45 00").mem.base == 13);
  CHECK(decoded("41 8b 04 24").mem.base == 12);
  CHECK(decoded("42 8b 04 20").mem.index == 12);
  CHECK(decoded("8b 04 20").mem.index == kNoReg);  // index 4 without rex.x is none
  CHECK(decoded("8b 04 88").mem.scale == 4);
  CHECK(decoded("8b 80 00 00 00 80").mem.displacement == -0x80000000LL);
  CHECK(decoded("0f 20 00").mem.present == false);  // mov r, cr: always a register
}

TEST_CASE("decoder: absolute addresses of 64 bits") {
  const Instr load = decoded("48 a1 88 77 66 55 44 33 22 f1");
  CHECK(load.mem.present);
  CHECK(load.mem.base == kNoReg);
  CHECK(load.mem.displacement == static_cast<int64_t>(0xf122334455667788));
  CHECK(load.disp_size == 8);
  CHECK(load.disp_offset == 2);
  const Effects store = effects_of("a2 88 77 66 55 44 33 22 11");
  CHECK(store.access[0].size == 1);
  CHECK(store.access[0].write);
  CHECK(store.gpr_read == kRaxBit);
}

TEST_CASE("decoder: immediates") {
  CHECK(decoded("48 b8 88 77 66 55 44 33 22 11").imm == 0x1122334455667788);
  CHECK(decoded("66 b8 34 12").imm_size == 2);
  CHECK(decoded("48 c7 c0 ff ff ff ff").imm == -1);
  CHECK(decoded("66 48 05 01 00 00 00").imm_size == 4);  // rex.w outranks 66
  CHECK(decoded("6a 80").imm == -128);
  const Instr enter = decoded("c8 10 00 02");
  CHECK(enter.imm_size == 3);
  CHECK(enter.imm == 0x20010);
  CHECK(decoded("66 0f 78 c1 04 08").imm_size == 2);  // extrq
  CHECK(decoded("f6 00 7f").imm_size == 1);           // test has an immediate, the rest of its group has none
  CHECK(decoded("f6 10").imm_size == 0);
}

TEST_CASE("decoder: direct branches") {
  CHECK(decoded("eb fe").flow == Flow::kJump);
  CHECK(decoded("eb fe").target == kPc);
  CHECK(decoded("e9 fb ff ff ff").target == kPc);
  CHECK(decoded("e8 00 00 00 00").flow == Flow::kCall);
  CHECK(decoded("e8 00 00 00 00").target == kPc + 5);
  CHECK(decoded("75 10").flow == Flow::kCondJump);
  CHECK(decoded("75 10").condition() == 5);
  CHECK(decoded("0f 8f 00 01 00 00").condition() == 15);
  CHECK(decoded("0f 8f 00 01 00 00").target == kPc + 0x106);
  CHECK(decoded("e2 fe").flow == Flow::kLoop);
  CHECK(decoded("2e 75 10").flow == Flow::kCondJump);       // branch hint
  CHECK(decoded("f2 e9 00 00 00 00").flow == Flow::kJump);  // bnd
}

TEST_CASE("decoder: other control flow") {
  CHECK(decoded("ff e0").flow == Flow::kJumpIndirect);
  CHECK(decoded("3e ff e0").flow == Flow::kJumpIndirect);  // notrack
  CHECK(decoded("ff 25 00 00 00 00").flow == Flow::kJumpIndirect);
  CHECK(decoded("41 ff d3").flow == Flow::kCallIndirect);
  CHECK(decoded("c3").flow == Flow::kReturn);
  CHECK(decoded("f3 c3").flow == Flow::kReturn);
  CHECK(decoded("c2 08 00").flow == Flow::kReturn);
  CHECK(decoded("0f 05").flow == Flow::kSyscall);
  for (const char* trap : {"cc", "cd 80", "f1", "0f 0b", "0f b9 c0", "0f ff c0", "f4"}) {
    CHECK(decoded(trap).flow == Flow::kTrap);
  }
  for (const char* native : {"ff 28", "ff 18", "cb", "ca 08 00", "cf", "48 cf", "0f 34", "0f 35", "0f 07", "8e d8",
                             "0f a1", "0f a9", "0f b4 00", "c7 f8 00 00 00 00"}) {
    CHECK(decoded(native).flow == Flow::kNativeOnly);
  }
  for (const char* plain : {"f3 0f 1e fa", "90", "f3 90", "0f a2", "0f 31", "0f 01 d0", "f3 48 0f ae c0",
                            "f3 48 0f ae d3", "0f ae 20", "0f a0", "8c d8", "c6 f8 01", "0f 01 d5"}) {
    CHECK(decoded(plain).flow == Flow::kNone);
  }
}

TEST_CASE("decoder: near branches with 66 run natively unless rex.w restores their size") {
  for (const char* native : {"66 eb 00", "66 75 00", "66 c3", "66 ff e0", "66 ff d0", "66 e2 00"}) {
    CHECK(decoded(native).flow == Flow::kNativeOnly);
  }
  CHECK(decoded("66 48 e8 00 00 00 00").flow == Flow::kCall);  // thread-local storage sequences
  CHECK(decoded("66 66 48 e8 00 00 00 00").target == kPc + 8);
}

TEST_CASE("decoder: mandatory prefixes") {
  CHECK(decoded("0f 58 c1").mandatory_prefix == 0);
  CHECK(decoded("66 0f 58 c1").mandatory_prefix == 0x66);
  CHECK(decoded("66 f3 0f 58 c1").mandatory_prefix == 0xf3);  // f2 and f3 outrank 66
  CHECK(decoded("f3 f2 0f 58 c1").mandatory_prefix == 0xf2);  // the last of the two counts
  CHECK(decoded("f3 a4").mandatory_prefix == 0);
  CHECK(decoded("f3 a4").rep);
  CHECK(decoded("66 f2 0f 38 f1 c1").mandatory_prefix == 0xf2);  // crc32 of 16 bits
  CHECK_FALSE(decodes("f3 0f 28 c1"));
  CHECK_FALSE(decodes("66 0f 77"));
}

TEST_CASE("decoder: lock") {
  CHECK(decoded("f0 48 0f b1 08").lock);
  CHECK(decoded("f0 0f c7 08").lock);
  CHECK_FALSE(decodes("f0 48 0f b1 c8"));  // a register
  CHECK_FALSE(decodes("f0 8b 00"));
  CHECK_FALSE(decodes("f0 0f a3 08"));
  CHECK_FALSE(decodes("f0 90"));
}

TEST_CASE("decoder: not instructions") {
  for (const char* hex : {"06",
                          "0e",
                          "27",
                          "60",
                          "62 00 00 00 00 00",
                          "82 c0 00",
                          "9a 00 00 00 00 00 00",
                          "d4 0a",
                          "d6",
                          "ea 00 00 00 00 00 00",
                          "0f 04",
                          "0f 0a",
                          "0f 24 c0",
                          "0f 36",
                          "0f 39 c0",
                          "0f a6 c0",
                          "8c f0",
                          "8e c8",
                          "8d c0",
                          "8f c8",
                          "c6 c8 00",
                          "fe d0",
                          "ff f8",
                          "ff d8",
                          "0f 01 c6",
                          "0f ba c0 01",
                          "0f c7 c8",
                          "d9 d1",
                          "0f 71 c0 01",
                          "0f 38 ff c0",
                          "0f 0f c0 00"}) {
    CAPTURE(hex);
    CHECK_FALSE(decodes(hex));
  }
}

TEST_CASE("decoder: vex") {
  const Instr two = decoded("c5 f4 58 c2");
  CHECK(two.space == Space::kVex);
  CHECK(two.vvvv == 1);
  CHECK(two.vector_length == 1);
  CHECK(two.opcode_offset == 2);
  const Instr three = decoded("c4 c1 7c 10 07");
  CHECK(three.mem.base == 15);
  CHECK(three.rex == 0x41);
  CHECK(decoded("c5 f8 77").has_modrm == false);
  CHECK(decoded("65 c5 f8 28 00").mem.segment == Segment::kGs);
  CHECK(decoded("48 3e c5 f8 77").rex == 0x40);  // the ignored rex does not harm
  for (const char* hex : {"48 c5 f8 77", "66 c5 f8 77", "f3 c5 f8 77", "f0 c5 f8 28 00", "c4 e0 78 28 c0",
                          "c5 f0 28 c0", "c5 f4 12 c1", "c4 e1 3c 41 c0", "c4 61 7c 41 c0"}) {
    CAPTURE(hex);
    CHECK_FALSE(decodes(hex));
  }
}

TEST_CASE("decoder: evex displacement of 8 bits is scaled") {
  const auto displacement = [](const char* hex) { return decoded(hex).mem.displacement; };
  CHECK(displacement("62 f1 7c 48 10 40 01") == 64);          // vmovups zmm
  CHECK(displacement("62 f1 7c 08 10 40 ff") == -16);         // xmm
  CHECK(displacement("62 f1 74 58 58 40 01") == 4);           // broadcast of float
  CHECK(displacement("62 f1 f5 58 58 40 01") == 8);           // of double
  CHECK(displacement("62 f1 7e 08 10 40 01") == 4);           // vmovss
  CHECK(displacement("62 f1 ff 08 10 40 01") == 8);           // vmovsd
  CHECK(displacement("62 f2 7d 48 8a 40 01") == 4);           // vcompressps: element
  CHECK(displacement("62 f2 7d 48 63 40 01") == 1);           // vpcompressb
  CHECK(displacement("62 f2 7d 48 21 40 01") == 16);          // vpmovsxbd: a quarter
  CHECK(displacement("62 f2 7e 48 32 40 01") == 8);           // vpmovqb: an eighth
  CHECK(displacement("62 f3 7d 48 19 40 01 00") == 16);       // vextractf32x4
  CHECK(displacement("62 f1 ff 08 12 40 01") == 8);           // vmovddup xmm
  CHECK(displacement("62 f1 ff 28 12 40 01") == 32);          // ymm
  CHECK(displacement("62 f3 7d 08 14 40 01 00") == 1);        // vpextrb
  CHECK(displacement("62 f1 7c 48 10 80 01 00 00 00") == 1);  // of 32 bits: not scaled
}

TEST_CASE("decoder: evex registers, masks and rounding") {
  const Instr high = decoded("62 01 04 40 58 ff");  // vaddps zmm31, zmm31, zmm31
  CHECK(high.evex_r2);
  CHECK(high.vvvv == 31);
  const Effects add = effects_of("62 01 04 40 58 ff");
  CHECK(add.vector_written == 1U << 31);
  CHECK(add.vector_read == 1U << 31);
  CHECK(effects_of("62 f1 74 49 58 c2").vector_read == 0b111);  // merging keeps the destination
  CHECK(effects_of("62 f1 74 c9 58 c2").vector_read == 0b110);  // zeroing does not
  CHECK(effects_of("62 f1 74 49 58 c2").mask_read == 0b10);
  CHECK(effects_of("62 f2 75 49 65 c2").vector_read == 0b110);  // vblendmps chooses between two sources
  CHECK(decoded("62 f1 74 18 58 c2").vector_length == 2);       // rounding: L'L is the mode, the length 512
  for (const char* hex : {"62 f1 74 c8 58 c2",                  // z without a mask
                          "62 f1 7c c9 11 00",                  // z with memory as destination
                          "62 f1 74 68 58 c2",                  // L'L 3 without rounding
                          "62 f1 7c 58 10 00",                  // no broadcast of a move
                          "62 f1 7c 58 28 c1",                  // no rounding of a move
                          "62 f1 70 48 58 c2",                  // the fixed bit
                          "62 f2 7d 48 90 04 08",               // gather without a mask
                          "62 71 7d 48 74 c0",                  // mask register 8
                          "62 e1 7f 08 2d c0"}) {               // general register above 15
    CAPTURE(hex);
    CHECK_FALSE(decodes(hex));
  }
}

TEST_CASE("decoder: vector indexes") {
  const Instr gather = decoded("62 f2 7d 41 90 44 a8 01");
  CHECK(gather.mem.vsib);
  CHECK(gather.mem.index == 21);
  CHECK(gather.mem.scale == 4);
  CHECK(gather.mem.displacement == 4);
  const Effects out = effects_of("62 f2 7d 41 90 44 a8 01");
  CHECK(out.mask_read == 2);
  CHECK(out.mask_written == 2);
  CHECK(out.access[0].size == 4);
  CHECK(decoded("c4 e2 71 90 04 20").mem.index == 4);  // 4 is a register here
  CHECK_FALSE(decodes("c4 e2 71 90 00"));              // needs a SIB byte
  CHECK_FALSE(decodes("c4 e2 79 90 04 08"));           // destination and mask the same
  CHECK(effects_of("62 f2 7d 49 a0 04 08").access[0].write);
}

TEST_CASE("decoder: xop and 3DNow") {
  CHECK(decoded("8f e8 78 c0 c1 03").space == Space::kXop);
  CHECK(decoded("8f ea 78 10 c1 04 08 00 00").imm_size == 4);
  CHECK(decoded("8f 00").space == Space::kLegacy);  // pop
  const Instr now = decoded("0f 0f c1 9e");
  CHECK(now.map == OpMap::k3dNow);
  CHECK(now.opcode == 0x9e);
  CHECK(now.opcode_offset == 3);
  CHECK(decoded("0f 0d 08").flow == Flow::kNone);  // prefetchw
}

TEST_CASE("decoder: at most 15 bytes") {
  std::string fourteen, fifteen;
  for (int i = 0; i < 14; i++) fourteen += "66 ";
  for (int i = 0; i < 15; i++) fifteen += "66 ";
  CHECK(decoded(fourteen + "90").length == 15);
  CHECK_FALSE(decodes(fifteen + "90"));
  CHECK(decoded("66 66 66 66 66 66 2e 0f 1f 84 00 00 00 00 00").length == 15);
}

TEST_CASE("decoder: truncated input") {
  for (const char* hex : {"48 b8 88 77 66 55 44 33 22 11", "62 f3 7d 48 19 84 88 01 00 00 00 00", "c4 e2 71 90 04 20",
                          "c5 f4 58 c2", "66 0f 3a 0f c1 08", "e8 00 00 00 00", "c8 10 00 02", "0f 0f c1 9e",
                          "48 8b 84 88 01 02 03 04", "8f ea 78 10 c1 04 08 00 00"}) {
    const std::vector<uint8_t> bytes = bytes_of(hex);
    CAPTURE(hex);
    for (size_t size = 0; size < bytes.size(); size++) {
      Instr instr;
      CHECK_FALSE(decode(bytes.data(), size, kPc, instr));
      CHECK(instr.length == 0);
    }
    decoded(hex);
  }
}

TEST_CASE("effects: parts of registers") {
  CHECK(effects_of("b4 01").gpr_written == kRaxBit);  // mov ah, 1
  CHECK(effects_of("b4 01").gpr_read == kRaxBit);
  CHECK(effects_of("40 b4 01").gpr_written == kRspBit);  // mov spl, 1
  CHECK(effects_of("66 89 c8").gpr_read == (kRaxBit | kRcxBit));
  CHECK(effects_of("89 c8").gpr_read == kRcxBit);  // 32 bits clear the upper half
  CHECK(effects_of("0f 44 c8").gpr_read == (kRaxBit | kRcxBit));
  CHECK(effects_of("41 0f bc c0").gpr_read == (kRaxBit | kR8Bit));  // bsf of 0 keeps the destination
  CHECK(effects_of("f3 41 0f bc c0").gpr_read == kR8Bit);           // tzcnt does not
  CHECK(effects_of("f3 0f 10 c1").vector_read == 0b11);             // movss between registers merges
  CHECK(effects_of("f3 0f 10 00").vector_read == 0);                // from memory it clears
}

TEST_CASE("effects: nop and xchg are one opcode") {
  CHECK(effects_of("90").gpr_written == 0);
  CHECK(effects_of("f3 90").gpr_written == 0);
  CHECK(effects_of("48 90").gpr_written == 0);
  CHECK(effects_of("41 90").gpr_written == (kRaxBit | kR8Bit));
  CHECK(effects_of("f3 41 90").gpr_written == (kRaxBit | kR8Bit));
}

TEST_CASE("effects: flags") {
  CHECK(effects_of("01 c8").flags_written == kFlagsArithmetic);
  CHECK(effects_of("11 c8").flags_read == kFlagCf);
  CHECK(effects_of("ff c0").flags_written == (kFlagsArithmetic & ~kFlagCf));
  CHECK(effects_of("d3 e0").flags_read == kFlagsArithmetic);  // by cl: 0 leaves them
  CHECK(effects_of("c1 e0 03").flags_read == 0);
  CHECK(effects_of("c1 e0 20").flags_read == kFlagsArithmetic);  // 32 is 0
  CHECK(effects_of("48 c1 e0 20").flags_read == 0);
  CHECK(effects_of("d1 d0").flags_read == kFlagCf);
  CHECK(effects_of("7f 00").flags_read == (kFlagZf | kFlagSf | kFlagOf));
  CHECK(effects_of("0f 96 c0").flags_read == (kFlagCf | kFlagZf));
  CHECK(effects_of("ae").flags_read == kFlagDf);
  CHECK(effects_of("f2 ae").flags_read == (kFlagDf | kFlagsArithmetic));  // rcx may be 0
  CHECK(effects_of("66 0f 38 f6 c1").flags_written == kFlagCf);           // adcx
  CHECK(effects_of("f3 0f 38 f6 c1").flags_written == kFlagOf);           // adox
  CHECK(effects_of("9c").flags_read == kFlagsAll);
  CHECK(effects_of("0f 05").flags_read == kFlagsAll);  // r11
}

TEST_CASE("effects: flags alone are the same for every opcode and form") {
  unsigned compared = 0;
  const std::vector<std::vector<uint8_t>> prefixes = {{},           {0x66},       {0xf2},       {0xf3},
                                                      {0x48},       {0x0f},       {0x66, 0x0f}, {0xf3, 0x0f},
                                                      {0x48, 0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}, {0xf3, 0x48, 0x0f}};
  for (const std::vector<uint8_t>& prefix : prefixes) {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
      for (unsigned modrm = 0; modrm < 256; ++modrm) {
        for (const uint8_t immediate : {0, 3}) {
          std::vector<uint8_t> code = prefix;
          code.push_back(static_cast<uint8_t>(opcode));
          code.push_back(static_cast<uint8_t>(modrm));
          code.resize(15, immediate);
          Instr instr;
          if (!decode(code.data(), code.size(), 0, instr)) continue;
          Effects what;
          effects(instr, what);
          const FlagUse use = flag_use(instr);
          ++compared;
          if (use.read != what.flags_read || use.written != what.flags_written)
            FAIL("opcode " << opcode << " modrm " << modrm << " after " << prefix.size() << " bytes");
        }
      }
    }
  }
  CHECK(compared > 500'000);
}

TEST_CASE("effects: stack") {
  const Effects push = effects_of("ff 34 24");
  REQUIRE(push.access_count == 2);
  CHECK(push.access[0].read);
  CHECK(push.access[1].write);
  CHECK(push.access[1].address.displacement == -8);
  CHECK(effects_of("66 6a 00").access[0].size == 2);
  CHECK(effects_of("e8 00 00 00 00").access[0].address.displacement == -8);
  CHECK(effects_of("c3").access[0].address.displacement == 0);
  const Effects leave = effects_of("c9");
  CHECK(leave.access[0].address.base == 5);
  CHECK(leave.gpr_written == (kRspBit | kRbpBit));
  const Effects enter = effects_of("c8 10 00 02");
  REQUIRE(enter.access_count == 2);
  CHECK(enter.access[0].size == 24);
  CHECK(enter.access[1].size == 8);
}

TEST_CASE("effects: strings and other implicit memory") {
  const Effects move = effects_of("f3 48 a5");
  REQUIRE(move.access_count == 2);
  CHECK(move.access[0].address.base == 6);
  CHECK(move.access[1].address.base == 7);
  CHECK(move.access[1].size == 8);
  CHECK(move.gpr_written == (kRcxBit | kRsiBit | kRdiBit));
  CHECK(effects_of("a5").gpr_written == (kRsiBit | kRdiBit));
  const Effects xlat = effects_of("d7");
  CHECK(xlat.access[0].address.base == 3);
  CHECK(xlat.access[0].address.index == 0);
  CHECK(xlat.gpr_read == (kRaxBit | kRbxBit));
  CHECK(effects_of("66 0f f7 c1").access[0].size == 16);
  const Effects direct = effects_of("66 0f 38 f8 08");
  REQUIRE(direct.access_count == 2);
  CHECK(direct.access[1].write);
  CHECK(direct.access[1].address.base == 1);
  CHECK(effects_of("48 0f c7 08").access[0].size == 16);
  CHECK(effects_of("48 0f c7 08").gpr_read == (kRaxBit | kRcxBit | kRdxBit | kRbxBit));
}

TEST_CASE("effects: operands that are only named") {
  for (const char* hex : {"8d 04 08", "0f 1f 04 08", "0f 18 04 08", "0f ae 3c 08"}) {
    const Effects out = effects_of(hex);
    CAPTURE(hex);
    REQUIRE(out.access_count == 1);
    CHECK(out.access[0].address_only);
    CHECK_FALSE(out.access[0].read);
    CHECK(out.gpr_read == (kRaxBit | kRcxBit));
  }
  CHECK(effects_of("0f 1f c1").gpr_read == 0);
}

TEST_CASE("effects: floating point state") {
  CHECK(effects_of("d8 c1").x87);
  CHECK(effects_of("0f 6f 00").x87);
  CHECK_FALSE(effects_of("66 0f 6f 00").x87);
  CHECK(effects_of("0f 58 c1").reads_mxcsr);
  CHECK_FALSE(effects_of("0f 57 c1").reads_mxcsr);
  CHECK(effects_of("0f ae 10").reads_mxcsr);
  CHECK(effects_of("db 28").access[0].size == 10);
  CHECK(effects_of("d9 30").access[0].size == 28);
  CHECK(effects_of("66 d9 30").access[0].size == 14);
  CHECK(effects_of("0f ae 00").access[0].size == 512);
  CHECK(effects_of("0f ae 20").access[0].size == 0);
  CHECK(effects_of("c5 f8 77").vector_written == 0xffff);
  CHECK(effects_of("df e0").gpr_written == kRaxBit);
}

}  // namespace
}  // namespace vsup::agent
