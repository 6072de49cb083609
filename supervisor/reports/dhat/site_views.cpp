#include "supervisor/reports/dhat/site_views.h"

#include <unordered_map>

namespace vsup::supervisor::dhat {
namespace {

// Mean lifetimes up to this many microseconds are short.
constexpr uint64_t kShortLived = 100;

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
      const DescribedFrame& words = describe(frame);
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

StackWeights weights_of(const SiteRecords& records, Weight weight) {
  StackWeights weights;
  for (const auto& [stack, site] : records.sites) {
    weights.emplace_back(stack, weight == Weight::kLive   ? site.live_bytes
                                : weight == Weight::kPeak ? site.peak_bytes
                                                          : site.total_bytes);
  }
  return weights;
}

}  // namespace vsup::supervisor::dhat
