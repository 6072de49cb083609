#include "supervisor/session/request_sites.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
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
