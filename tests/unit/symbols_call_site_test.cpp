#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "supervisor/symbols/call_site.h"

using namespace vsup::supervisor;

namespace {

CallSite before(std::vector<uint8_t> tail) {
  std::array<uint8_t, 7> bytes;
  bytes.fill(0x90);
  std::copy(tail.begin(), tail.end(), bytes.end() - static_cast<ptrdiff_t>(tail.size()));
  return call_before(bytes, 0x401000);
}

}  // namespace

TEST_CASE("call_site: every form of a near call") {
  CHECK(before({0xe8, 0xf0, 0xff, 0xff, 0xff}).kind == CallSite::Kind::kDirect);
  CHECK(before({0xe8, 0xf0, 0xff, 0xff, 0xff}).target == 0x400ff0);
  for (std::vector<uint8_t> call : {std::vector<uint8_t>{0xff, 0xd0},   // call rax
                                    {0x41, 0xff, 0xd4},                 // call r12
                                    {0xff, 0x10},                       // call [rax]
                                    {0xff, 0x50, 0x18},                 // call [rax + 0x18]
                                    {0xff, 0x14, 0xc3},                 // call [rbx + rax * 8]
                                    {0xff, 0x54, 0xc3, 0x08},           // call [rbx + rax * 8 + 8]
                                    {0xff, 0x15, 1, 2, 3, 4},           // call [rip + ...]
                                    {0xff, 0x90, 1, 2, 3, 4},           // call [rax + ...]
                                    {0xff, 0x14, 0xc5, 1, 2, 3, 4},     // call [rax * 8 + ...]
                                    {0xff, 0x94, 0xc3, 1, 2, 3, 4}}) {  // call [rbx + rax * 8 + ...]
    CHECK(before(call).kind == CallSite::Kind::kIndirect);
  }
  for (std::vector<uint8_t> other :
       {std::vector<uint8_t>{0xff, 0xe0}, {0xff, 0xc0}, {0xff, 0x30}, {0xc3}, {0xff, 0x58, 8}}) {
    CHECK(before(other).kind == CallSite::Kind::kNone);
  }
}
