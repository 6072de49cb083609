// Purpose: checks a new fragment against its state map (setting `verify`): the sanity of what faults, signals and
// toggles rely on.
#pragma once

#include <stdint.h>

namespace vsup::agent {

// Fails a VS_CHECK where the state map of fragment `index` does not fit its code or its app instructions.
void verify_fragment(uint32_t index);

}  // namespace vsup::agent
