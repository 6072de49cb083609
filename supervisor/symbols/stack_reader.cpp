#include "supervisor/symbols/stack_reader.h"

#include <algorithm>

#include "supervisor/base/large_allocator.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

StackReader StackReader::of_process(pid_t pid) {
  StackReader reader;
  if (!read_value(pid, protocol::kCallstackBase, reader.control_)) return {};
  const uint64_t count = std::min<uint64_t>(reader.control_.node_count, protocol::kMaxDepotNodes);
  const uint64_t python_bytes = std::min(reader.control_.python_bytes, protocol::kPythonRecordsSize);
  if (!may_have_filled(pid, count * sizeof(protocol::StackNode) + python_bytes)) return {};
  resize_pages(reader.nodes_, static_cast<size_t>(count));
  if (!read_memory(pid, protocol::kDepotBase, reader.nodes_.data(), count * sizeof(protocol::StackNode)))
    reader.nodes_.clear();
  std::vector<uint8_t> records(python_bytes);
  if (!read_memory(pid, protocol::kPythonRecordsBase, records.data(), records.size())) records.clear();
  reader.python_ = PythonCodes(std::move(records), reader.control_.python.line_table);
  return reader;
}

unsigned StackReader::depth() const {
  const uint64_t most = control_.walked_depth == 0 ? protocol::kMaxStackDepth : control_.walked_depth;
  return static_cast<unsigned>(std::min<uint64_t>(most, protocol::kMaxStackDepth));
}

uint32_t StackReader::parent(uint32_t id) const {
  if (id >= nodes_.size()) return 0;
  // A smaller index, or the node is not one of the agent's.
  const uint32_t parent = nodes_[id].parent < id ? nodes_[id].parent : 0;
  return frame(parent).kind == protocol::kFrameNone ? 0 : parent;
}

std::vector<CapturedFrame> StackReader::frames(uint32_t id) const {
  std::vector<CapturedFrame> frames;
  for (; id != 0 && id < nodes_.size() && frames.size() < depth(); id = parent(id)) frames.push_back(frame(id));
  return frames;
}

}  // namespace vsup::supervisor
