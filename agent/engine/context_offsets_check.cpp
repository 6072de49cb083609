// Purpose: proves at compile time that the assembly's offsets are those of the structures.
#include "protocol/agent_boot.h"
#include "protocol/context_offsets.h"

namespace vsup::agent {

using protocol::ThreadContext;

static_assert(offsetof(ThreadContext, gpr) == VSUP_CTX_GPR);
static_assert(offsetof(ThreadContext, rflags) == VSUP_CTX_RFLAGS);
static_assert(offsetof(ThreadContext, app_pc) == VSUP_CTX_APP_PC);
static_assert(offsetof(ThreadContext, agent_sp) == VSUP_CTX_AGENT_SP);
static_assert(offsetof(ThreadContext, next_cache_pc) == VSUP_CTX_NEXT_CACHE_PC);
static_assert(offsetof(ThreadContext, exit_id) == VSUP_CTX_EXIT_ID);
static_assert(offsetof(ThreadContext, pending) == VSUP_CTX_PENDING);
static_assert(offsetof(ThreadContext, spill) == VSUP_CTX_SPILL);
static_assert(offsetof(ThreadContext, spill_flags) == VSUP_CTX_SPILL_FLAGS);
static_assert(offsetof(ThreadContext, app_gs_base) == VSUP_CTX_APP_GS_BASE);
static_assert(offsetof(ThreadContext, syscall_pc) == VSUP_CTX_SYSCALL_PC);
static_assert(offsetof(ThreadContext, service) == VSUP_CTX_SERVICE);
static_assert(offsetof(ThreadContext, request_argument) == VSUP_CTX_REQUEST_ARGUMENT);
static_assert(offsetof(ThreadContext, tool_stack) == VSUP_CTX_TOOL_STACK);
static_assert(offsetof(ThreadContext, tool_stack_end) == VSUP_CTX_TOOL_STACK_END);
static_assert(static_cast<int>(protocol::Service::kSafePoint) == VSUP_SERVICE_SAFE_POINT);

}  // namespace vsup::agent
