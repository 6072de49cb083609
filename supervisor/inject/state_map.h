// Purpose: cache pc to app state: walks the state map that the translator left for a fragment (format in
// protocol/agent_boot.h).
// Promises: pure; any bytes are safe, malformed ones give no answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "protocol/agent_boot.h"
#include "supervisor/ptrace/registers.h"

namespace vsup::supervisor {

struct StatePoint {
  protocol::StateKind kind = protocol::StateKind::kExact;
  uint64_t app_offset = 0;  // from the fragment's app pc
  uint16_t spilled = 0;     // bit r: GPR r is in spill[r]; bit 4: the flags are in spill_flags
  bool leads_away = false;  // a step that goes on to a branch, of which the tool has told (kLeaving)
};

// `cache_offset` counts from the fragment's cache_start. None: not covered.
std::optional<StatePoint> walk_state_map(std::span<const uint8_t> map, uint64_t cache_offset);

// Puts spilled app values back into `registers`.
void restore_spilled(Registers& registers, const protocol::ThreadContext& context, uint16_t spilled);

}  // namespace vsup::supervisor
