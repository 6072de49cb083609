#include "agent/base/check.h"

#include "agent/base/context.h"
#include "agent/base/entry_points.h"

namespace vsup::agent {

namespace {

void copy_text(char* to, uint64_t size, const char* from) {
  uint64_t i = 0;
  for (; i + 1 < size && from[i] != 0; ++i) to[i] = from[i];
  to[i] = 0;
}

}  // namespace

void check_failed(const char* condition, const char* file, int line, CrashValues values) {
  protocol::ThreadContext* ctx = current_context();
  protocol::CrashPage& crash = shared_block()->crash;
  copy_text(crash.condition, sizeof crash.condition, condition);
  copy_text(crash.file, sizeof crash.file, file);
  crash.line = static_cast<uint64_t>(line);
  crash.app_pc = ctx->app_pc;
  crash.cache_pc = ctx->next_cache_pc;
  crash.fragment = ctx->exit_id;
  for (int i = 0; i < 4; ++i) crash.values[i] = values.values[i];
  crash.valid = 1;
  ctx->service = static_cast<uint64_t>(protocol::Service::kCrash);
  vsup_service_query();
  for (;;) __builtin_trap();
}

}  // namespace vsup::agent
