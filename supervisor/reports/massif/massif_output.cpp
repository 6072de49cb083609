#include "supervisor/reports/massif/massif_output.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "supervisor/reports/heap/weighted_stacks.h"
#include "supervisor/symbols/warm_up.h"

namespace vsup::supervisor::massif {

namespace {

StackWeights held_in(const SnapshotData& snapshot, const HeapProfile& profile) {
  std::unordered_map<uint32_t, uint64_t> held;
  for (size_t i = 0; i < snapshot.changes; ++i) held[profile.changes[i].stack] = profile.changes[i].bytes;
  return {held.begin(), held.end()};
}

}  // namespace

MassifOutput::Texts MassifOutput::texts_of(const HeapProfile& profile, Symbolizer& symbolizer) const {
  FrameDescriber describer(symbolizer, profile.modules, profile.stacks);
  const Describe describe = std::ref(describer);
  const NameSymbol name_symbol = [&describer](const CapturedFrame& frame) { return describer.symbol(frame); };
  Texts texts{write_massif(profile, options_, describe, name_symbol), {}, {}, {}};
  if (!profile.weighted) return texts;
  const auto collapsed = [&](const StackWeights& weights) {
    return callgrind::write_collapsed(weighted_stacks(profile.stacks, weights, describe));
  };
  texts.live = collapsed(profile.live);
  texts.total = collapsed(profile.totals);
  for (const SnapshotData& snapshot : profile.snapshots)
    if (snapshot.peak) texts.peak = collapsed(held_in(snapshot, profile));
  return texts;
}

// Further ones mostly need the same, or nothing of their own.
void MassifOutput::expect(pid_t pid) {
  if (std::exchange(expects_, true)) return;
  worker_.run([pid](Symbolizer& symbolizer) { warm_up(symbolizer, pid); }, [] {});
}

void MassifOutput::expect_module(pid_t pid, uint64_t address) {
  worker_.run([pid, address](Symbolizer& symbolizer) { warm_up_module(symbolizer, pid, address); }, [] {});
}

void MassifOutput::add(HeapProfile profile, Done done) {
  auto texts = std::make_shared<Texts>();
  worker_.run([this, texts, given = std::make_shared<const HeapProfile>(std::move(profile))](
                  Symbolizer& symbolizer) { *texts = texts_of(*given, symbolizer); },
              [texts, done = std::move(done)] { done(*texts); });
}

}  // namespace vsup::supervisor::massif
