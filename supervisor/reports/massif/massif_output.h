// Purpose: from the profiles of processes to their massif.out files, off the event loop.
// Assumes: called on the event loop's thread. Promises: files are whole or absent; finish() waits for all.
#pragma once

#include <functional>
#include <string>

#include "supervisor/reports/massif/massif_writer.h"
#include "supervisor/symbols/thread_stacks.h"

namespace vsup::supervisor::massif {

class MassifOutput {
 public:
  using Post = std::function<void(std::function<void()>)>;
  // Of a weighted profile stacks, too.
  struct Texts {
    std::string massif, live, peak, total;
  };
  // On the event loop's thread.
  using Done = std::function<void(const Texts&)>;

  MassifOutput(WriterOptions options, Post post) : options_(std::move(options)), worker_(std::move(post)) {}

  // A process has begun.
  void expect(pid_t pid);
  // It has loaded the module at this address: its symbols are read while the program goes on.
  void expect_module(pid_t pid, uint64_t address);
  void add(HeapProfile profile, Done done);
  // Calls `then` on the event loop's thread when all that was added before is done.
  void when_done(std::function<void()> then) { worker_.when_done(std::move(then)); }
  void finish() { worker_.finish(); }

 private:
  Texts texts_of(const HeapProfile& profile, Symbolizer& symbolizer) const;

  const WriterOptions options_;
  SymbolWorker worker_;
  bool expects_ = false;
};

}  // namespace vsup::supervisor::massif
