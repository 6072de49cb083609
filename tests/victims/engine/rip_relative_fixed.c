// Rip-relative operands in a program at fixed addresses, which are near enough to be named directly.
// BUILD: no-pie
// EXPECT: rip-relative ok
#include "rip_relative.c"
