#include "supervisor/reports/dhat/dhat_writer.h"

#include <nlohmann/json.hpp>

namespace vsup::supervisor::dhat {
namespace {

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class Members {
 public:
  explicit Members(std::string& text) : text_(text) {}

  Members& add(const char* name, const std::string& value) {
    text_ += first_ ? "\"" : ",\"";
    text_ += name;
    text_ += "\":";
    text_ += value;
    first_ = false;
    return *this;
  }
  Members& add(const char* name, uint64_t value) { return add(name, std::to_string(value)); }

 private:
  std::string& text_;
  bool first_ = true;
};

}  // namespace

std::string write_dhat(const DhatFile& file) {
  std::string text = "{";
  Members(text)
      .add("dhatFileVersion", 2)
      .add("mode", quoted("heap"))
      .add("verb", quoted("Allocated"))
      .add("bklt", "true")
      .add("bkacc", "false")
      .add("tu", quoted(file.time_unit))
      .add("Mtu", quoted(file.time_unit_million))
      .add("tuth", file.short_lived)
      .add("cmd", quoted(file.command))
      .add("pid", static_cast<uint64_t>(file.pid))
      .add("te", file.end_time)
      .add("tg", file.peak_time);
  text += "\n,\"pps\":[";
  for (const Site& site : file.sites) {
    text += &site == &file.sites.front() ? "\n{" : "\n,{";
    std::string frames = "[";
    // Frame 0 of the file is "[root]".
    for (uint32_t frame : site.frames) frames += (frames.size() > 1 ? "," : "") + std::to_string(uint64_t{frame} + 1);
    Members(text)
        .add("tb", site.total_bytes)
        .add("tbk", site.total_blocks)
        .add("tl", site.lifetimes)
        .add("mb", site.max_bytes)
        .add("mbk", site.max_blocks)
        .add("gb", site.peak_bytes)
        .add("gbk", site.peak_blocks)
        .add("eb", site.end_bytes)
        .add("ebk", site.end_blocks)
        .add("fs", frames + "]");
    text += "}";
  }
  text += "]\n,\"ftbl\":[\n\"[root]\"";
  for (const std::string& frame : file.frames) text += "\n," + quoted(frame);
  return text + "]}\n";
}

}  // namespace vsup::supervisor::dhat
