#include "supervisor/session/request_sites.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "protocol/client_requests.h"
#include "supervisor/base/unique_fd.h"

namespace vsup::supervisor {

std::vector<uint64_t> find_request_sequences(std::span<const uint8_t> bytes) {
  using protocol::client_request::kSequence;
  std::vector<uint64_t> found;
  const uint8_t* at = bytes.data();
  const uint8_t* end = at + bytes.size();
  while (at != end) {  // of an empty span they are null, which memmem does not take
    const void* hit = memmem(at, static_cast<size_t>(end - at), kSequence, sizeof kSequence);
    if (hit == nullptr) break;
    at = static_cast<const uint8_t*>(hit) + sizeof kSequence;
    found.push_back(static_cast<uint64_t>(at - bytes.data()) - protocol::client_request::kXchgSize);
  }
  return found;
}

const std::vector<uint64_t>& RequestSiteCache::of_file(const std::string& path, uint64_t offset, uint64_t size) {
  constexpr size_t kOverlap = sizeof protocol::client_request::kSequence - 1;
  Entry& entry = files_[{path, offset, size}];
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!fd || fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return entry.offsets;
  const Version version{facts.st_dev, facts.st_ino, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                        static_cast<uint64_t>(facts.st_size)};
  if (version == entry.version) return entry.offsets;
  entry.version = version;
  entry.offsets.clear();
  for (uint64_t at = 0; at + kOverlap < size;) {
    const uint64_t wanted = std::min<uint64_t>(piece_.size(), size - at);
    const ssize_t got = pread(fd.get(), piece_.data(), wanted, static_cast<off_t>(offset + at));
    if (got <= static_cast<ssize_t>(kOverlap)) break;
    for (const uint64_t found : find_request_sequences({piece_.data(), static_cast<size_t>(got)}))
      entry.offsets.push_back(offset + at + found);
    at += static_cast<uint64_t>(got) - kOverlap;
  }
  return entry.offsets;
}

}  // namespace vsup::supervisor
