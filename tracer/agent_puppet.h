/* agent_puppet: what the agent is in the puppet of a replay: one block and one ring, and no code.
 *
 * The puppet must come by the same registers, system calls and memory as the recorded program, stale stack
 * included. So there is no GS base: the block lies at a fixed address below 2 GiB, which emitted code names
 * (emit_record.h), and serves all threads, of which one runs at a time. Where the agent would be called the
 * puppet stops, and reel does it. */
#ifndef REEL_TRACER_AGENT_PUPPET_H
#define REEL_TRACER_AGENT_PUPPET_H

#include "tracer/agent.h"
#include "tracer/room.h"

/* instruction: of a system call, for remote_syscall(). reserved: where nothing of ours may be.
 * ERROR_UNSUPPORTED: there is no room for it. The caller frees *ret with agent_destroy(). */
struct error *agent_puppet_create(struct task *task, uint64_t instruction,
                                  const struct room_reserved *reserved, struct agent **ret);

/* The ring, empty. */
struct error *agent_puppet_enter(struct agent *agent, struct ring *ret);

/* What agent_text() does (agent/blob.c): note the string at address, at the place `record` of the puppet. */
struct error *agent_puppet_text(struct task *task, uint64_t address, uint64_t record);

#endif
