// Purpose: general registers of a stopped thread, with access by instruction-encoding number, and the facts about
// interrupted system calls that live in them.
// Source: arch/x86/kernel/signal.c (handle_signal, arch_do_signal_or_restart).
#pragma once

#include <sys/user.h>

#include <cstdint>

namespace vsup::supervisor {

using Registers = user_regs_struct;

// `index` is a protocol::GprIndex.
uint64_t get_gpr(const Registers& registers, unsigned index);
void set_gpr(Registers& registers, unsigned index, uint64_t value);

// cs of 64-bit code: __USER_CS of arch/x86/include/asm/segment.h.
inline constexpr uint64_t kCodeSegment64 = 0x33;

// The kernel's own restart codes; never seen by a program.
inline constexpr int64_t kErestartSys = 512;
inline constexpr int64_t kErestartNoIntr = 513;
inline constexpr int64_t kErestartNoHand = 514;
inline constexpr int64_t kErestartRestartBlock = 516;

// The thread stands at the exit of an interrupted system call that the kernel is going to restart or turn to EINTR.
bool is_interrupted_syscall(const Registers& registers);

// The thread stands at the exit of a system call that answers EINTR to any interruption, even to one that no
// handler sees.
bool is_eintr_of_unrestarted_syscall(const Registers& registers);

// Rewinds to the system call instruction at `syscall_pc`, as the kernel would without a handler.
void rewind_interrupted_syscall(Registers& registers, uint64_t syscall_pc);

}  // namespace vsup::supervisor
