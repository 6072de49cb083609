// Purpose: the registers and memory that instructions use without naming them.
// Assumes: nothing. Promises: adds to `out`, removes nothing.
#pragma once

#include "agent/x86/form.h"
#include "agent/x86/instr.h"

namespace vsup::agent {

void add_implicit_effects(const forms::Form& form, const Instr& instr, Effects& out);

}  // namespace vsup::agent
