// Purpose: the .pyx file and line that a line of C code was made for, where the C code is Cython's and is still there.
// Assumes: one thread at a time. Promises: trusts neither the path nor what is in the file; a file is read once.
//
// Cython writes the Python source in comments before the code that it makes of it, `/* "pkg/mod.pyx":12` at the
// beginning of a line, and functions end with a brace in the first column (Cython/Compiler/Code.py of 0.29 and 3.0).
// With
// --line-directives the compiler puts the Python source into the debug information itself, and there is nothing to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vsup::supervisor {

struct CythonPlace {
  std::string file;  // as Cython wrote it, in the C file's folder if it is found there
  unsigned line = 0;
};

class CythonLines {
 public:
  // `file`: the C code, absolute; `line`: one of it, from 1 on.
  std::optional<CythonPlace> find(const std::string& file, unsigned line);

 private:
  // From a line of C on.
  struct Mark {
    unsigned from = 0;
    uint32_t file = 0;  // of files, 0: not of any Python code
    unsigned line = 0;
  };
  struct Source {
    std::vector<std::string> files{""};
    std::vector<Mark> marks;  // by line of C
  };
  static Source read(const std::string& file);
  static Source parse(std::string_view text, const std::string& folder);

  std::unordered_map<std::string, Source> sources_;
};

}  // namespace vsup::supervisor
