// Purpose: the agent blob as segments to copy, with its exports.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/agent_boot.h"

namespace vsup::supervisor {

struct AgentSegment {
  uint64_t start = 0;  // page-aligned
  uint64_t size = 0;   // page-aligned, zero-filled beyond the bytes
  int protection = 0;  // PROT_*
  uint64_t data_address = 0;
  std::span<const uint8_t> data;
};

struct FaultTarget {
  uint64_t instruction = 0, target = 0;
};

struct AgentImage {
  std::vector<AgentSegment> segments;
  protocol::Exports exports{};
  std::vector<FaultTarget> fault_targets;  // sorted
  std::string error;                       // not empty: unusable, and why

  // Where the agent goes on when the instruction at `pc` faults, 0: it should not have.
  uint64_t fault_target(uint64_t pc) const;
};

AgentImage parse_agent_image(std::span<const uint8_t> elf);

// The one that vsup carries.
const AgentImage& embedded_agent();

}  // namespace vsup::supervisor
