/* trace_rules: what --when, --sample and --max-depth make of calls, as the agent has it
 * (tracer/agent/agent_mute.h).
 *
 * Code that notes an entry asks the agent, who knows the rule of the function; what the agent cannot decide
 * (an argument that is in no register, a condition that is more than comparisons, a function whose last jump
 * may lead anywhere) is noted, and decided by reel, as everything is in a recording. Where a trap is hit reel
 * looks at, and tells, what the agent goes by. */
#ifndef REEL_TRACER_TRACE_RULES_H
#define REEL_TRACER_TRACE_RULES_H

#include "tracer/calltrace_state.h"

/* Set the filter and the rule of an emission whose kinds are set; the process has an agent. */
struct error *trace_rules_set(struct traced_process *process, struct emission *emission);

/* A trap was hit: false: it is in a call that the agent has muted. */
bool trace_rules_trapped(struct hit_context *context);
/* A trap at an entry was decided on: the agent goes by that from here on. */
void trace_rules_tell(const struct hit_context *context, const struct frame *frame);
/* Is this the call that --sample takes? One that was noted by the agent is. */
bool trace_rules_is_nth(const struct hit_context *context, struct traced_function *function);

#endif
