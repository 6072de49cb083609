// Purpose: which parts of files have been looked through for client requests and had none, remembered from session to
// session: a program of hundreds of libraries would be read whole each time.
// Assumes: nothing of the file; it may be missing, cut, or anything.
// Promises: a version of a file is told by its inode, size, both times of change and its first page; one that was
// changed less than two seconds ago is not remembered, since it may change again within the clock's tick.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

namespace vsup::supervisor {

class SearchedCode {
 public:
  using Key = std::array<uint64_t, 2>;

  // Nothing is read or written when `path` is empty.
  explicit SearchedCode(std::string path) : path_(std::move(path)) {}
  SearchedCode(const SearchedCode&) = delete;
  SearchedCode& operator=(const SearchedCode&) = delete;
  ~SearchedCode();  // writes what is new

  // Of the part [offset, offset + size) of a file that begins with `first_page`.
  static Key key_of(const struct stat& facts, std::span<const uint8_t> first_page, uint64_t offset, uint64_t size);

  bool has_no_requests(const Key& key);
  void note_no_requests(const Key& key, const struct stat& facts);

 private:
  struct Hash {
    size_t operator()(const Key& key) const { return key[0]; }
  };
  void load();

  std::string path_;
  bool loaded_ = false;
  std::unordered_set<Key, Hash> known_;
  std::vector<Key> new_;
};

}  // namespace vsup::supervisor
