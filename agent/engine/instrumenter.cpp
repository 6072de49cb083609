#include "agent/engine/instrumenter.h"

namespace vsup::agent {

namespace {
const Instrumenter* current = nullptr;
}

void set_instrumenter(const Instrumenter* tool) {
  current = tool;
}
const Instrumenter* instrumenter() {
  return current;
}

void ask_supervisor(protocol::ThreadContext& ctx, uint64_t code, uint64_t argument) {
  const auto service = static_cast<uint64_t>(protocol::Service::kToolRequest);
  ctx.request_argument[0] = code | (ctx.service == service ? ctx.request_argument[0] : 0);
  ctx.request_argument[1] = argument;
  ctx.service = service;
}

void ask_for_flush(protocol::ThreadContext& ctx) {
  ctx.service = static_cast<uint64_t>(protocol::Service::kFlush);
}

}  // namespace vsup::agent
