// Purpose: counts errors as Valgrind does: each kind of error at each place is one context, whatever it is seen again.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vsup::supervisor {

class ErrorDedup {
 public:
  // `place` names the error's stack, `kind` is the tool's own numbering. `seen` errors, shown or only counted.
  void add(unsigned kind, uint64_t place, uint64_t seen = 1);
  void add_suppressed(unsigned kind, uint64_t place, uint64_t seen = 1);

  uint64_t errors() const { return errors_; }
  uint64_t contexts() const { return contexts_.size(); }

  // "ERROR SUMMARY: 3 errors from 2 contexts (suppressed: 1 from 1)"
  std::string summary() const;

 private:
  using Context = std::pair<unsigned, uint64_t>;
  std::set<Context> contexts_, suppressed_contexts_;
  uint64_t errors_ = 0, suppressed_ = 0;
};

}  // namespace vsup::supervisor
