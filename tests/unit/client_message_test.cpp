#include "supervisor/session/client_message.h"

#include <doctest/doctest.h>
#include <cstdarg>
#include <cstdint>

using namespace vsup::supervisor;

namespace {

// Also behind the arguments that there are, when a text asks for more: no matter for AddressSanitizer.
[[gnu::no_sanitize("address", "undefined")]] bool read_own(uint64_t address, void* to, size_t size) {
  if (address < 4096) return false;
  const auto* from = reinterpret_cast<const volatile uint8_t*>(address);
  for (size_t i = 0; i < size; ++i) static_cast<uint8_t*>(to)[i] = from[i];
  return true;
}

// As the macros of valgrind.h do it.
[[gnu::noinline]] std::string format(const char* text, ...) {
  va_list list;
  va_start(list, text);
  std::string result =
      format_client_message(read_own, reinterpret_cast<uint64_t>(text), reinterpret_cast<uint64_t>(&list));
  va_end(list);
  return result;
}

}  // namespace

TEST_CASE("a client message is formatted as printf would") {
  CHECK(format("plain\n") == "plain\n");
  CHECK(format("%d %i %u %x %X %o %%", -1, -2, 4294967295u, 255, 255, 8) == "-1 -2 4294967295 ff FF 10 %");
  CHECK(format("%ld %lld %zu %jd", -9L, -5LL, size_t{7}, intmax_t{-8}) == "-9 -5 7 -8");
  CHECK(format("%hhd %hd", 300, 70000) == "44 4464");
  CHECK(format("%s|%10s|%-10s|%.2s|%c", "a", "b", "c", "defg", 'x') == "a|         b|c         |de|x");
  CHECK(format("%-6d|%06d|%+d|%*d|%-*d|%.*s", 7, 7, 7, 4, 7, 4, 7, 2, "xyz") == "7     |000007|+7|   7|7   |xy");
  CHECK(format("%08lx %#x %p", 0xabcdefL, 255, reinterpret_cast<void*>(0x1234)) == "00abcdef 0xff 0x1234");
  CHECK(format("%5.2f %e %g %Lf", 3.14159, 1e10, 0.5, 2.5L) == " 3.14 1.000000e+10 0.5 2.500000");
}

TEST_CASE("arguments are taken from registers first, then from the stack") {
  CHECK(format("%d%d%d%d%d%d%d%d%d %.0f%.0f%.0f%.0f%.0f%.0f%.0f%.0f%.0f%.0f", 1, 2, 3, 4, 5, 6, 7, 8, 9, 1.0, 2.0, 3.0,
               4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.0) == "123456789 1234567890");
}

TEST_CASE("what a client sends cannot hurt") {
  int written = 7;
  CHECK(format("%n|%", &written) == "%n|%");
  CHECK(written == 7);
  CHECK(format("%s", static_cast<const char*>(nullptr)) == "(null)");
  CHECK(format("%s", reinterpret_cast<const char*>(8)) == "");
  CHECK(format("%999999999d", 1).size() == 1024);
  CHECK(format("%.999999999f", 1.0).size() <= kLongestClientMessage);
  CHECK(format("%hhhhhhhhd").size() < 100);
  CHECK(format_client_message(read_own, 8, 8).empty());
  CHECK(format_client_message(read_own, reinterpret_cast<uint64_t>("%d %s %f"), 8) == "0 (null) 0.000000");
  std::string wide;
  for (int i = 0; i < 200; ++i) wide += "%1000d";
  CHECK(format(wide.c_str(), 1).size() == kLongestClientMessage);
}
