// Purpose: which snapshots are taken and kept: massif's rules. Source: the Massif chapter of the Valgrind 3.19 manual,
// and what Valgrind 3.19 was seen to write for the programs of tests/tools/massif.py.
#pragma once

#include "agent/tools/massif/records.h"

namespace vsup::agent::massif {

inline Header& header() {
  return *reinterpret_cast<Header*>(kToolBase);
}

// Live bytes of each stack, with flags.
inline uint64_t* live() {
  return reinterpret_cast<uint64_t*>(kLiveAt);
}

// Of a stack whose bytes have changed for the first time since the last detailed snapshot: it lacks kChanged.
void note_change(uint32_t stack);

void start_snapshots();

// After memory was taken or given back: a normal snapshot, if it is time for one.
void maybe_normal();

// Before memory is given back: a peak snapshot, if there never was as much by more than the inaccuracy allowed.
void maybe_peak();

// Bytes that may be taken before there is a peak.
uint64_t room_below_peak();

void lock_snapshots();
void unlock_snapshots();

}  // namespace vsup::agent::massif
