// Purpose: the frame that hook_entry.S has on the app's stack while a hooked function runs.
// Assumes: assembly uses the offsets; interpose.cpp compares them.
#pragma once

#define VSUP_HOOK_RDI 0
#define VSUP_HOOK_RSI 8
#define VSUP_HOOK_RDX 16
#define VSUP_HOOK_RCX 24
#define VSUP_HOOK_R8 32
#define VSUP_HOOK_R9 40
#define VSUP_HOOK_RBP 48
#define VSUP_HOOK_SITE 56
#define VSUP_HOOK_THREAD 64
#define VSUP_HOOK_RESULT 72
#define VSUP_HOOK_OUTER 80
#define VSUP_HOOK_FORMER 88
#define VSUP_HOOK_FRAME 120

// HeapThread
#define VSUP_HEAP_THREAD_HOLD 8
#define VSUP_HEAP_THREAD_STACK 24
#define VSUP_HEAP_STACK_SIZE 0x8000
