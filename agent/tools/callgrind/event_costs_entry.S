# Purpose: from inserted code into the accounts of simulated events and back.
#include "agent/base/step_call.inc"

step_call vsup_function_entered, vsup_enter_costs
step_call vsup_function_leaves, vsup_leave_costs

.section .note.GNU-stack, "", @progbits
