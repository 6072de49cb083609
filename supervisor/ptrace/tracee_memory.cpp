#include "supervisor/ptrace/tracee_memory.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "supervisor/base/unique_fd.h"

namespace vsup::supervisor {

namespace {

// The slow way, through FOLL_FORCE: reaches private pages whatever their protection.
bool access_by_file(pid_t tid, uint64_t address, void* buffer, size_t size, bool writing) {
  const std::string path = "/proc/" + std::to_string(tid) + "/mem";
  const UniqueFd fd(open(path.c_str(), (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  if (!fd) return false;
  char* at = static_cast<char*>(buffer);
  while (size != 0) {
    const ssize_t done = writing ? pwrite(fd.get(), at, size, static_cast<off_t>(address))
                                 : pread(fd.get(), at, size, static_cast<off_t>(address));
    if (done <= 0) return false;
    at += done;
    address += static_cast<uint64_t>(done);
    size -= static_cast<size_t>(done);
  }
  return true;
}

}  // namespace

bool read_memory(pid_t tid, uint64_t address, void* to, size_t size) {
  if (size == 0) return true;
  iovec local{to, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  if (process_vm_readv(tid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size)) return true;
  return access_by_file(tid, address, to, size, false);
}

bool write_memory(pid_t tid, uint64_t address, const void* from, size_t size) {
  if (size == 0) return true;
  iovec local{const_cast<void*>(from), size};
  iovec remote{reinterpret_cast<void*>(address), size};
  if (process_vm_writev(tid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size)) return true;
  return access_by_file(tid, address, const_cast<void*>(from), size, true);
}

bool write_pieces(pid_t tid, std::span<const RemotePiece> pieces) {
  iovec local[8] = {}, remote[8] = {};
  if (pieces.size() > std::size(local)) return false;
  size_t total = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    local[i] = {const_cast<void*>(pieces[i].from), pieces[i].size};
    remote[i] = {reinterpret_cast<void*>(pieces[i].address), pieces[i].size};
    total += pieces[i].size;
  }
  if (process_vm_writev(tid, local, pieces.size(), remote, pieces.size(), 0) == static_cast<ssize_t>(total))
    return true;
  return std::all_of(pieces.begin(), pieces.end(), [tid](const RemotePiece& piece) {
    return write_memory(tid, piece.address, piece.from, piece.size);
  });
}

std::optional<std::string> read_string(pid_t tid, uint64_t address, size_t limit) {
  std::string text;
  char buffer[256];
  while (text.size() < limit) {
    const size_t to_page_end = 4096 - (address & 4095);
    const size_t size = std::min({sizeof buffer, to_page_end, limit - text.size()});
    if (!read_memory(tid, address, buffer, size)) return std::nullopt;
    if (const void* end = memchr(buffer, 0, size)) {
      text.append(buffer, static_cast<size_t>(static_cast<const char*>(end) - buffer));
      return text;
    }
    text.append(buffer, size);
    address += size;
  }
  return text;
}

}  // namespace vsup::supervisor
