#include "ctl/show_tool.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "ctl/json_text.h"

namespace vsup::ctl {
namespace {

// A text for each process that answered; what went wrong with the others.
std::string each_process(const Json& result, const std::function<std::string(const std::string&, const Json&)>& show) {
  std::string text;
  for (const Json& process : list_of(result, "processes")) {
    const std::string pid = std::to_string(number_of(process, "pid"));
    const std::string error = text_of(process, "error");
    if (!error.empty()) {
      text += pid + ": " + error + "\n";
    } else if (process.is_object() && process.contains("result") && process["result"].is_object()) {
      text += show(pid, process["result"]);
    }
  }
  return text;
}

std::string or_none(const std::string& text) {
  return text.empty() ? "no processes\n" : text;
}

std::string string_of(const Json& json) {
  return json.is_string() ? printable(json.get<std::string>()) : "";
}

uint64_t value_at(const Json& list, size_t index) {
  return index < list.size() && list[index].is_number() ? list[index].get<uint64_t>() : 0;
}

std::string percent(uint64_t part, uint64_t whole) {
  return format("%.1f%%", whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Without cutting a character in two.
std::string at_most(const std::string& line, size_t columns) {
  if (columns == 0 || line.size() <= columns) return line;
  size_t cut = columns;
  while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80) --cut;
  return line.substr(0, cut);
}

}  // namespace

std::string show_dump(const Json& result) {
  return or_none(each_process(result, [](const std::string& pid, const Json& answer) {
    std::string names;
    for (const Json& file : list_of(answer, "files")) names += " " + string_of(file);
    if (names.empty()) return pid + ": nothing was counted yet\n";
    return pid + ": part " + std::to_string(number_of(answer, "part")) + " written:" + names + "\n";
  }));
}

std::string show_snapshot(const Json& result) {
  return or_none(each_process(result, [](const std::string& pid, const Json& answer) {
    return pid + ": snapshot written: " + string_of(answer.value("file", Json())) + "\n";
  }));
}

std::string show_zero(const Json& result) {
  return or_none(
      each_process(result, [](const std::string& pid, const Json&) { return pid + ": event counters are zero\n"; }));
}

std::string show_events(const Json& result, const std::vector<std::string>& wanted) {
  return or_none(each_process(result, [&](const std::string& pid, const Json& answer) {
    const Json& events = list_of(answer, "events");
    std::vector<size_t> shown;
    std::string text = pid + "\n", head = pad_right("  thread", 26);
    for (size_t i = 0; i < events.size(); ++i) {
      const std::string name = string_of(events[i]);
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
      shown.push_back(i);
      head += pad_left(name, 20);
    }
    text += head + "\n";
    std::vector<uint64_t> sums(shown.size());
    const auto row = [&](const std::string& name, const std::function<uint64_t(size_t)>& value) {
      text += pad_right("  " + name, 26);
      for (size_t i = 0; i < shown.size(); ++i) text += pad_left(grouped(value(i)), 20);
      text += "\n";
    };
    for (const Json& thread : list_of(answer, "threads")) {
      const Json& values = list_of(thread, "values");
      for (size_t i = 0; i < shown.size(); ++i) sums[i] += value_at(values, shown[i]);
      row(std::to_string(number_of(thread, "tid")) + " " + text_of(thread, "name"),
          [&](size_t i) { return value_at(values, shown[i]); });
    }
    if (list_of(answer, "threads").size() != 1) row("all", [&](size_t i) { return sums[i]; });
    return text;
  }));
}

std::string show_tool_status(const Json& result) {
  return each_process(result, [](const std::string& pid, const Json& answer) {
    const auto number = [&](const char* name) { return grouped(number_of(answer, name)); };
    std::string text = pid + ": instrumentation " + text_of(answer, "instrumentation") + "\n";
    text += "  Number of running threads: " + std::to_string(list_of(answer, "threads").size()) + ", thread IDs:";
    for (const Json& thread : list_of(answer, "threads")) text += " " + std::to_string(number_of(thread, "tid"));
    text += "\n  Events collected: " + words_of(list_of(answer, "events")) + "\n";
    text += "  Functions: " + number("distinct-functions") + " (executed " + number("executed-calls") + ", contexts " +
            number("distinct-contexts") + ")\n";
    text += "  Basic blocks: " + number("distinct-bbs") + " (executed " + number("executed-bbs") + ", call sites " +
            number("distinct-calls") + ")\n";
    return text + "  Next dump is part " + number("part") + "\n";
  });
}

std::string show_call_stacks(const Json& result) {
  return each_process(result, [](const std::string& pid, const Json& answer) {
    std::string text;
    for (const Json& thread : list_of(answer, "threads")) {
      const std::string name = std::to_string(number_of(thread, "tid")) + " (" + text_of(thread, "name") + ")";
      text += pid + " thread " + name + ": calls and cost so far\n";
      size_t number = 0;
      for (const Json& frame : list_of(thread, "frames")) {
        text += "    #" + pad_right(std::to_string(number++), 3) + " ";
        const bool counted = frame.is_object() && frame.contains("calls");
        text += pad_left(counted ? grouped(number_of(frame, "inclusive")) : ".", 18) + "  ";
        text += text_of(frame, "function");
        if (counted) text += " (" + grouped(number_of(frame, "calls")) + " x)";
        text += "\n";
      }
      if (const uint64_t more = number_of(thread, "left_out")) text += "    ... " + grouped(more) + " more\n";
    }
    return text;
  });
}

std::string show_costs(const Json& result, size_t limit, size_t columns) {
  const size_t processes = std::max<size_t>(1, list_of(result, "processes").size());
  const size_t rows = std::max<size_t>(3, limit / processes);
  return or_none(each_process(result, [&](const std::string& pid, const Json& answer) {
    const uint64_t total = number_of(answer, "total");
    std::string text = pid + ": " + grouped(total) + " " + text_of(answer, "event") + "\n";
    text += at_most(pad_left("SELF", 8) + pad_left("INCL", 8) + pad_left("CALLS", 14) + "  FUNCTION", columns) + "\n";
    std::vector<Json> functions(list_of(answer, "functions").begin(), list_of(answer, "functions").end());
    const auto weight = [](const Json& row) { return number_of(row, "self"); };
    std::stable_sort(functions.begin(), functions.end(),
                     [&](const Json& a, const Json& b) { return weight(a) > weight(b); });
    if (functions.size() > rows) functions.resize(rows);
    for (const Json& function : functions) {
      std::string line = pad_left(percent(number_of(function, "self"), total), 8);
      line += pad_left(percent(number_of(function, "inclusive"), total), 8);
      line += pad_left(grouped(number_of(function, "calls")), 14) + "  " + text_of(function, "function");
      const std::string file = text_of(function, "file"), module = text_of(function, "module");
      line += " (" + file_name(file.empty() || file == "???" ? module : file) + ")";
      text += at_most(line, columns) + "\n";
    }
    return text;
  }));
}

}  // namespace vsup::ctl
