#include "supervisor/reports/callgrind/callgrind_writer.h"

#include <algorithm>
#include <cstdio>

#include "supervisor/reports/callgrind/text.h"

#ifndef VSUP_VERSION
#define VSUP_VERSION "0"
#endif

namespace vsup::supervisor::callgrind {
namespace {

// "(3) name" where the name comes first, then "(3)".
class Names {
 public:
  explicit Names(size_t count) : written_(count) {}

  void write(Text& text, const char* key, uint32_t id, const std::string& name, bool compress) {
    text.add(key);
    if (!compress) {
      text.name(name).add('\n');
      return;
    }
    text.add('(').number(id + 1).add(')');
    if (!written_[id]) {
      written_[id] = true;
      text.add(' ').name(name);
    }
    text.add('\n');
  }

 private:
  std::vector<bool> written_;
};

class PartWriter {
 public:
  PartWriter(const Grouped& profile, const WriterOptions& options)
      : profile_(profile),
        options_(options),
        with_instr_(options.dump_instr),
        with_line_(options.dump_line || !options.dump_instr),
        event_count_(profile.events.size()),
        objects_(profile.objects.size()),
        files_(profile.files.size()),
        functions_(profile.functions.size()) {}

  void head() { text_.add("# callgrind format\nversion: 1\ncreator: vsup-" VSUP_VERSION "\n"); }

  // `goes_on`: in a file that has the process's facts already.
  void part(const GroupedPart& part, bool goes_on = false) {
    objects_ = Names(profile_.objects.size());
    files_ = Names(profile_.files.size());
    functions_ = Names(profile_.functions.size());
    last_ = {};
    object_ = kNothing;
    text_.reserve(text_.size() + part.rows.size() * 16 + part.calls.size() * 48 + 65536);
    header(part, goes_on);
    body(part);
    text_.add("\ntotals: ");
    costs(part.totals.data());
    text_.add('\n');
  }

  std::string take() { return text_.take(); }

 private:
  static constexpr uint32_t kNothing = ~0u;

  void header(const GroupedPart& part, bool goes_on) {
    const ProcessFacts& process = profile_.process;
    if (!goes_on) text_.add("pid: ").number(process.pid).add("\ncmd: ").name(process.command);
    text_.add("\npart: ").number(process.part).add("\n");
    if (part.thread != 0) text_.add("thread: ").number(part.thread).add('\n');
    text_.add('\n');
    if (!goes_on)
      for (const std::string& description : process.descriptions) text_.add("desc: ").name(description).add('\n');
    text_.add("desc: Timerange: Basic block ").number(process.first_block).add(" - ").number(process.last_block);
    text_.add("\ndesc: Trigger: ").name(process.trigger.empty() ? "Program termination" : process.trigger);
    text_.add("\n\npositions:").add(with_instr_ ? " instr" : "").add(with_line_ ? " line" : "");
    for (const std::string& event : process.explanations) text_.add("\nevent: ").name(event);
    text_.add("\nevents:");
    for (const std::string& event : profile_.events) text_.add(' ').name(event);
    text_.add("\nsummary: ");
    costs(part.totals.data());
    text_.add("\n\n");
  }

  void body(const GroupedPart& part) {
    size_t row = 0, call = 0, jump = 0;
    while (row < part.rows.size() || call < part.calls.size() || jump < part.jumps.size()) {
      uint32_t function = kNothing;
      if (row < part.rows.size()) function = std::min(function, part.rows[row].function);
      if (call < part.calls.size()) function = std::min(function, part.calls[call].function);
      if (jump < part.jumps.size()) function = std::min(function, part.jumps[jump].function);
      begin_function(function);
      while (true) {
        bool has_row = row < part.rows.size() && part.rows[row].function == function;
        bool has_call = call < part.calls.size() && part.calls[call].function == function;
        bool has_jump = jump < part.jumps.size() && part.jumps[jump].function == function;
        if (!has_row && !has_call && !has_jump) break;
        // An instruction's own cost comes first, then the calls and jumps that it makes.
        if (has_row && (!has_call || !before(part.calls[call].at, part.rows[row].at)) &&
            (!has_jump || !before(part.jumps[jump].at, part.rows[row].at))) {
          write_cost(part, part.rows[row++]);
        } else if (has_call && (!has_jump || !before(part.jumps[jump].at, part.calls[call].at))) {
          write_call(part, part.calls[call++]);
        } else {
          write_jump(part.jumps[jump++]);
        }
      }
      text_.add('\n');
    }
  }

  static bool before(const Position& a, const Position& b) {
    if (a.address != b.address) return a.address < b.address;
    if (a.file != b.file) return a.file < b.file;
    return a.line < b.line;
  }

  void begin_function(uint32_t id) {
    const GroupedFunction& function = profile_.functions[id];
    if (function.object != object_) {
      objects_.write(text_, "ob=", function.object, profile_.objects[function.object], options_.compress_strings);
      object_ = function.object;
    }
    files_.write(text_, "fl=", function.file, profile_.files[function.file], options_.compress_strings);
    functions_.write(text_, "fn=", id, function.name, options_.compress_strings);
    function_ = id;
    file_ = function.file;
    fresh_ = true;
  }

