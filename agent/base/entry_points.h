// Purpose: the labels of entry.S as C++ sees them. Hidden, so that their addresses need no global offset table.
#pragma once

#include <stddef.h>

#pragma GCC visibility push(hidden)
extern "C" {
// Addresses only, none is called from C++.
void vsup_enter();
void vsup_exit();
void vsup_indirect_miss();

// Stops at the service trap with ThreadContext::service set; returns when the supervisor has answered.
void vsup_service_query();

// Copies memory that the app may have unmapped; false when it faults.
bool vsup_safe_copy(void* to, const void* from, size_t size);
}
#pragma GCC visibility pop
