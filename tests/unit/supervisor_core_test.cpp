// Purpose: the pure parts of the supervisor's core: wait statuses, /proc parsers, state maps, skip patterns,
// interrupted system calls, the agent image.
#include <doctest/doctest.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "supervisor/base/tick_clock.h"
#include "supervisor/inject/agent_image.h"
#include "supervisor/inject/state_map.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/registers.h"
#include "supervisor/ptrace/wait_status.h"
#include "supervisor/session/address_space.h"
#include "supervisor/session/skip_patterns.h"

namespace vsup::supervisor {
namespace {

using Kind = WaitStatus::Kind;

constexpr int stopped(int signal, int event = 0) {
  return (event << 16) | (signal << 8) | 0x7f;
}

TEST_CASE("wait statuses are told apart") {
  CHECK(WaitStatus(3 << 8).kind() == Kind::kExited);
  CHECK(WaitStatus(3 << 8).exit_code() == 3);
  CHECK(WaitStatus(SIGKILL).kind() == Kind::kKilled);
  CHECK(WaitStatus(SIGSEGV | 0x80).kind() == Kind::kKilled);
  CHECK(WaitStatus(SIGSEGV | 0x80).fatal_signal() == SIGSEGV);
  CHECK(WaitStatus(stopped(SIGUSR1)).kind() == Kind::kSignal);
  CHECK(WaitStatus(stopped(SIGUSR1)).signal() == SIGUSR1);
  CHECK(WaitStatus(stopped(SIGTRAP)).kind() == Kind::kSignal);
  CHECK(WaitStatus(stopped(SIGSTOP)).kind() == Kind::kSignal);
  CHECK(WaitStatus(stopped(SIGTRAP | 0x80)).kind() == Kind::kSyscallStop);
  CHECK(WaitStatus(stopped(SIGTSTP, PTRACE_EVENT_STOP)).kind() == Kind::kGroupStop);
  CHECK(WaitStatus(stopped(SIGTRAP, PTRACE_EVENT_STOP)).kind() == Kind::kInterrupted);
  CHECK(WaitStatus(stopped(SIGTRAP, PTRACE_EVENT_CLONE)).kind() == Kind::kEvent);
  CHECK(WaitStatus(stopped(SIGTRAP, PTRACE_EVENT_CLONE)).event() == PTRACE_EVENT_CLONE);
}

TEST_CASE("maps lines are parsed") {
  const auto text =
      "55981cca8000-55981ccaa000 r--p 00001000 08:01 1234                       /usr/bin/true name\n"
      "7ffd0000-7ffe0000 rw-s 00000000 00:00 0 \n"
      "not a line\n"
      "7fff3a5fe000-7fff3a600000 r-xp 00000000 00:00 0                          [vdso]";
  const auto mappings = parse_maps(text);
  REQUIRE(mappings.size() == 3);
  CHECK(mappings[0].start == 0x55981cca8000);
  CHECK(mappings[0].end == 0x55981ccaa000);
  CHECK(mappings[0].offset == 0x1000);
  CHECK(mappings[0].readable);
  CHECK(!mappings[0].writable);
  CHECK(mappings[0].file);
  CHECK(mappings[0].path == "/usr/bin/true name");
  CHECK(mappings[1].writable);
  CHECK(mappings[1].shared);
  CHECK(!mappings[1].file);
  CHECK(mappings[1].path.empty());
  CHECK(mappings[2].executable);
  CHECK(mappings[2].path == "[vdso]");
  CHECK(!parse_maps_line(""));
  CHECK(!parse_maps_line("123"));
  CHECK(!parse_maps_line("1-2 r"));
}

TEST_CASE("status files are parsed") {
  const auto status = parse_status(
      "Name:\tx: y\nState:\tT (stopped)\nTgid:\t12\nPPid:\t1\nTracerPid:\t7\nUid:\t1000\t1000\t1000\t1000\n"
      "SigPnd:\t0000000000000200\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000010000\nSigIgn:\t0000000000001000\n"
      "SigCgt:\t0000000180004002\nSeccomp:\t2\n");
  CHECK(status.state == 'T');
  CHECK(status.tgid == 12);
  CHECK(status.tracer == 7);
  CHECK(status.uid == 1000);
  CHECK(status.pending == 0x200);
  CHECK(status.blocked == 0x10000);
  CHECK(status.ignored == 0x1000);
  CHECK(status.caught == 0x180004002);
  CHECK(status.seccomp == 2);
}

TEST_CASE("one's own mappings are found by address") {
  static int variable = 0;
  const auto address = reinterpret_cast<uint64_t>(&variable);
  for (const Mapping& mapping : read_maps(getpid())) {
    if (mapping.end <= address || mapping.start > address) continue;
    CHECK(mapping.writable);
    return;
  }
  FAIL("no mapping");
}

TEST_CASE("a state map is walked") {
  // each entry: advance and kind, size, [mask]
  const std::vector<uint8_t> map = {
      0x00,     4,              // [0, 4): app +0, exact
      0x90 | 3, 5, 0x02, 0x00,  // [4, 9): app +3, rcx spilled, step
      0x80,     2, 0x10, 0x80,  // [9, 11): app +3, flags and r15 spilled, exact
      0x0f,     0, 0x02, 3,     // a long way: +15, then [11, 14): app +20
      0x21,     1,              // [14, 15): app +21, uncounted
  };
  auto point = walk_state_map(map, 0);
  REQUIRE(point);
  CHECK(point->kind == protocol::StateKind::kExact);
  CHECK(point->app_offset == 0);
  CHECK(walk_state_map(map, 3)->app_offset == 0);
  point = walk_state_map(map, 4);
  REQUIRE(point);
  CHECK(point->kind == protocol::StateKind::kStep);
  CHECK(point->app_offset == 3);
  CHECK(point->spilled == 2);
  point = walk_state_map(map, 10);
  REQUIRE(point);
  CHECK(point->kind == protocol::StateKind::kExact);
  CHECK(point->spilled == 0x8010);
  point = walk_state_map(map, 13);
  REQUIRE(point);
  CHECK(point->app_offset == 20);
  CHECK(point->spilled == 0);
  point = walk_state_map(map, 14);
  REQUIRE(point);
  CHECK(point->kind == protocol::StateKind::kUncounted);
  CHECK(point->app_offset == 21);
  CHECK(!walk_state_map(map, 15));
  CHECK(!walk_state_map({}, 0));
  CHECK(!walk_state_map(std::vector<uint8_t>{0x80, 1, 0}, 0));  // cut short
  CHECK(!walk_state_map(std::vector<uint8_t>{0x70, 1}, 0));     // no such kind
}

TEST_CASE("spilled registers and flags come back") {
  Registers registers{};
  registers.eflags = 0x202 | 0x800 | 0x1;
  registers.rcx = 1;
  registers.r15 = 2;
  protocol::ThreadContext context{};
  context.spill[protocol::kRcx] = 0x1111;
  context.spill[protocol::kR15] = 0x2222;
  context.spill_flags = 0x4600;  // AH: ZF, PF; AL: no overflow
  restore_spilled(registers, context, (1 << protocol::kRcx) | (1 << protocol::kR15) | (1 << protocol::kRsp));
  CHECK(registers.rcx == 0x1111);
  CHECK(registers.r15 == 0x2222);
  CHECK(registers.eflags == (0x202u | 0x44u));
  context.spill_flags = 0x0001;
  restore_spilled(registers, context, 1 << protocol::kRsp);
  CHECK(registers.eflags == (0x202u | 0x800u));
}

TEST_CASE("skip patterns match as Valgrind's") {
  CHECK(matches_pattern("*/gcc", "/usr/bin/gcc"));
  CHECK(!matches_pattern("*/gcc", "/usr/bin/gcc-12"));
  CHECK(matches_pattern("/usr/bin/gcc*", "/usr/bin/gcc-12"));
  CHECK(matches_pattern("?at", "cat"));
  CHECK(!matches_pattern("?at", "at"));
  CHECK(matches_pattern("*", ""));
  CHECK(matches_pattern("", ""));
  CHECK(!matches_pattern("", "x"));
  CHECK(matches_pattern("*a*b*", "xxaxxbxx"));
  CHECK(!matches_pattern("*a*b*c", "xxaxxbxx"));
  CHECK(find_skip_pattern({"*/ls"}, {}, {"/bin/cat", "/bin/ls"}, {}) == "*/ls");
  CHECK(find_skip_pattern({}, {"*cc1*"}, {"/bin/sh"}, {"cc1", "-x"}).empty());  // argv[0] is not looked at
  CHECK(find_skip_pattern({}, {"*cc1*"}, {"/bin/sh"}, {"sh", "cc1plus"}) == "*cc1*");
}

TEST_CASE("an interrupted system call is rewound as the kernel would") {
  Registers registers{};
  registers.orig_rax = SYS_read;
  registers.rax = static_cast<uint64_t>(-kErestartSys);
  registers.rip = 0x1002;
  CHECK(is_interrupted_syscall(registers));
  rewind_interrupted_syscall(registers, 0x1000);
  CHECK(registers.rip == 0x1000);
  CHECK(registers.rax == SYS_read);
  CHECK(static_cast<int64_t>(registers.orig_rax) == -1);
  CHECK(!is_interrupted_syscall(registers));
  registers.orig_rax = SYS_nanosleep;
  registers.rax = static_cast<uint64_t>(-kErestartRestartBlock);
  rewind_interrupted_syscall(registers, 0x1000);
  CHECK(registers.rax == SYS_restart_syscall);
  registers.orig_rax = SYS_epoll_wait;
  registers.rax = static_cast<uint64_t>(-EINTR);
  CHECK(is_eintr_of_unrestarted_syscall(registers));
  registers.orig_rax = SYS_openat;
  CHECK(!is_eintr_of_unrestarted_syscall(registers));
}

TEST_CASE("general registers go by encoding number") {
  Registers registers{};
  for (unsigned index = 0; index < 16; ++index) set_gpr(registers, index, 100 + index);
  CHECK(registers.rax == 100);
  CHECK(registers.rsp == 104);
  CHECK(registers.rdi == 107);
  CHECK(registers.r15 == 115);
  CHECK(get_gpr(registers, protocol::kRbx) == 103);
}

TEST_CASE("slots are given out lowest first") {
  SlotTable slots;
  CHECK(slots.allocate() == 0);
  CHECK(slots.allocate() == 1);
  CHECK(slots.allocate() == 2);
  slots.release(1);
  CHECK(slots.allocate() == 1);
  slots.take(7);
  CHECK(slots.allocate() == 3);
  slots.release_all();
  CHECK(slots.allocate() == 0);
  slots.release(-1);
  for (unsigned count = 1; count < protocol::kMaxSlots; ++count) slots.allocate();
  CHECK(slots.allocate() == -1);
}

TEST_CASE("the tick clock tells earlier from later, and nothing before itself or from the future") {
  const uint64_t before = __rdtsc();
  const TickClock clock;
  const uint64_t first = __rdtsc();
  usleep(2000);
  const uint64_t second = __rdtsc();
  usleep(2000);
  CHECK(clock.seconds_since(~uint64_t{0}) == 0);
  const double since_second = clock.seconds_since(second), since_first = clock.seconds_since(first);
  CHECK(since_second > 0);
  CHECK(since_first > since_second);
  CHECK(clock.seconds_since(before) >= since_first);
  CHECK(clock.seconds_since(0) >= since_first);
}

TEST_CASE("the agent that vsup carries is usable") {
  const AgentImage& image = embedded_agent();
  CHECK(image.error == "");
  CHECK(image.segments.size() >= 2);
  CHECK(image.exports.enter >= image.exports.text_start);
  CHECK(image.exports.enter < image.exports.text_end);
  CHECK(image.exports.syscall_return == image.exports.syscall_insn + 2);
}

TEST_CASE("a damaged agent image is refused") {
  CHECK(!parse_agent_image({}).error.empty());
  std::vector<uint8_t> bytes(200, 0);
  CHECK(!parse_agent_image(bytes).error.empty());
  memcpy(bytes.data(), "\177ELF\2", 5);
  CHECK(!parse_agent_image(bytes).error.empty());
}

}  // namespace
}  // namespace vsup::supervisor