  // Code of another file (inlined, included): fi= goes there, fe= back to the function's own.
  void enter_file(uint32_t file) {
    if (!with_line_ || file == file_) return;
    bool own = file == profile_.functions[function_].file;
    files_.write(text_, own ? "fe=" : "fi=", file, profile_.files[file], options_.compress_strings);
    file_ = file;
  }

  void write_number(uint64_t value, uint64_t last, bool hexadecimal) {
    if (options_.compress_pos && !fresh_) {
      if (value == last) {
        text_.add('*');
        return;
      }
      uint64_t distance = value > last ? value - last : last - value;
      if (distance < 100) {
        text_.add(value > last ? '+' : '-').number(distance);
        return;
      }
    }
    if (hexadecimal) {
      text_.add("0x").number(value, 16);
    } else {
      text_.number(value);
    }
  }

  void position(uint64_t address, uint32_t line) {
    if (with_instr_) {
      write_number(address, last_.address, true);
      text_.add(' ');
    }
    if (with_line_) {
      write_number(line, last_.line, false);
      text_.add(' ');
    }
  }

  void source(const Position& at) {
    position(at.address, at.line);
    last_ = at;
    fresh_ = false;
  }

  // Zeros at the end are left out, as the format allows.
  void costs(const uint64_t* values) {
    size_t count = event_count_;
    while (count > 1 && values[count - 1] == 0) count--;
    for (size_t i = 0; i < count; i++) {
      if (i != 0) text_.add(' ');
      text_.number(values[i]);
    }
  }

  void write_cost(const GroupedPart& part, const CostRow& row) {
    enter_file(row.at.file);
    source(row.at);
    costs(part.costs.data() + row.cost);
    text_.add('\n');
  }

  void write_call(const GroupedPart& part, const CallRow& row) {
    enter_file(row.at.file);
    const GroupedFunction& callee = profile_.functions[row.callee];
    if (callee.object != object_) {
      objects_.write(text_, "cob=", callee.object, profile_.objects[callee.object], options_.compress_strings);
    }
    // Readers differ in which file a missing cfi= means after fi=, so it is left out only where both agree.
    if (callee.file != file_ || callee.file != profile_.functions[function_].file) {
      files_.write(text_, "cfi=", callee.file, profile_.files[callee.file], options_.compress_strings);
    }
    functions_.write(text_, "cfn=", row.callee, callee.name, options_.compress_strings);
    // A call from before the part that has not returned counts as one: readers take a cost after calls=0 for the
    // function's own.
    text_.add("calls=").number(std::max<uint64_t>(row.count, 1)).add(' ');
    position(row.callee_address, row.callee_line);
    text_.add('\n');
    source(row.at);
    costs(part.costs.data() + row.cost);
    text_.add('\n');
  }

  void write_jump(const JumpRow& row) {
    enter_file(row.at.file);
    // There is no job=: a jump to another object is told by its position alone.
    const GroupedFunction& target = profile_.functions[row.target_function];
    if (row.target_function != function_ && target.object == object_) {
      files_.write(text_, "jfi=", target.file, profile_.files[target.file], options_.compress_strings);
      functions_.write(text_, "jfn=", row.target_function, target.name, options_.compress_strings);
    } else if (with_line_ && row.target_function == function_ && row.target.file != file_) {
      files_.write(text_, "jfi=", row.target.file, profile_.files[row.target.file], options_.compress_strings);
    }
    if (row.conditional) {
      text_.add("jcnd=").number(row.followed).add('/').number(row.executed).add(' ');
    } else {
      text_.add("jump=").number(row.executed).add(' ');
    }
    position(row.target.address, row.target.line);
    text_.add('\n');
    source(row.at);
    text_.add('\n');
  }

  const Grouped& profile_;
  const WriterOptions& options_;
  bool with_instr_, with_line_;
  size_t event_count_;
  Names objects_, files_, functions_;
  Text text_;
  Position last_;
  bool fresh_ = true;  // the next position is written in full
  uint32_t object_ = kNothing, function_ = kNothing, file_ = kNothing;
};

}  // namespace

std::vector<OutputFile> write_callgrind(const Grouped& profile, const WriterOptions& options,
                                        const std::string& base_name, bool numbered) {
  std::vector<OutputFile> files;
  if (options.combine_dumps) {
    const bool first = profile.process.part <= 1;
    PartWriter writer(profile, options);
    // As Valgrind has it: parts of threads are whole files one after the other, others repeat nothing.
    for (const GroupedPart& part : profile.parts) {
      const bool goes_on = !first && !options.separate_threads;
      if (!goes_on) writer.head();
      writer.part(part, goes_on);
    }
    files.push_back({base_name, writer.take(), !first});
    return files;
  }
  for (const GroupedPart& part : profile.parts) {
    std::string name = base_name;
    if (numbered) name += "." + std::to_string(profile.process.part);
    if (options.separate_threads) {
      char suffix[16];
      std::snprintf(suffix, sizeof suffix, "-%02u", part.thread);
      name += suffix;
    }
    PartWriter writer(profile, options);
    writer.head();
    writer.part(part);
    files.push_back({name, writer.take(), false});
  }
  return files;
}

}  // namespace vsup::supervisor::callgrind
