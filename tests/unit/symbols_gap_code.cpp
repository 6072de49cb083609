// Built without debug information.

namespace symbols_test {

[[gnu::section(".text.unlikely.symbols_test")]] int code_in_gap(int x) {
  return x * 3;
}

}  // namespace symbols_test
