// Purpose: what vsup was started with (signal mask, ignored signals, open descriptors, limits), so that the program can
// be started with exactly that. Promises: captured before main(), so whatever vsup changes later is not passed on.
#pragma once

namespace vsup::supervisor {

// Called in the forked child right before exec: restores mask and dispositions, marks every descriptor of vsup's own
// close-on-exec. Async-signal-safe.
void restore_inherited_state_signal_safe();

// As many descriptors, bytes in files and seconds of processor time as the system lets us have; the child gets the old
// limits back.
void raise_limits();

}  // namespace vsup::supervisor
