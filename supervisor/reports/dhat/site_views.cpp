#include "supervisor/reports/dhat/site_views.h"

#include <unordered_map>

namespace vsup::supervisor::dhat {
namespace {

// Mean lifetimes up to this many microseconds are short.
constexpr uint64_t kShortLived = 100;

// Frames are described once, whichever sites share them.
class Described {
 public:
  explicit Described(const Describe& describe) : describe_(describe) {}

  const DescribedFrame& of(const CapturedFrame& frame) {
    const uint64_t key = uint64_t{frame.kind} << protocol::kFrameKindShift | frame.value;
    auto known = frames_.find(key);
    if (known == frames_.end()) known = frames_.emplace(key, describe_(frame)).first;
    return known->second;
  }

 private:
  const Describe& describe_;
  std::unordered_map<uint64_t, DescribedFrame> frames_;
};

}  // namespace

DhatFile dhat_file(const SiteRecords& records, const Describe& describe) {
  DhatFile file;
  file.command = records.command;
  file.pid = records.pid;
  file.time_unit = "us";
  file.time_unit_million = "s";
  file.short_lived = kShortLived;
  file.end_time = records.time;
  file.peak_time = records.header.peak_time;
  Described described(describe);
  std::unordered_map<std::string, uint32_t> numbers;
  for (const auto& [stack, from] : records.sites) {
    Site& site = file.sites.emplace_back();
    site.total_bytes = from.total_bytes;
    site.total_blocks = from.total_blocks;
    site.lifetimes = from.deaths + from.live_blocks * records.time - from.births;
    site.max_bytes = from.max_bytes;
    site.max_blocks = from.max_blocks;
    site.peak_bytes = from.peak_bytes;
    site.peak_blocks = from.peak_blocks;
    site.end_bytes = from.live_bytes;
    site.end_blocks = from.live_blocks;
    bool in_main = false;
    for (const CapturedFrame& frame : records.stacks.frames(stack)) {
      if (in_main) break;
      const DescribedFrame& words = described.of(frame);
      for (const DescribedFrame::Line& line : words.lines) {
        std::string text = frame_text(frame.lookup(), words, line);
        auto [number, is_new] = numbers.try_emplace(text, static_cast<uint32_t>(file.frames.size()));
        if (is_new) file.frames.push_back(std::move(text));
        site.frames.push_back(number->second);
      }
      in_main = words.lines.back().function == "main" && !words.python;
    }
  }
  return file;
}

callgrind::NamedStacks weighted_stacks(const SiteRecords& records, Weight weight, const Describe& describe) {
  Described described(describe);
  callgrind::StacksBuilder builder;
  std::vector<std::string> path;
  for (const auto& [stack, site] : records.sites) {
    const uint64_t bytes = weight == Weight::kLive   ? site.live_bytes
                           : weight == Weight::kPeak ? site.peak_bytes
                                                     : site.total_bytes;
    if (bytes == 0) continue;
    path.clear();
    for (const CapturedFrame& frame : records.stacks.frames(stack)) {
      const DescribedFrame& words = described.of(frame);
      for (const DescribedFrame::Line& line : words.lines) {
        std::string& name = path.emplace_back(line.function.empty() ? "???" : line.function);
        if (words.python || line.function.empty()) name += line.place.empty() ? "" : " (" + line.place + ")";
      }
    }
    if (path.empty()) path.push_back("???");
    builder.add({path.rbegin(), path.rend()}, bytes);
  }
  return builder.take();
}

}  // namespace vsup::supervisor::dhat
