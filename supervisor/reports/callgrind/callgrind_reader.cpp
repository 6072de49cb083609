#include "supervisor/reports/callgrind/callgrind_reader.h"

#include <charconv>
#include <string>
#include <unordered_map>

namespace vsup::supervisor::callgrind {
namespace {

constexpr size_t kMaxEvents = 64;

// Names of one kind (objects, files), with the numbers that the file gives them.
class NameReader {
 public:
  explicit NameReader(std::vector<std::string>& names) : names_(names) {
    if (names_.empty()) names_.push_back("???");
    ids_[names_[0]] = 0;
  }

  // "(3) name", "(3)" or "name".
  uint32_t read(std::string_view text) {
    size_t close = text.find(')');
    if (!text.starts_with('(') || close == std::string_view::npos || !is_number(text.substr(1, close - 1))) {
      return add(text);
    }
    std::string number(text.substr(1, close - 1));
    if (close + 2 < text.size()) return by_number_[number] = add(text.substr(close + 2));
    auto known = by_number_.find(number);
    return known == by_number_.end() ? 0 : known->second;
  }

 private:
  static bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }
  uint32_t add(std::string_view name) {
    auto [id, is_new] = ids_.try_emplace(std::string(name), static_cast<uint32_t>(names_.size()));
    if (is_new) names_.emplace_back(name);
    return id->second;
  }

  std::vector<std::string>& names_;
  std::unordered_map<std::string, uint32_t> ids_, by_number_;
};

// Without the level of recursion, "f'2".
std::string plain_name(const std::string& name) {
  size_t quote = name.rfind('\'');
  if (quote == std::string::npos || quote == 0 || quote + 1 == name.size()) return name;
  if (name.find_first_not_of("0123456789", quote + 1) != std::string::npos) return name;
  return name.substr(0, quote);
}

class Reader {
 public:
  Reader() : objects_(result_.objects), files_(result_.files), function_names_(names_) {}

