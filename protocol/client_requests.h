// Purpose: the instruction sequence and the codes of Valgrind's client requests that vsup knows.
// Source: valgrind.h, callgrind.h of Valgrind 3.19 (Debian 12); GET_TOOLNAME and cachegrind.h of Valgrind 3.27
// and 3.22. Promises: freestanding, includes nothing of ours.
#pragma once

#include <stdint.h>

namespace vsup::protocol::client_request {

// rol rdi, 3 ; rol rdi, 13 ; rol rdi, 61 ; rol rdi, 51 ; xchg rbx, rbx
inline constexpr uint8_t kSequence[] = {0x48, 0xc1, 0xc7, 0x03, 0x48, 0xc1, 0xc7, 0x0d, 0x48, 0xc1,
                                        0xc7, 0x3d, 0x48, 0xc1, 0xc7, 0x33, 0x48, 0x87, 0xdb};
inline constexpr uint64_t kXchgSize = 3;
inline constexpr unsigned kRequestWords = 6;  // code and five arguments

enum Code : uint64_t {
  kRunningOnValgrind = 0x1001,
  kDiscardTranslations = 0x1002,
  kGetToolName = 0x1004,
  kNonSimdCall0 = 0x1101,
  kNonSimdCall3 = 0x1104,
  kCountErrors = 0x1201,
  kGdbMonitorCommand = 0x1202,
  kPrintf = 0x1401,
  kPrintfBacktrace = 0x1402,
  kPrintfByReference = 0x1403,
  kPrintfBacktraceByReference = 0x1404,
  // callgrind: 'C' << 24 | 'T' << 16
  kDumpStats = 0x4354'0000,
  kZeroStats,
  kToggleCollect,
  kDumpStatsAt,
  kStartInstrumentation,
  kStopInstrumentation,
  // cachegrind: 'C' << 24 | 'G' << 16
  kCachegrindStart = 0x4347'0000,
  kCachegrindStop,
};

// Requests that any tool leaves to the supervisor.
inline constexpr bool is_for_supervisor(uint64_t code) {
  return (code >= kNonSimdCall0 && code <= kNonSimdCall3) || code == kGetToolName ||
         (code >= kPrintf && code <= kPrintfBacktraceByReference);
}

}  // namespace vsup::protocol::client_request
