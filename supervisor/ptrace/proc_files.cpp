#include "supervisor/ptrace/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "supervisor/base/unique_fd.h"

namespace vsup::supervisor {

namespace {

// include/uapi/linux/fs.h, Linux 6.11; newer than Debian 12's headers.
struct ProcmapQuery {
  uint64_t size, query_flags, query_addr;
  uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
  uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
  uint64_t vma_name_addr, build_id_addr;
};
constexpr unsigned long kProcmapQuery = _IOWR('f', 17, ProcmapQuery);
constexpr uint64_t kVmaReadable = 1, kVmaWritable = 2, kVmaExecutable = 4, kVmaShared = 8, kCoveringOrNext = 0x10,
                   kFileBacked = 0x20;
constexpr size_t kMaxMappingsOfFile = 64;

// Fails with errno.
std::optional<Mapping> query(int maps_fd, uint64_t address, uint64_t flags) {
  ProcmapQuery query{};
  char name[4096];
  query.size = sizeof query;
  query.query_flags = flags;
  query.query_addr = address;
  query.vma_name_size = sizeof name;
  query.vma_name_addr = reinterpret_cast<uint64_t>(name);
  if (ioctl(maps_fd, kProcmapQuery, &query) != 0) return {};
  Mapping mapping;
  mapping.start = query.vma_start;
  mapping.end = query.vma_end;
  mapping.offset = query.vma_offset;
  mapping.readable = (query.vma_flags & kVmaReadable) != 0;
  mapping.writable = (query.vma_flags & kVmaWritable) != 0;
  mapping.executable = (query.vma_flags & kVmaExecutable) != 0;
  mapping.shared = (query.vma_flags & kVmaShared) != 0;
  mapping.file = query.inode != 0;
  mapping.inode = query.inode;
  mapping.device_major = query.dev_major;
  mapping.device_minor = query.dev_minor;
  if (query.vma_name_size != 0) mapping.path = name;
  return mapping;
}

std::string read_fd(int fd) {
  std::string text;
  char buffer[16384];
  off_t at = 0;
  for (;;) {
    const ssize_t got = pread(fd, buffer, sizeof buffer, at);
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    at += got;
  }
}

bool take_hex(std::string_view& text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// The kernel (seq_path, d_path) writes a newline in a name as \012, and nothing else is escaped in maps.
std::string unescape(std::string_view text) {
  if (text.find('\\') == std::string_view::npos) return std::string(text);
  std::string result;
  for (size_t i = 0; i < text.size(); i++) {
    if (text.substr(i, 4) == "\\012") {
      result += '\n';
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<Mapping> parse_maps_line(std::string_view line) {
  Mapping mapping;
  uint64_t major = 0, minor = 0;
  if (!take_hex(line, mapping.start) || !take(line, '-') || !take_hex(line, mapping.end) || !take(line, ' ')) return {};
  if (line.size() < 5) return {};
  mapping.readable = line[0] == 'r';
  mapping.writable = line[1] == 'w';
  mapping.executable = line[2] == 'x';
  mapping.shared = line[3] == 's';
  line.remove_prefix(4);
  if (!take(line, ' ') || !take_hex(line, mapping.offset) || !take(line, ' ') || !take_hex(line, major) ||
      !take(line, ':') || !take_hex(line, minor) || !take(line, ' '))
    return {};
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), mapping.inode, 10);
  if (error != std::errc()) return {};
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  mapping.file = mapping.inode != 0;
  mapping.device_major = static_cast<unsigned>(major);
  mapping.device_minor = static_cast<unsigned>(minor);
  const size_t path = line.find_first_not_of(' ');
  if (path != std::string_view::npos) mapping.path = unescape(line.substr(path));
  return mapping;
}

std::vector<Mapping> parse_maps(std::string_view text) {
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (auto mapping = parse_maps_line(text.substr(0, end))) mappings.push_back(std::move(*mapping));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return mappings;
}

std::vector<Mapping> read_maps(pid_t pid) {
  return parse_maps(read_file("/proc/" + std::to_string(pid) + "/maps"));
}

std::optional<Mapping> query_mapping(int maps_fd, uint64_t address) {
  if (auto mapping = query(maps_fd, address, kCoveringOrNext)) return mapping;
  if (errno == ENOENT) return {};
  for (Mapping& mapping : parse_maps(read_fd(maps_fd)))
    if (mapping.end > address) return mapping;
  return {};
}

std::vector<Mapping> query_file_mappings(pid_t pid, uint64_t address) {
  const UniqueFd maps(open(("/proc/" + std::to_string(pid) + "/maps").c_str(), O_RDONLY | O_CLOEXEC));
  if (!maps) return {};
  std::vector<Mapping> mappings;
  while (mappings.size() < kMaxMappingsOfFile) {
    auto next = query(maps.get(), address, kCoveringOrNext | kFileBacked);
    if (!next || next->end <= address) break;
    const Mapping& first = mappings.empty() ? *next : mappings.front();
    const bool same = next->path == first.path && next->inode == first.inode &&
                      next->device_major == first.device_major && next->device_minor == first.device_minor;
    if (!same || (mappings.empty() && next->start > address)) break;
    address = next->end;
    mappings.push_back(std::move(*next));
  }
  return mappings;
}

ProcessStatus parse_status(std::string_view text) {
  ProcessStatus status;
  const auto number = [](std::string_view value) { return strtol(std::string(value).c_str(), nullptr, 10); };
  const auto mask = [](std::string_view value) { return strtoull(std::string(value).c_str(), nullptr, 16); };
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const size_t colon = line.find(":\t");
    if (colon != std::string_view::npos) {
      const std::string_view key = line.substr(0, colon), value = line.substr(colon + 2);
      // clang-format off
      if (key == "State" && !value.empty()) status.state = value[0];
      else if (key == "Tgid") status.tgid = static_cast<pid_t>(number(value));
      else if (key == "PPid") status.ppid = static_cast<pid_t>(number(value));
      else if (key == "TracerPid") status.tracer = static_cast<pid_t>(number(value));
      else if (key == "Uid") status.uid = static_cast<uid_t>(number(value));
      else if (key == "VmRSS" || key == "VmSwap") status.memory_bytes += static_cast<uint64_t>(number(value)) << 10;
      else if (key == "Seccomp") status.seccomp = static_cast<int>(number(value));
      else if (key == "Seccomp_filters") status.seccomp_filters = static_cast<int>(number(value));
      else if (key == "SigPnd") status.pending = mask(value);
      else if (key == "ShdPnd") status.shared_pending = mask(value);
      else if (key == "SigBlk") status.blocked = mask(value);
      else if (key == "SigIgn") status.ignored = mask(value);
      else if (key == "SigCgt") status.caught = mask(value);
      // clang-format on
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return status;
}

std::optional<ProcessStatus> read_status(int status_fd) {
  char buffer[4096];
  const ssize_t got = pread(status_fd, buffer, sizeof buffer, 0);
  if (got <= 0) return {};
  return parse_status({buffer, static_cast<size_t>(got)});
}

std::optional<ProcessStatus> read_status_of(pid_t pid) {
  const UniqueFd fd(open(("/proc/" + std::to_string(pid) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  return read_status(fd.get());
}

bool may_have_filled(pid_t pid, uint64_t bytes) {
  constexpr uint64_t kSlack = 1 << 20;  // not worth a look; and the kernel counts pages late
  if (bytes <= kSlack) return true;
  const auto status = read_status_of(pid);
  return status && status->memory_bytes + kSlack >= bytes;
}

bool is_sandboxed(pid_t tid) {
  static const ProcessStatus own = read_status_of(getpid()).value_or(ProcessStatus{});
  const auto status = read_status_of(tid);
  return status && (status->seccomp != own.seccomp || status->seccomp_filters > own.seccomp_filters);
}

int processor_of(pid_t tid) {
  constexpr int kFieldsBehindName = 36;  // proc_pid_stat(5): the name is field 2, the processor field 39
  const std::string text = read_file("/proc/" + std::to_string(tid) + "/stat");
  size_t at = text.rfind(')');
  for (int field = 0; field <= kFieldsBehindName && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  return at == std::string::npos ? -1 : atoi(text.c_str() + at);
}

std::string read_file(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? read_fd(fd.get()) : std::string();
}

std::string read_link(const std::string& path) {
  char target[4096];
  const ssize_t size = readlink(path.c_str(), target, sizeof target);
  return size <= 0 ? std::string() : std::string(target, static_cast<size_t>(size));
}

std::vector<std::string> read_command_line(pid_t pid) {
  const std::string text = read_file("/proc/" + std::to_string(pid) + "/cmdline");
  std::vector<std::string> arguments;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\0', at);
    arguments.push_back(text.substr(at, end == std::string::npos ? end : end - at));
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return arguments;
}

std::string thread_name(pid_t pid, pid_t tid) {
  std::string name = read_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/comm");
  if (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::vector<pid_t> list_threads(pid_t pid) {
  std::vector<pid_t> threads;
  DIR* directory = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  if (directory == nullptr) return threads;
  while (const dirent* entry = readdir(directory)) {
    const pid_t tid = static_cast<pid_t>(strtol(entry->d_name, nullptr, 10));
    if (tid > 0) threads.push_back(tid);
  }
  closedir(directory);
  return threads;
}

bool strip_deleted(std::string& path) {
  constexpr std::string_view kDeleted = " (deleted)";
  const bool deleted = path.size() > kDeleted.size() && path.ends_with(kDeleted);
  if (deleted) path.resize(path.size() - kDeleted.size());
  return deleted;
}

pid_t living_thread(pid_t pid) {
  const auto lives = [](pid_t tid) {
    const auto status = read_status_of(tid);
    return status && status->state != 'Z' && status->state != 'X';
  };
  if (lives(pid)) return pid;
  for (const pid_t tid : list_threads(pid))
    if (tid != pid && lives(tid)) return tid;
  return 0;
}

uint64_t read_auxv(pid_t pid, uint64_t type) {
  const std::string bytes = read_file("/proc/" + std::to_string(pid) + "/auxv");
  for (size_t at = 0; at + 16 <= bytes.size(); at += 16) {
    uint64_t pair[2];
    memcpy(pair, bytes.data() + at, sizeof pair);
    if (pair[0] == type) return pair[1];
  }
  return 0;
}

}  // namespace vsup::supervisor