  std::optional<Grouped> run(std::string_view text) {
    while (!text.empty()) {
      size_t end = std::min(text.find('\n'), text.size());
      line(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (result_.events.empty()) return std::nullopt;
    for (GroupedPart& part : result_.parts) {
      for (const CostRow& row : part.rows) {
        for (size_t i = 0; i < part.totals.size(); i++) part.totals[i] += part.costs[row.cost + i];
      }
    }
    return std::move(result_);
  }

 private:
  void line(std::string_view text) {
    if (text.empty() || text[0] == '#') return;
    if ((text[0] >= '0' && text[0] <= '9') || text[0] == '+' || text[0] == '-' || text[0] == '*') {
      cost_line(text);
      return;
    }
    size_t equals = text.find('='), colon = text.find(':');
    if (colon < equals) {
      std::string_view value = text.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      header(text.substr(0, colon), value);
    } else if (equals != std::string_view::npos) {
      name(text.substr(0, equals), text.substr(equals + 1));
    }
  }

  void header(std::string_view key, std::string_view value) {
    if (key == "pid") {
      std::from_chars(value.data(), value.data() + value.size(), result_.process.pid);
      begin_part();
    } else if (key == "cmd") {
      result_.process.command = value;
    } else if (key == "thread" && !result_.parts.empty()) {
      std::from_chars(value.data(), value.data() + value.size(), result_.parts.back().thread);
    } else if (key == "positions") {
      with_instr_ = value.find("instr") != std::string_view::npos;
      with_line_ = value.find("line") != std::string_view::npos;
    } else if (key == "events") {
      if (result_.events.empty()) {
        while (!value.empty() && result_.events.size() < kMaxEvents) {
          size_t end = std::min(value.find(' '), value.size());
          if (end != 0) result_.events.emplace_back(value.substr(0, end));
          value.remove_prefix(std::min(end + 1, value.size()));
        }
      }
      if (result_.parts.empty() || !result_.parts.back().totals.empty()) begin_part();
      result_.parts.back().totals.assign(result_.events.size(), 0);
    }
  }

  void begin_part() {
    result_.parts.emplace_back();
    has_function_ = false;
    line_ = 0;
  }

  void name(std::string_view key, std::string_view value) {
    if (key == "ob") {
      object_ = objects_.read(value);
    } else if (key == "fl") {
      function_file_ = file_ = files_.read(value);
    } else if (key == "fi" || key == "fe") {
      file_ = files_.read(value);
    } else if (key == "fn") {
      function_ = function(value, object_, function_file_);
      has_function_ = true;
    } else if (key == "cob") {
      called_object_ = objects_.read(value);
    } else if (key == "cfi" || key == "cfl") {
      called_file_ = files_.read(value);
    } else if (key == "cfn") {
      called_ = function(value, called_object_.value_or(object_), called_file_.value_or(function_file_));
    } else if (key == "calls") {
      calls_ = 0;
      std::from_chars(value.data(), value.data() + value.size(), calls_);
      is_call_ = true;
    } else if (key == "jump" || key == "jcnd") {
      is_jump_ = true;
    } else if (key == "jfi") {
      files_.read(value);
    } else if (key == "jfn") {
      function_names_.read(value);
    }
  }

  uint32_t function(std::string_view value, uint32_t object, uint32_t file) {
    uint32_t id = function_names_.read(value);
    std::string key = std::to_string(id) + "|" + std::to_string(object) + "|" + std::to_string(file);
    auto [known, is_new] = functions_.try_emplace(key, static_cast<uint32_t>(result_.functions.size()));
    if (is_new) {
      bool named = !names_[id].starts_with("0x");
      result_.functions.push_back({object, file, 0, 0, names_[id], plain_name(names_[id]), named});
    }
    return known->second;
  }

  // A word of a position: absolute, relative to `last`, or the same.
  static bool position(std::string_view& text, uint64_t& last) {
    size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == "*") return true;
    char sign = word.empty() ? '0' : word[0];
    if (sign == '+' || sign == '-') word.remove_prefix(1);
    int base = 10;
    if (word.starts_with("0x")) {
      word.remove_prefix(2);
      base = 16;
    }
    uint64_t value = 0;
    if (std::from_chars(word.data(), word.data() + word.size(), value, base).ec != std::errc()) return false;
    last = sign == '+' ? last + value : sign == '-' ? last - value : value;
    return true;
  }

  void cost_line(std::string_view text) {
    bool is_call = is_call_, is_jump = is_jump_;
    is_call_ = is_jump_ = false;
    if (with_instr_ && !position(text, address_)) return;
    if (with_line_ && !position(text, line_)) return;
    if (is_jump || !has_function_ || result_.parts.empty() || result_.parts.back().totals.empty()) return;
    GroupedPart& part = result_.parts.back();
    uint64_t cost = part.costs.size();
    part.costs.resize(cost + result_.events.size());
    for (size_t i = 0; i < result_.events.size() && !text.empty(); i++) {
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part.costs[cost + i]);
      if (error != std::errc()) break;
      text.remove_prefix(static_cast<size_t>(end - text.data()));
      while (text.starts_with(' ')) text.remove_prefix(1);
    }
    Position at{address_, file_, static_cast<uint32_t>(line_)};
    if (is_call) {
      part.calls.push_back({function_, called_, at, 0, 0, calls_, cost});
      called_object_.reset();
      called_file_.reset();
    } else {
      part.rows.push_back({function_, at, cost});
    }
  }

  Grouped result_;
  std::vector<std::string> names_;  // of functions
  NameReader objects_, files_, function_names_;
  std::unordered_map<std::string, uint32_t> functions_;
  bool with_instr_ = false, with_line_ = true;
  bool has_function_ = false, is_call_ = false, is_jump_ = false;
  uint32_t object_ = 0, file_ = 0, function_file_ = 0, function_ = 0, called_ = 0;
  std::optional<uint32_t> called_object_, called_file_;
  uint64_t address_ = 0, line_ = 0, calls_ = 0;
};

}  // namespace

std::optional<Grouped> read_callgrind(std::string_view text) {
  return Reader().run(text);
}

}  // namespace vsup::supervisor::callgrind
