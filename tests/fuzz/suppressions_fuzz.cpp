// Purpose: suppression files that nobody meant to write: mutated corpus files against the parser and the matcher.
// Usage: suppressions_fuzz --seconds=N --corpus=DIR [--seed=N] [FILE]; with FILE only this input.
// A failing input is in ./suppressions_fuzz.failed; the last line of output is the command to repeat it.
#include <unistd.h>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "supervisor/reports/suppressions.h"
#include "tests/harness/fuzz.h"

namespace {

using namespace vsup::supervisor;
using Random = std::mt19937_64;

constexpr char kFailedName[] = "suppressions_fuzz.failed";
constexpr size_t kLongestInput = size_t{64} << 10;

std::string current;

void keep_input(int signal) {
  fuzz::keep(kFailedName, current);
  std::printf("suppressions_fuzz %s\n", kFailedName);
  std::fflush(stdout);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::printf("%s\n", what);
  std::abort();
}

std::vector<SuppressionFrame> random_stack(Random& random) {
  const char* names[] = {"malloc", "main", "", "aab", "x", "__write_nocancel"};
  std::vector<SuppressionFrame> stack(random() % 30);
  for (SuppressionFrame& frame : stack) frame = {names[random() % 6], "/lib/libc.so.6", "io.c", 12};
  return stack;
}

void try_input(const std::string& text, Random& random) {
  current = text;
  SuppressionSet set;
  const unsigned max_callers = 1 + static_cast<unsigned>(random() % 24);
  try {
    set.add_text("input", text, max_callers);
  } catch (const SuppressionError& error) {
    const std::string what = error.what();
    require(set.entries().empty(), "a refused file has left entries");
    require(what.starts_with("input:"), "an error does not say where");
    // A line that is quoted may hold any byte, but an error stays one line.
    require(what.find('\n') == std::string::npos, "an error is not one line");
    return;
  }
  for (const Suppression& entry : set.entries()) {
    require(!entry.locations.empty() && entry.locations.size() <= max_callers, "an entry with too many locations");
    require(entry.line > 0 && !entry.name.empty(), "an entry without a name");
  }
  const auto stack = random_stack(random);
  for (unsigned i = 0; i < kLeakKindCount; ++i) {
    const auto kind = static_cast<LeakKind>(i);
    if (Suppression* found = set.match_leak(kind, stack)) {
      require(contains(found->leak_kinds, kind), "a match of a kind that was not asked for");
      ++found->used;
    }
  }
  set.used_lines();
}

std::string mutate(std::string text, const std::vector<std::string>& corpus, Random& random) {
  const char* words[] = {"{\n",
                         "}\n",
                         "...\n",
                         "fun:",
                         "obj:",
                         "src:",
                         "Memcheck:Leak\n",
                         "match-leak-kinds: ",
                         "#",
                         "\n",
                         "*",
                         "?",
                         "all",
                         ",",
                         ":",
                         "Param\n",
                         "\r",
                         "\t",
                         "???",
                         "definite"};
  for (unsigned n = 1 + random() % 6; n > 0; --n) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 6) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, random() % 20);
        break;
      case 2:
        text.insert(at, words[random() % std::size(words)]);
        break;
      case 3:
        text += corpus[random() % corpus.size()];
        break;
      case 4:
        text.insert(at, text.substr(at, random() % 40));
        break;
      default:
        text.resize(at);
    }
  }
  if (text.size() > kLongestInput) text.resize(kLongestInput);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  fuzz::Settings settings;
  if (!fuzz::parse(argc, argv, settings)) return 1;
  Random random(settings.seed);
  if (!settings.single.empty()) {
    try_input(fuzz::slurp(settings.single), random);
    return 0;
  }
  const std::vector<std::string> corpus = fuzz::read_corpus(settings.corpus);
  if (corpus.empty()) {
    std::printf("no corpus\n");
    return 1;
  }
  std::signal(SIGABRT, keep_input);
  std::signal(SIGSEGV, keep_input);
  std::printf("seed %llu\n", static_cast<unsigned long long>(settings.seed));
  for (const std::string& text : corpus) try_input(text, random);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(settings.seconds);
  uint64_t count = 0;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 100; ++i, ++count) try_input(mutate(corpus[random() % corpus.size()], corpus, random), random);
  }
  std::printf("%llu inputs\n", static_cast<unsigned long long>(count));
  return 0;
}
