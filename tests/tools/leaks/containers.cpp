// Trees, tables and queues of the standard library, kept by a global.
#include <deque>
#include <map>
#include <string>
#include <unordered_map>

struct All {
  std::map<int, std::string> tree;
  std::unordered_map<int, int> table;
  std::deque<long> queue;
};
All* kept;

int main() {
  kept = new All;
  for (int i = 0; i < 200; ++i) {
    kept->tree[i] = std::string(static_cast<size_t>(i % 40), 'x');
    kept->table[i] = i;
    kept->queue.push_back(i);
  }
  auto* lost = new std::map<int, int>{{1, 2}, {3, 4}, {5, 6}};
  lost = nullptr;
  return lost != nullptr;
}
