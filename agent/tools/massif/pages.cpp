#include "agent/tools/massif/pages.h"

#include "agent/callstack/capture.h"
#include "agent/engine/syscall_handler.h"
#include "agent/heap/heap_events.h"
#include "agent/tools/massif/records.h"

namespace vsup::agent::massif {

namespace {

constexpr uint64_t kPage = 4096;
// Beyond this a mapping is address space that nobody means to use.
constexpr uint64_t kLargestMapping = uint64_t{64} << 30;

void mapped(const protocol::ThreadContext& ctx, uint64_t start, uint64_t size) {
  if (size > kLargestMapping) return;
  HeapBlock page{
      .address = start,
      .size = kPage,
      .stack = capture_stack(ctx.app_pc, ctx.gpr[protocol::kRsp], ctx.gpr[protocol::kRbp], heap_events().depth),
      .slack = 0,
      .function = 0,
      .mark = 0,
      .present = 1};
  for (; page.address < start + size; page.address += kPage) {
    HeapBlock former;
    chunk_insert(page, former);
    if (former.present != 0) heap_events().freed(former);
    heap_events().allocated(page);
  }
}

void unmapped(uint64_t start, uint64_t size) {
  if (size > kLargestMapping) return;
  HeapBlock page;
  for (uint64_t at = start; at < start + size; at += kPage)
    if (chunk_remove(at, page)) heap_events().freed(page);
}

}  // namespace

void watch_pages() {
  set_mapping_watch({.mapped = mapped, .unmapped = unmapped});
}

}  // namespace vsup::agent::massif
