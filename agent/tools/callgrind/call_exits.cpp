#include "agent/tools/callgrind/call_exits.h"

#include "agent/base/entry_points.h"
#include "agent/engine/link.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::kRax;
using protocol::kRcx;
using protocol::kRdx;

void emit_argument(Emitter& out, Door door) {
  switch (door) {
    case Door::kKey:
      out.gs_absolute(0x89, kRax, VSUP_CTX_REQUEST_ARGUMENT);
      return;
    case Door::kDifference:
      out.invert(kRax);
      out.subtract_prepared(kRcx, kRax);
      [[fallthrough]];
    case Door::kCallee:
      out.gs_absolute(0x89, kRcx, VSUP_CTX_REQUEST_ARGUMENT);
      return;
    case Door::kReturn:
      out.give_flags();
      return;
    default:
      return;
  }
}

// Made when it is needed first, and again after the cache was emptied.
const uint8_t* code_of(Door door, const Borrowed& what) {
  struct Made {
    uint64_t epoch;
    const uint8_t* code;
  };
  static Made doors[static_cast<unsigned>(Door::kCount)][2][2];
  Made& made = doors[static_cast<unsigned>(door)][what.rdx ? 1 : 0][what.flags ? 1 : 0];
  if (made.epoch == code_cache.epoch()) return made.code;
  Emitter out(code_cache.cold(), nullptr);
  made = {code_cache.epoch(), out.here()};
  emit_argument(out, door);
  restore_borrowed(out, what);
  out.jump(reinterpret_cast<const uint8_t*>(&vsup_exit));
  code_cache.set_cold(out.here());
  return made.code;
}

}  // namespace

void borrow(Emitter& out, uint32_t offset, const Borrowed& what) {
  out.spill(kRax);
  out.spill(kRcx);
  if (what.rdx) out.spill(kRdx);
  out.cover(offset);
}

void restore_borrowed(Emitter& out, const Borrowed& what) {
  if (what.flags) out.restore_flags();
  if (what.rdx) out.unspill(kRdx);
  out.unspill(kRcx);
  out.unspill(kRax);
}

const uint8_t* emit_miss(uint8_t* place, uint64_t cookie, Door door, const uint8_t* retry, const Borrowed& what) {
  const uint8_t* exit = add_tool_exit(code_of(door, what), cookie, retry);
  Emitter::land(place, exit);
  return exit;
}

}  // namespace vsup::agent::callgrind
