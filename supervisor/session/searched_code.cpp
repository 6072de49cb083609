// The file is an array of keys, which are hashes: whatever is no key of ours equals none.
#include "supervisor/session/searched_code.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "protocol/client_requests.h"
#include "supervisor/base/unique_fd.h"

namespace vsup::supervisor {

namespace {

constexpr size_t kMostKeys = 1 << 16;  // then it begins anew
constexpr int64_t kSettledSeconds = 2;

uint64_t mix(uint64_t one, uint64_t other) {
  const unsigned __int128 product = static_cast<unsigned __int128>(one) * other;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Two hashes with different odd constants (the fractional parts of square roots of primes).
class Hasher {
 public:
  void add(uint64_t word) {
    state_[0] = mix(state_[0] ^ word, 0x6a09e667f3bcc909) + word;
    state_[1] = mix(state_[1] ^ word, 0xbb67ae8584caa73b) - word;
  }
  void add(std::span<const uint8_t> bytes) {
    add(bytes.size());
    while (!bytes.empty()) {
      uint64_t word = 0;
      const size_t size = std::min(bytes.size(), sizeof word);
      std::memcpy(&word, bytes.data(), size);
      add(word);
      bytes = bytes.subspan(size);
    }
  }
  SearchedCode::Key value() const { return {mix(state_[0], 0x3c6ef372fe94f82b), mix(state_[1], 0xa54ff53a5f1d36f1)}; }

 private:
  uint64_t state_[2] = {0x510e527fade682d1, 0x9b05688c2b3e6c1f};
};

// Ours alone to write.
bool is_ours(int fd, struct stat& facts) {
  return fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_uid == geteuid() &&
         (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

SearchedCode::Key SearchedCode::key_of(const struct stat& facts, std::span<const uint8_t> first_page, uint64_t offset,
                                       uint64_t size) {
  Hasher hasher;
  hasher.add(protocol::client_request::kSequence);
  for (const uint64_t word : {facts.st_dev, facts.st_ino, static_cast<uint64_t>(facts.st_size)}) hasher.add(word);
  for (const timespec& time : {facts.st_mtim, facts.st_ctim}) {
    hasher.add(static_cast<uint64_t>(time.tv_sec));
    hasher.add(static_cast<uint64_t>(time.tv_nsec));
  }
  hasher.add(first_page);
  hasher.add(offset);
  hasher.add(size);
  return hasher.value();
}

void SearchedCode::load() {
  if (loaded_ || path_.empty()) return;
  loaded_ = true;
  const UniqueFd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts {};
  if (!fd || !is_ours(fd.get(), facts)) return;
  std::vector<Key> keys(std::min(static_cast<size_t>(facts.st_size) / sizeof(Key), kMostKeys));
  const ssize_t got = pread(fd.get(), keys.data(), keys.size() * sizeof(Key), 0);
  keys.resize(got > 0 ? static_cast<size_t>(got) / sizeof(Key) : 0);
  known_.insert(keys.begin(), keys.end());
}

bool SearchedCode::has_no_requests(const Key& key) {
  load();
  return known_.contains(key);
}

void SearchedCode::note_no_requests(const Key& key, const struct stat& facts) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const auto settled = [&now](const timespec& time) { return now.tv_sec - time.tv_sec > kSettledSeconds; };
  if (path_.empty() || !settled(facts.st_mtim) || !settled(facts.st_ctim)) return;
  if (known_.insert(key).second) new_.push_back(key);
}

// What several sessions append at once stays whole: one write each.
SearchedCode::~SearchedCode() {
  if (new_.empty()) return;
  for (size_t slash = path_.find('/', 1); slash != std::string::npos; slash = path_.find('/', slash + 1))
    mkdir(path_.substr(0, slash).c_str(), 0700);
  const UniqueFd fd(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat facts {};
  if (!fd || !is_ours(fd.get(), facts)) return;
  const auto size = static_cast<size_t>(facts.st_size);
  // A write that was cut would put all that follows out of step.
  const bool starts_anew = size % sizeof(Key) != 0 || size / sizeof(Key) + new_.size() > kMostKeys;
  if (starts_anew && ftruncate(fd.get(), 0) != 0) return;
  if (write(fd.get(), new_.data(), new_.size() * sizeof(Key)) < 0) return;
}

}  // namespace vsup::supervisor
