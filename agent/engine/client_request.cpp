#include "agent/engine/client_request.h"

#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/base/memory.h"
#include "agent/engine/dispatch.h"
#include "agent/engine/instrumenter.h"
#include "agent/engine/syscall_handler.h"
#include "protocol/client_requests.h"

namespace vsup::agent {

namespace {

using namespace protocol::client_request;
using protocol::Service;
using protocol::ThreadContext;

int answer(ThreadContext& ctx, uint64_t value) {
  ctx.gpr[protocol::kRdx] = value;
  return kDispatchAgain;
}

// Blocks that would not notice by themselves that their code has changed go.
int discard_translations(ThreadContext& ctx, uint64_t start, uint64_t size) {
  bool must_flush;
  {
    LockGuard guard(engine_lock);
    must_flush = start + size > start && code_regions_replaced(start, start + size);
  }
  return must_flush ? request_service(ctx, Service::kFlush) : kDispatchAgain;
}

}  // namespace

bool is_client_request(const CodeRegion& region, AppPc pc, const uint8_t* bytes, const Instr& instr) {
  constexpr uint64_t kBefore = sizeof kSequence - kXchgSize;
  if (instr.length != kXchgSize || memcmp(bytes, kSequence + kBefore, kXchgSize) != 0) return false;
  if (raw(pc) < region.start + kBefore) return false;
  uint8_t before[kBefore];
  return vsup_safe_copy(before, reinterpret_cast<const void*>(raw(pc) - kBefore), kBefore) &&
         memcmp(before, kSequence, kBefore) == 0;
}

int client_request(ThreadContext& ctx) {
  count(protocol::kCounter_client_requests);
  ctx.app_pc += kXchgSize;
  uint64_t request[kRequestWords];
  if (!vsup_safe_copy(request, reinterpret_cast<const void*>(ctx.gpr[protocol::kRax]), sizeof request))
    return kDispatchAgain;
  const Instrumenter* tool = instrumenter();
  if (tool != nullptr && tool->client_request != nullptr) {
    switch (tool->client_request(ctx, request)) {
      case ClientAnswer::kUnknown:
        break;
      case ClientAnswer::kDone:
        return kDispatchAgain;
      case ClientAnswer::kDoneFlush:
        return request_service(ctx, Service::kFlush);
      case ClientAnswer::kAskSupervisor:
        return request_service(ctx, Service::kClientRequest);
    }
  }
  switch (request[0]) {
    case kRunningOnValgrind:
      return answer(ctx, 1);
    case kDiscardTranslations:
      return discard_translations(ctx, request[1], request[2]);
    case kCountErrors:
      return answer(ctx, 0);
    case kGdbMonitorCommand:
      return answer(ctx, 1);  // not recognised
    default:
      return is_for_supervisor(request[0]) ? request_service(ctx, Service::kClientRequest) : kDispatchAgain;
  }
}

}  // namespace vsup::agent
