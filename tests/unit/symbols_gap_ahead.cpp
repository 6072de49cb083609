// Two pieces of code of one unit with debug information; between them, when linked, lies that of symbols_gap_code.cpp.
// The first ends, as code of libunwind does, with a line that has no code. Linkers keep the order of files.

namespace symbols_test {

[[gnu::section(".text.unlikely.symbols_test")]] int ahead_of_gap(int) {
  asm volatile("ret\n.loc 1 1000 view symbols_test_line");
  __builtin_unreachable();
}

int behind_gap(int x) {
  return x + 2;
}

}  // namespace symbols_test
