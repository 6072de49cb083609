#include "supervisor/reports/error_dedup.h"

#include "supervisor/reports/numbers.h"

namespace vsup::supervisor {

void ErrorDedup::add(unsigned kind, uint64_t place, uint64_t seen) {
  contexts_.insert({kind, place});
  errors_ += seen;
}

void ErrorDedup::add_suppressed(unsigned kind, uint64_t place, uint64_t seen) {
  suppressed_contexts_.insert({kind, place});
  suppressed_ += seen;
}

std::string ErrorDedup::summary() const {
  return "ERROR SUMMARY: " + with_commas(errors_) + " errors from " + with_commas(contexts_.size()) +
         " contexts (suppressed: " + with_commas(suppressed_) + " from " + with_commas(suppressed_contexts_.size()) +
         ")";
}

}  // namespace vsup::supervisor
