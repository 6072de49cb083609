#include "supervisor/reports/stack_table_watch.h"

#include "supervisor/symbols/stack_tables.h"

namespace vsup::supervisor {

namespace {

class StackTableWatch : public ModuleWatch {
 public:
  explicit StackTableWatch(std::shared_ptr<UnwindTableCache> cache) : cache_(std::move(cache)) {}

  std::unique_ptr<ModuleWatch> clone() const override { return std::make_unique<StackTableWatch>(*this); }

  ModuleChanges update(pid_t tid) override {
    tables_.update(tid, *cache_);
    return {};
  }

 private:
  std::shared_ptr<UnwindTableCache> cache_;
  StackTables tables_;
};

}  // namespace

std::function<std::unique_ptr<ModuleWatch>()> stack_table_watches() {
  return [cache = std::make_shared<UnwindTableCache>()] { return std::make_unique<StackTableWatch>(cache); };
}

}  // namespace vsup::supervisor
