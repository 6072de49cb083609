// Purpose: what the fuzzers have in common: their words, their corpus, and the input that failed.
// Usage of each: NAME_fuzz --seconds=N --corpus=DIR [--seed=N] [FILE]; with FILE only this input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace fuzz {

struct Settings {
  double seconds = 10;
  uint64_t seed = std::random_device()();
  std::string corpus, single;  // a directory, a file; empty: not given
};

// False when a word is unknown, and says so.
inline bool parse(int argc, char** argv, Settings& settings) {
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    if (word.starts_with("--seconds=")) {
      settings.seconds = std::stod(word.substr(10));
    } else if (word.starts_with("--corpus=")) {
      settings.corpus = word.substr(9);
    } else if (word.starts_with("--seed=")) {
      settings.seed = std::stoull(word.substr(7));
    } else if (word.starts_with("--")) {
      std::fprintf(stderr, "%s: unknown option %s\n", argv[0], argv[i]);
      return false;
    } else {
      settings.single = word;
    }
  }
  return true;
}

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// In the order of names; empty when there is no such directory.
inline std::vector<std::string> read_corpus(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(directory))
    for (const auto& entry : std::filesystem::directory_iterator(directory)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const auto& file : files) corpus.push_back(slurp(file));
  return corpus;
}

inline void keep(const char* name, const std::string& input) {
  std::ofstream file(name, std::ios::binary | std::ios::trunc);
  file.write(input.data(), static_cast<std::streamsize>(input.size()));
}

// Says how a single input went; the exit status.
inline int report(const Settings& settings, const char* failure) {
  std::printf("%s: %s\n", settings.single.c_str(), failure != nullptr ? failure : "passed");
  return failure != nullptr ? 1 : 0;
}

}  // namespace fuzz
