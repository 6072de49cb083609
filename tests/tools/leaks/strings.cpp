// Strings in containers, kept and lost.
#include <string>
#include <vector>

std::vector<std::string>* kept;

static void lose() {
  auto* lost = new std::vector<std::string>;
  for (int i = 0; i < 3; ++i) lost->push_back(std::string(static_cast<size_t>(50 + i), 'x'));
}

int main() {
  kept = new std::vector<std::string>;
  kept->reserve(4);
  kept->push_back("short");
  kept->push_back("a string that does not fit into the object itself");
  lose();
  return 0;
}
