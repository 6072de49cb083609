#include "supervisor/session/request_sites.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "protocol/client_requests.h"

using namespace vsup::supervisor;
using vsup::protocol::client_request::kSequence;

namespace {

void put(std::vector<uint8_t>& bytes, size_t at) {
  std::copy(std::begin(kSequence), std::end(kSequence), bytes.begin() + static_cast<ptrdiff_t>(at));
}

void write(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

}  // namespace

TEST_CASE("request sequences are found wherever they lie") {
  std::vector<uint8_t> bytes(100, 0x48);
  CHECK(find_request_sequences(bytes).empty());
  CHECK(find_request_sequences({}).empty());
  put(bytes, 0);
  put(bytes, 81);
  CHECK(find_request_sequences(bytes) == std::vector<uint64_t>{16, 97});
}

TEST_CASE("sequences in a file are found across the pieces it is read in, and again when it has changed") {
  const std::string path = "/tmp/request_sites_test." + std::to_string(getpid());
  std::vector<uint8_t> bytes(3 << 20);
  const std::vector<size_t> places{0, 4096, (1 << 20) - 5, (2 << 20) - 18 - 3, bytes.size() - sizeof kSequence};
  for (const size_t place : places) put(bytes, place);
  write(path, bytes);
  RequestSiteCache cache;
  std::vector<uint64_t> expected;
  for (const size_t place : places) expected.push_back(place + 16);
  CHECK(cache.of_file(path, 0, bytes.size()) == expected);
  CHECK(cache.of_file(path, 4096, 4096) == std::vector<uint64_t>{4096 + 16});
  CHECK(cache.of_file(path, 0, 1 << 30) == expected);
  bytes.resize(100);
  std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  write(path, bytes);
  CHECK(cache.of_file(path, 0, bytes.size()).empty());
  unlink(path.c_str());
  CHECK(cache.of_file("/tmp", 0, 4096).empty());
  CHECK(cache.of_file("/nowhere", 0, 4096).empty());
}

TEST_CASE("sequences are found at every distance from the end and from each other") {
  for (size_t size = sizeof kSequence; size < 300; ++size) {
    for (size_t place = 0; place + sizeof kSequence <= size; place += 1 + size % 7) {
      std::vector<uint8_t> bytes(size, kSequence[10]);
      put(bytes, place);
      std::vector<uint64_t> expected{place + 16};
      const size_t next = place + sizeof kSequence;
      if (next + sizeof kSequence <= size) {
        put(bytes, next);
        expected.push_back(next + 16);
      }
      CHECK(find_request_sequences(bytes) == expected);
    }
  }
}

namespace {

void set_back(const std::string& path) {
  const timespec times[] = {{1000000000, 0}, {1000000000, 0}};
  utimensat(AT_FDCWD, path.c_str(), times, 0);
}

struct stat facts_of(const std::string& path) {
  struct stat facts {};
  stat(path.c_str(), &facts);
  return facts;
}

}  // namespace

TEST_CASE("what was looked through is known to the next session, unless it has changed") {
  const std::string folder = "/tmp/searched_code_test." + std::to_string(getpid());
  const std::string list = folder + "/vsup/searched-code";
  mkdir(folder.c_str(), 0700);
  const std::vector<uint8_t> page(4096, 1);
  struct stat old {};
  old.st_ino = 7;
  old.st_size = 100000;
  const SearchedCode::Key key = SearchedCode::key_of(old, page, 4096, 8192);
  {
    SearchedCode first(list);
    CHECK(!first.has_no_requests(key));
    first.note_no_requests(key, old);
    CHECK(first.has_no_requests(key));
  }
  CHECK(facts_of(list).st_size == sizeof key);
  CHECK(SearchedCode(list).has_no_requests(key));

  SUBCASE("everything that tells a version counts") {
    SearchedCode again(list);
    std::vector<struct stat> others(6, old);
    others[0].st_ino = 8;
    others[1].st_size += 1;
    others[2].st_dev = 1;
    others[3].st_mtim.tv_nsec = 1;
    others[4].st_ctim.tv_sec = 1;
    others[5].st_ctim.tv_nsec = 1;
    for (const struct stat& other : others)
      CHECK(!again.has_no_requests(SearchedCode::key_of(other, page, 4096, 8192)));
    CHECK(!again.has_no_requests(SearchedCode::key_of(old, page, 0, 8192)));
    CHECK(!again.has_no_requests(SearchedCode::key_of(old, page, 4096, 8193)));
    std::vector<uint8_t> rebuilt = page;
    rebuilt[600] = 2;
    CHECK(!again.has_no_requests(SearchedCode::key_of(old, rebuilt, 4096, 8192)));
  }
  SUBCASE("what has just changed is not remembered") {
    struct stat fresh = old;
    clock_gettime(CLOCK_REALTIME, &fresh.st_ctim);
    const SearchedCode::Key other = SearchedCode::key_of(fresh, page, 0, 1);
    SearchedCode(list).note_no_requests(other, fresh);
    CHECK(!SearchedCode(list).has_no_requests(other));
  }
  SUBCASE("a cut file and one that others may write tell nothing, and are replaced or left") {
    CHECK(truncate(list.c_str(), sizeof key - 1) == 0);
    CHECK(!SearchedCode(list).has_no_requests(key));
    SearchedCode(list).note_no_requests(key, old);
    CHECK(facts_of(list).st_size == sizeof key);
    CHECK(SearchedCode(list).has_no_requests(key));
    CHECK(chmod(list.c_str(), 0622) == 0);
    CHECK(!SearchedCode(list).has_no_requests(key));
    SearchedCode(list).note_no_requests(key, old);
    CHECK(facts_of(list).st_size == sizeof key);
    unlink(list.c_str());
    CHECK(symlink("/nowhere", list.c_str()) == 0);
    SearchedCode(list).note_no_requests(key, old);
    CHECK(!SearchedCode(list).has_no_requests(key));
  }
  SUBCASE("a file is read once, and sequences in it are found in every session") {
    const std::string path = folder + "/file";
    std::vector<uint8_t> bytes(1 << 16);
    write(path, bytes);
    set_back(path);
    // Setting its times back was a change of its status, which has just been, so it is not remembered.
    CHECK(RequestSiteCache(list).of_file(path, 0, bytes.size()).empty());
    CHECK(facts_of(list).st_size == sizeof key);
    put(bytes, 50000);
    write(path, bytes);
    set_back(path);
    for (int session = 0; session < 2; ++session)
      CHECK(RequestSiteCache(list).of_file(path, 0, bytes.size()) == std::vector<uint64_t>{50016});
  }
  std::filesystem::remove_all(folder);
}
