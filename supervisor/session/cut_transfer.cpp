#include "supervisor/session/cut_transfer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vector>

#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

constexpr uint64_t kMaxParts = 1024;  // UIO_MAXIOV
constexpr unsigned kMemoryMajor = 1, kTerminalMajor = 4, kConsoleMajor = 5, kFirstPtyMajor = 136, kLastPtyMajor = 143;

struct Piece {
  uint64_t address, size;
};

enum class Kind { kPipe, kStream, kTerminal, kMemoryDevice, kOther };

Kind kind_of(int fd) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return Kind::kOther;
  if (S_ISFIFO(facts.st_mode)) return Kind::kPipe;
  if (S_ISSOCK(facts.st_mode)) {
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM ? Kind::kStream : Kind::kOther;
  }
  if (!S_ISCHR(facts.st_mode)) return Kind::kOther;
  const unsigned device = major(facts.st_rdev);
  if (device == kMemoryMajor) return Kind::kMemoryDevice;
  const bool terminal =
      device == kTerminalMajor || device == kConsoleMajor || (device >= kFirstPtyMajor && device <= kLastPtyMajor);
  return terminal ? Kind::kTerminal : Kind::kOther;
}

// The kind of a blocking descriptor of the tracee.
Kind blocking_kind_of(pid_t pid, uint64_t descriptor) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return Kind::kOther;
  const UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), static_cast<int>(descriptor), 0)));
  if (!fd) return Kind::kOther;
  const int flags = fcntl(fd.get(), F_GETFL);
  return flags < 0 || (flags & O_NONBLOCK) != 0 ? Kind::kOther : kind_of(fd.get());
}

// Without its first `done` bytes: the first piece that is left.
std::optional<Piece> first_left(const std::vector<Piece>& pieces, uint64_t done) {
  for (const Piece& piece : pieces) {
    if (done < piece.size) return Piece{piece.address + done, piece.size - done};
    done -= piece.size;
  }
  return {};
}

std::vector<Piece> read_pieces(pid_t tid, uint64_t address, uint64_t count) {
  if (count > kMaxParts) return {};
  std::vector<Piece> pieces(count);
  static_assert(sizeof(Piece) == sizeof(iovec));
  if (count != 0 && !read_memory(tid, address, pieces.data(), count * sizeof(Piece))) return {};
  return pieces;
}

std::vector<Piece> read_message_pieces(pid_t tid, uint64_t address) {
  msghdr message{};
  if (!read_value(tid, address, message)) return {};
  return read_pieces(tid, reinterpret_cast<uint64_t>(message.msg_iov), message.msg_iovlen);
}

bool writes_whole(Kind kind) {
  return kind == Kind::kPipe || kind == Kind::kStream || kind == Kind::kTerminal;
}

}  // namespace

bool may_be_cut_short(const Registers& registers) {
  if (static_cast<int64_t>(registers.orig_rax) < 0 || static_cast<int64_t>(registers.rax) <= 0) return false;
  switch (registers.orig_rax) {
    case SYS_write:
    case SYS_read:
    case SYS_sendto:
    case SYS_recvfrom:
      return registers.rax < registers.rdx;
    case SYS_sendfile:
      return registers.rax < registers.r10;
    case SYS_getrandom:
      return registers.rax < registers.rsi;
    case SYS_writev:
    case SYS_readv:
    case SYS_sendmsg:
    case SYS_recvmsg:
      return true;
  }
  return false;
}

std::optional<SystemCall> rest_of_transfer(pid_t pid, pid_t tid, const Registers& at) {
  if (!may_be_cut_short(at)) return {};
  const uint64_t done = at.rax;
  SystemCall rest{at.orig_rax, {at.rdi, at.rsi, at.rdx, at.r10, at.r8, at.r9}};
  uint64_t* const arguments = rest.arguments;
  std::vector<Piece> pieces = {{at.rsi, at.rdx}};
  uint64_t flags = 0;
  bool waits_for_all = false;
  switch (at.orig_rax) {
    case SYS_getrandom:
      arguments[0] += done;
      arguments[1] -= done;
      return rest;
    case SYS_sendfile:
      if (blocking_kind_of(pid, at.rdi) != Kind::kStream) return {};
      arguments[3] -= done;
      return rest;
    case SYS_sendto:
    case SYS_recvfrom:
      flags = at.r10;
      break;
    case SYS_writev:
    case SYS_readv:
      pieces = read_pieces(tid, at.rsi, at.rdx);
      rest = {static_cast<uint64_t>(at.orig_rax == SYS_writev ? SYS_write : SYS_read), {at.rdi, 0, 0, 0, 0, 0}};
      break;
    case SYS_sendmsg:
    case SYS_recvmsg:
      pieces = read_message_pieces(tid, at.rsi);
      flags = at.rdx;
      // Ancillary data and addresses went with the first part.
      rest = {static_cast<uint64_t>(at.orig_rax == SYS_sendmsg ? SYS_sendto : SYS_recvfrom),
              {at.rdi, 0, 0, flags, 0, 0}};
      break;
  }
  const auto left = first_left(pieces, done);
  if (!left || (flags & (MSG_DONTWAIT | MSG_PEEK | MSG_OOB)) != 0) return {};
  arguments[1] = left->address;
  arguments[2] = left->size;
  const Kind kind = blocking_kind_of(pid, at.rdi);
  switch (rest.number) {
    case SYS_write:
      waits_for_all = writes_whole(kind);
      break;
    case SYS_sendto:
      waits_for_all = kind == Kind::kStream;
      break;
    case SYS_recvfrom:
      waits_for_all = kind == Kind::kStream && (flags & MSG_WAITALL) != 0;
      break;
    case SYS_read:
      waits_for_all = kind == Kind::kMemoryDevice;
      break;
  }
  // A filter that lets the one call pass may kill for the other.
  if (!waits_for_all || (rest.number != at.orig_rax && is_sandboxed(tid))) return {};
  return rest;
}

}  // namespace vsup::supervisor
