/* agent_mute: which calls are noted at all, by --when, --sample and --max-depth. The agent decides so where a record
 * is about to be made, and reel where a trap was hit; trace_calls.c decides the same way on what arrives.
 *
 * A call that is not noted mutes its stack: neither it nor what it calls is, until it is left. It is known by rsp at
 * its entry, as a frame is. Only the task's own stack [low, high) is dealt with here: rsp elsewhere (a signal stack, a
 * coroutine) is noted, and reel decides. A frame that was left in another way than by its exits is found out when rsp
 * is above it. Included by the agent: freestanding. */
#ifndef REEL_TRACER_AGENT_AGENT_MUTE_H
#define REEL_TRACER_AGENT_AGENT_MUTE_H

#include "tracer/agent/agent_abi.h"

/* The general registers of arguments, in their order. */
struct agent_arguments {
    uint64_t values[6];
};

static inline int agent_mute_in_stack(const struct agent_block *block, uint64_t rsp) {
    return rsp >= block->low && rsp < block->high;
}

/* An entry at rsp: 0: it is muted by a frame around it. */
static inline int agent_mute_enter(struct agent_block *block, uint64_t *frames, uint64_t rsp) {
    if (block->muted && rsp < block->muted)
        return 0;
    block->muted = 0;
    if (rsp >= block->sampled)
        block->sampled = 0;
    while (block->depth && frames[block->depth - 1] <= rsp)
        block->depth--;
    return 1;
}

/* Any other place; leaves: the frame whose entry was at rsp is left there. 0: it is muted. */
static inline int agent_mute_pass(struct agent_block *block, uint64_t *frames, uint64_t rsp, int leaves) {
    int is_muted = block->muted && rsp <= block->muted;
    if (block->muted && (rsp > block->muted || (leaves && rsp == block->muted)))
        block->muted = 0;
    if (block->sampled && (rsp > block->sampled || (leaves && rsp == block->sampled)))
        block->sampled = 0;
    while (block->depth &&
           (frames[block->depth - 1] < rsp || (leaves && frames[block->depth - 1] == rsp)))
        block->depth--;
    return !is_muted;
}

static inline int agent_mute_holds(const struct agent_comparison *comparison, uint64_t value) {
    unsigned unused = 64 - 8u * comparison->size;
    int64_t wide = (int64_t)(value << unused) >> unused;
    value = value << unused >> unused;
    uint64_t constant = (uint64_t)comparison->constant;
    int less = comparison->is_signed ? wide < comparison->constant : value < constant;
    int equal = comparison->is_signed ? wide == comparison->constant : value == constant;
    return (comparison->relation & (less ? AGENT_LESS : equal ? AGENT_EQUAL : AGENT_GREATER)) != 0;
}

static inline int agent_mute_all_hold(const struct agent_rule *rule, uint64_t rsp,
                                      const struct agent_arguments *arguments) {
    for (uint32_t i = 0; i < rule->count; i++) {
        const struct agent_comparison *comparison = &rule->comparisons[i];
        uint64_t value = 0;
        if (comparison->source)
            value = arguments->values[comparison->source - 1];
        else
            __builtin_memcpy(&value, (const void *)(rsp + (uint64_t)(int64_t)comparison->offset), 8);
        if (!agent_mute_holds(comparison, value))
            return 0;
    }
    return 1;
}

/* A call that is not muted by a frame around it: 0: it is from here on. The memory of comparisons is read, which the
 * agent can. */
static inline int agent_mute_decide(struct agent_block *block, uint64_t *frames, uint64_t *counters, uint64_t rsp,
                                    const struct agent_rule *rule, const struct agent_arguments *arguments) {
    int noted = 1;
    if (rule->sample && !block->sampled) {
        noted = __atomic_fetch_add(&counters[rule->counter], 1, __ATOMIC_RELAXED) % rule->sample == 0;
        if (noted)
            block->sampled = rsp;
    }
    noted = noted && agent_mute_all_hold(rule, rsp, arguments) &&
            (rule->depth == AGENT_NO_DEPTH || rule->is_open || block->depth <= rule->depth);
    if (!noted)
        block->muted = rsp;
    else if (rule->depth != AGENT_NO_DEPTH && block->depth < AGENT_FRAMES_MOST)
        frames[block->depth++] = rsp;
    return noted;
}

#endif
