// Purpose: a profile over real code of this process, as if it had been counted, for tests and measurements.
// The code of a module is decoded from one end to the other into basic blocks; counts are pseudo-random but repeatable.
#pragma once

#include <unistd.h>

#include <cstring>
#include <random>
#include <string>

#include "agent/x86/decoder.h"
#include "supervisor/reports/callgrind/profile.h"

namespace callgrind_test {

using namespace vsup::supervisor;
using namespace vsup::supervisor::callgrind;

inline Profile empty_profile() {
  Profile profile;
  profile.process.pid = getpid();
  profile.process.command = "/usr/bin/some program --with='spaces'";
  profile.process.trigger = "Program termination";
  ModuleMap map = ModuleMap::of_process(getpid());
  auto read = [](uint64_t address, void* to, size_t size) {
    std::memcpy(to, reinterpret_cast<const void*>(address), size);
    return true;
  };
  for (size_t i = 0; i < map.modules().size(); i++) map.inspect(map.modules()[i].start, read);
  profile.modules = map.modules();
  return profile;
}

// Adds every block of [start, end) to shapes, and to the thread's counts one in `every`.
inline void add_code(Profile& profile, ThreadProfile& thread, uint64_t start, uint64_t end, size_t max_instructions,
                     unsigned seed = 1) {
  std::mt19937 random(seed);
  uint64_t pc = start;
  size_t decoded = 0;
  while (pc < end && decoded < max_instructions) {
    BlockShape shape{pc, static_cast<uint32_t>(profile.lengths.size()), 0};
    uint64_t last = pc;
    vsup::agent::Instr instr{};
    while (pc < end && shape.instruction_count < 100) {
      if (!vsup::agent::decode(reinterpret_cast<const uint8_t*>(pc), end - pc, pc, instr)) break;
      profile.lengths.push_back(instr.length);
      shape.instruction_count++;
      last = pc;
      pc += instr.length;
      if (instr.flow != vsup::agent::Flow::kNone) break;
    }
    if (shape.instruction_count == 0) {
      pc++;
      continue;
    }
    decoded += shape.instruction_count;
    uint64_t count = 1 + random() % 1000;
    thread.blocks.push_back({static_cast<uint32_t>(profile.shapes.size()), 0, count, BlockCount::kNotSimulated});
    profile.shapes.push_back(shape);
    if (instr.flow == vsup::agent::Flow::kCall && instr.target >= start && instr.target < end) {
      CallEdge call;
      call.site = last;
      call.callee = instr.target;
      call.count = count;
      call.first_cost = thread.inclusive.size();
      for (size_t i = 0; i < profile.events.size(); i++) thread.inclusive.push_back(count * (10 + random() % 100));
      thread.calls.push_back(call);
    }
    if (instr.flow == vsup::agent::Flow::kCondJump) {
      thread.jumps.push_back({last, instr.target, 0, true, count, count / 2});
    } else if (instr.flow == vsup::agent::Flow::kJump) {
      thread.jumps.push_back({last, instr.target, 0, false, count, count});
    }
  }
}

// The executable mapping that holds `address`.
inline std::pair<uint64_t, uint64_t> code_around(const Profile& profile, uint64_t address) {
  for (const Module& module : profile.modules) {
    for (const MapEntry& entry : module.mappings) {
      if (entry.executable && address >= entry.start && address < entry.end) return {entry.start, entry.end};
    }
  }
  return {0, 0};
}

inline uint64_t instructions_executed(const Profile& profile) {
  uint64_t sum = 0;
  for (const ThreadProfile& thread : profile.threads) {
    for (const BlockCount& block : thread.blocks) sum += block.count * profile.shapes[block.shape].instruction_count;
    for (const ExtraCost& extra : thread.extra) {
      if (extra.event == 0) sum += static_cast<uint64_t>(extra.value);
    }
  }
  return sum;
}

}  // namespace callgrind_test
