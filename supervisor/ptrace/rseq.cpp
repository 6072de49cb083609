#include "supervisor/ptrace/rseq.h"

#include <sys/ptrace.h>

#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

constexpr uint64_t kSequenceField = 8;  // struct rseq: rseq_cs
constexpr int kGetRseqConfiguration = 0x420f;

struct RseqConfiguration {
  uint64_t address;
  uint32_t size, signature, flags, padding;
};

struct Sequence {
  uint32_t version, flags;
  uint64_t start, length, abort;
};

}  // namespace

std::optional<uint64_t> rseq_area(pid_t tid) {
  RseqConfiguration configuration{};
  const long size =
      ptrace(static_cast<__ptrace_request>(kGetRseqConfiguration), tid, sizeof configuration, &configuration);
  if (size <= 0 || configuration.address == 0) return {};
  return configuration.address;
}

std::optional<uint64_t> rseq_sequence(pid_t tid) {
  const auto area = rseq_area(tid);
  uint64_t sequence = 0;
  if (!area || !read_value(tid, *area + kSequenceField, sequence)) return {};
  return sequence;
}

void abort_sequence(pid_t tid, Registers& registers) {
  const uint64_t at = rseq_sequence(tid).value_or(0);
  Sequence sequence{};
  if (at == 0 || !read_value(tid, at, sequence)) return;
  if (registers.rip - sequence.start < sequence.length) registers.rip = sequence.abort;
}

}  // namespace vsup::supervisor
