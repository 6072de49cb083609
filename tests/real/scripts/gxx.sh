# g++ -O2 compiles and links a small C++ program.
cat > a.cpp <<'C'
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
int main() {
  std::map<std::string, std::vector<int>> m;
  for (int i = 0; i < 5000; ++i) m["k" + std::to_string(i % 101)].push_back(i);
  long sum = 0;
  for (auto& [k, v] : m) sum += std::count_if(v.begin(), v.end(), [](int x) { return x % 3 == 0; }) * long(k.size());
  std::cout << m.size() << ' ' << sum << ' ' << std::regex_match("abc123", std::regex("[a-z]+\\d+")) << '\n';
}
C
g++ -std=c++17 -O2 -c a.cpp -o a.o
g++ a.o -o a
./a
sha256sum a.o
