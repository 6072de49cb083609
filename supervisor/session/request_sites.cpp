#include "supervisor/session/request_sites.h"

#include <emmintrin.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "protocol/client_requests.h"
#include "supervisor/base/unique_fd.h"

namespace vsup::supervisor {

using protocol::client_request::kSequence;
using protocol::client_request::kXchgSize;

namespace {

// Of the sequence's pairs of bytes the one that code has least: 160 times in Sage's 176 MB.
constexpr size_t kRarePair = 10;
constexpr size_t kPageSize = 4096;

// The first place from `at` on, and before `end`, where the rare pair may be: vectors of 64 bytes that do not have it
// are passed over. Reads up to 65 bytes from each place, so `end` is that much before the end of the bytes.
const uint8_t* pass_vectors(const uint8_t* at, const uint8_t* end) {
  const __m128i first = _mm_set1_epi8(static_cast<char>(kSequence[kRarePair]));
  const __m128i second = _mm_set1_epi8(static_cast<char>(kSequence[kRarePair + 1]));
  const auto pairs = [&](const uint8_t* from) {
    const __m128i one = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 1));
    return _mm_and_si128(_mm_cmpeq_epi8(one, first), _mm_cmpeq_epi8(next, second));
  };
  for (; at < end; at += 64) {
    const __m128i any =
        _mm_or_si128(_mm_or_si128(pairs(at), pairs(at + 16)), _mm_or_si128(pairs(at + 32), pairs(at + 48)));
    if (_mm_movemask_epi8(any) != 0) break;
  }
  return at;
}

}  // namespace

std::vector<uint64_t> find_request_sequences(std::span<const uint8_t> bytes) {
  std::vector<uint64_t> found;
  constexpr size_t kReads = 65, kStep = 64;
  const uint8_t* const begin = bytes.data();
  if (bytes.size() < sizeof kSequence) return found;
  const uint8_t* const last = begin + bytes.size() - sizeof kSequence;  // where one may begin
  const uint8_t* at = begin;
  while (at <= last) {
    const uint8_t* pair = at + kRarePair;
    const uint8_t* stop = last + 1;
    if (static_cast<size_t>(begin + bytes.size() - pair) >= kReads) {
      pair = pass_vectors(pair, begin + bytes.size() - kReads + 1);
      at = pair - kRarePair;
      stop = std::min(stop, at + kStep);
    }
    for (; at < stop; ++at)
      if (std::memcmp(at, kSequence, sizeof kSequence) == 0)
        found.push_back(static_cast<uint64_t>(at - begin) + sizeof kSequence - kXchgSize);
  }
  return found;
}

const std::vector<uint64_t>& RequestSiteCache::of_file(const std::string& path, uint64_t offset, uint64_t size) {
  Entry& entry = files_[{path, offset, size}];
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!fd || fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return entry.offsets;
  const Version version{facts.st_dev,
                        facts.st_ino,
                        facts.st_mtim.tv_sec,
                        facts.st_mtim.tv_nsec,
                        facts.st_ctim.tv_sec,
                        facts.st_ctim.tv_nsec,
                        static_cast<uint64_t>(facts.st_size)};
  if (version == entry.version) return entry.offsets;
  entry.version = version;
  entry.offsets.clear();
  const ssize_t head = pread(fd.get(), piece_.data(), kPageSize, 0);
  if (head <= 0) return entry.offsets;
  const SearchedCode::Key key = SearchedCode::key_of(facts, {piece_.data(), static_cast<size_t>(head)}, offset, size);
  if (searched_.has_no_requests(key)) return entry.offsets;
  if (search(fd.get(), offset, size, entry.offsets) && entry.offsets.empty()) searched_.note_no_requests(key, facts);
  return entry.offsets;
}

// False when not all that there is could be read.
bool RequestSiteCache::search(int fd, uint64_t offset, uint64_t size, std::vector<uint64_t>& offsets) {
  constexpr size_t kOverlap = sizeof kSequence - 1;
  for (uint64_t at = 0; at + kOverlap < size;) {
    const uint64_t wanted = std::min<uint64_t>(piece_.size(), size - at);
    const ssize_t got = pread(fd, piece_.data(), wanted, static_cast<off_t>(offset + at));
    if (got < 0) return false;
    if (got <= static_cast<ssize_t>(kOverlap)) break;
    for (const uint64_t found : find_request_sequences({piece_.data(), static_cast<size_t>(got)}))
      offsets.push_back(offset + at + found);
    at += static_cast<uint64_t>(got) - kOverlap;
  }
  return true;
}

}  // namespace vsup::supervisor
