// Purpose: Valgrind's client requests: an app built with valgrind.h tells or asks the tool something by an instruction
// sequence that does nothing natively.
// Source: valgrind.h of Valgrind 3.19, __SPECIAL_INSTRUCTION_PREAMBLE and VALGRIND_DO_CLIENT_REQUEST_EXPR for amd64:
// four rotates of rdi by 128 bits in all, then xchg rbx, rbx; rax points to the request and its five arguments, rdx
// holds the default answer and gets the answer.
#pragma once

#include "agent/engine/code_regions.h"
#include "agent/x86/instr.h"
#include "protocol/agent_boot.h"

namespace vsup::agent {

// Whether `instr` at `pc`, whose bytes are `bytes`, is the xchg that ends such a sequence in its region.
bool is_client_request(const CodeRegion& region, AppPc pc, const uint8_t* bytes, const Instr& instr);

// Answers the request whose xchg is at ctx.app_pc, and leaves ctx.app_pc behind it. Returns the dispatcher's action or
// kDispatchAgain.
int client_request(protocol::ThreadContext& ctx);

}  // namespace vsup::agent
