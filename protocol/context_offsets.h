// Purpose: offsets into protocol::ThreadContext for assembly; agent/engine/context_offsets_check.cpp compares them with
// the structure.
#pragma once

#define VSUP_CTX_GPR 8
#define VSUP_CTX_RFLAGS 136
#define VSUP_CTX_APP_PC 144
#define VSUP_CTX_AGENT_SP 152
#define VSUP_CTX_NEXT_CACHE_PC 160
#define VSUP_CTX_EXIT_ID 168
#define VSUP_CTX_PENDING 176
#define VSUP_CTX_SPILL 184
#define VSUP_CTX_SPILL_FLAGS 312
#define VSUP_CTX_APP_GS_BASE 320
#define VSUP_CTX_SYSCALL_PC 328
#define VSUP_CTX_SERVICE 336
#define VSUP_CTX_REQUEST_ARGUMENT 344
#define VSUP_CTX_TOOL_STACK 408
#define VSUP_CTX_TOOL_STACK_END 416

// Service values that assembly sets.
#define VSUP_SERVICE_SAFE_POINT 1

// ThreadContext::exit_id beside link record numbers.
#define VSUP_EXIT_ENTER 0
#define VSUP_EXIT_INDIRECT -1
#define VSUP_EXIT_AFTER_FORK -2
#define VSUP_EXIT_BEFORE_SYSCALL -3  // at a safe point: app_pc is the system call's, which was about to be made
#define VSUP_EXIT_DELIVER -4         // from `deliver`
