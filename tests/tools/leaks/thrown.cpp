// What an exception passes by is lost; the exception's own memory is not.
#include <cstring>
#include <stdexcept>

static void work(int number) {
  char* block = new char[45];
  std::memset(block, 1, 45);
  if (number >= 0) throw std::runtime_error("a message that is longer than the string object itself");
  delete[] block;
}

int main() {
  for (int i = 0; i < 4; ++i) {
    try {
      work(i);
    } catch (const std::exception&) {
    }
  }
  return 0;
}
