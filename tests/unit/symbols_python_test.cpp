#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "supervisor/symbols/python_code.h"
#include "supervisor/symbols/python_layout.h"

using namespace vsup::supervisor;
using namespace vsup::protocol;

namespace {

// As the agent writes it: what padded texts follow.
std::vector<uint8_t> records_of(const PythonCode& code, const std::string& name, const std::string& file,
                                const std::vector<uint8_t>& table) {
  std::vector<uint8_t> bytes(kPythonCodeAlignment);
  auto append = [&bytes](const void* from, size_t size) {
    auto* start = static_cast<const uint8_t*>(from);
    bytes.insert(bytes.end(), start, start + size);
    bytes.resize((bytes.size() + 7) / 8 * 8);
  };
  append(&code, sizeof code);
  append(name.data(), name.size());
  append(file.data(), file.size());
  append(table.data(), table.size());
  return bytes;
}

}  // namespace

TEST_CASE("python: lines of each kind of table") {
  // 6 bytes on line 10, 50 on line 12, 4 on line 9.
  const std::vector<uint8_t> lnotab = {6, 2, 50, 0xfd};
  CHECK(python_line(kPythonLnotab, lnotab, 10, 0) == 10);
  CHECK(python_line(kPythonLnotab, lnotab, 10, 6) == 12);
  CHECK(python_line(kPythonLnotab, lnotab, 10, 56) == 9);
  // 4 bytes on line 11, 2 without a line, 6 on line 10.
  const std::vector<uint8_t> linetable = {4, 1, 2, 0x80, 6, 0xff};
  CHECK(python_line(kPythonLinetable, linetable, 10, 2) == 11);
  CHECK(python_line(kPythonLinetable, linetable, 10, 4) == 10);
  CHECK(python_line(kPythonLinetable, linetable, 10, 8) == 10);
  // Short form on line 10; one line form, +2; no columns, -1; long form, +70; no location.
  const std::vector<uint8_t> locations = {
      0x80 | 0x10 << 0, 0x00, 0x80 | 12 << 3 | 1, 1, 2, 0x80 | 13 << 3, 3, 0x80 | 14 << 3, 0x4c, 2, 0, 1, 2,
      0x80 | 15 << 3};
  CHECK(python_line(kPythonLocations, locations, 10, 0) == 10);
  CHECK(python_line(kPythonLocations, locations, 10, 4) == 12);
  CHECK(python_line(kPythonLocations, locations, 10, 6) == 11);
  CHECK(python_line(kPythonLocations, locations, 10, 8) == 11 + 70);
  CHECK(python_line(kPythonLocations, locations, 10, 10) == 10);
  CHECK(python_line(kPythonLocations, {}, 7, 100) == 7);
}

TEST_CASE("python: names of all widths, and records that are damaged") {
  PythonCode code{};
  code.first_line = 3;
  code.name_length = 3;
  code.name_kind = 2;
  code.file_length = 4;
  code.file_kind = 1;
  code.table_size = 0;
  const std::string wide("a\0\x27\x59\x63\x30", 6);
  auto bytes = records_of(code, wide, "f\xe9\n.", {});
  const uint64_t value = uint64_t{1} << 32;
  PythonLocation location = PythonCodes(bytes, kPythonLocations).location(value);
  CHECK(location.function == "a\xe5\xa4\xa7\xe3\x81\xa3");
  CHECK(location.file == "f\xc3\xa9?.");
  CHECK(location.line == 3);

  CHECK(PythonCodes(bytes, kPythonLocations).location(0).function.empty());
  CHECK(PythonCodes(bytes, kPythonLocations).location(~uint64_t{0}).function.empty());
  CHECK(PythonCodes({}, kPythonLocations).location(value).function.empty());
  std::mt19937 random(3);
  for (int round = 0; round < 20000; round++) {
    auto damaged = bytes;
    for (unsigned i = 0; i < 1 + random() % 8; i++) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
    damaged.resize(damaged.size() - random() % 4);
    PythonCodes(damaged, static_cast<PythonLineTable>(round % 3)).location(value | random());
    python_line(static_cast<PythonLineTable>(round % 3), damaged, 1, static_cast<uint32_t>(random() % 300));
  }
}

TEST_CASE("python: an interpreter is known by its symbols, and what is none is none") {
  const ReadBytes zeros = [](uint64_t, void* to, size_t size) { return std::memset(to, 0, size) != nullptr; };
  auto own = ElfFile::open("/proc/self/exe");
  REQUIRE(own);
  CHECK_FALSE(find_python(*own, 0, zeros));
  auto debian = ElfFile::open("/usr/bin/python3.11");
  if (!debian) return;
  auto found = find_python(*debian, 0, zeros);
  REQUIRE(found);
  CHECK_FALSE(found->layout);
  CHECK(found->refusal == "its version is none of 3.8 to 3.13");
  const ReadBytes version = [](uint64_t, void* to, size_t size) {
    const uint32_t hex = 0x030b02f0;
    return std::memcpy(to, &hex, size) != nullptr;
  };
  found = find_python(*debian, 0x1000, version);
  REQUIRE(found);
  CHECK(found->minor == 11);
  REQUIRE(found->layout);
  CHECK(found->layout->loop_end[0] > found->layout->loop_start[0]);
  const ReadBytes later = [](uint64_t, void* to, size_t size) {
    const uint32_t hex = 0x030d00f0;
    std::memset(to, 0, size);
    return std::memcpy(to, &hex, std::min(size, sizeof hex)) != nullptr;
  };
  found = find_python(*debian, 0, later);
  REQUIRE(found);
  CHECK(found->refusal == "its _Py_DebugOffsets cannot be read");
}
