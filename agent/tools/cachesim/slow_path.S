# Purpose: from inserted code into the simulation and back.
#include "agent/base/step_call.inc"

step_call vsup_simulate, vsup_simulate_one

.section .note.GNU-stack, "", @progbits
