#include "supervisor/reports/callgrind/cachegrind_writer.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <vector>

#include "supervisor/reports/callgrind/text.h"

namespace vsup::supervisor::callgrind {
namespace {

struct Line {
  uint32_t file;
  std::string_view function;
  uint32_t line;
  const uint64_t* costs;

  auto place() const { return std::tuple(file, function, line); }
};

}  // namespace

std::string write_cachegrind(const Grouped& profile) {
  size_t event_count = profile.events.size();
  std::vector<Line> lines;
  for (const GroupedPart& part : profile.parts) {
    for (const CostRow& row : part.rows) {
      const GroupedFunction& function = profile.functions[row.function];
      std::string_view name = function.named ? std::string_view(function.plain) : "???";
      lines.push_back({row.at.file, name, row.at.line, part.costs.data() + row.cost});
    }
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.place() < b.place(); });

  Text text;
  for (const std::string& description : profile.process.descriptions) text.add("desc: ").name(description).add('\n');
  text.add("cmd: ").name(profile.process.command).add("\nevents:");
  for (const std::string& event : profile.events) text.add(' ').name(event);
  text.add('\n');
  std::vector<uint64_t> costs(event_count), totals(event_count);
  for (size_t i = 0; i < lines.size();) {
    const Line& line = lines[i];
    bool new_file = i == 0 || lines[i - 1].file != line.file;
    if (new_file) text.add("fl=").name(profile.files[line.file]).add('\n');
    if (new_file || lines[i - 1].function != line.function) text.add("fn=").name(line.function).add('\n');
    std::fill(costs.begin(), costs.end(), 0);
    size_t next = i;
    for (; next < lines.size() && lines[next].place() == line.place(); next++) {
      for (size_t event = 0; event < event_count; event++) costs[event] += lines[next].costs[event];
    }
    text.number(line.line);
    for (size_t event = 0; event < event_count; event++) {
      text.add(' ').number(costs[event]);
      totals[event] += costs[event];
    }
    text.add('\n');
    i = next;
  }
  if (lines.empty()) text.add("fl=???\nfn=???\n");
  text.add("summary:");
  for (uint64_t total : totals) text.add(' ').number(total);
  text.add('\n');
  return text.take();
}

}  // namespace vsup::supervisor::callgrind
