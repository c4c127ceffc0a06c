/* jump_probes: the fast back end of the call tracer in one address space.
 *
 * What a stop at a site would look at is found out beforehand (trace_needs.c); code that notes just that in a
 * ring is put in front of the site's instruction (patch.h, emit_record.h); the records are taken out of the
 * rings and looked at as if they were stops (trace_rings.c). What cannot be done so is left to traps. */
#ifndef REEL_TRACER_JUMP_PROBES_H
#define REEL_TRACER_JUMP_PROBES_H

#include "tracer/agent.h"
#include "tracer/displaced.h"
#include "tracer/emit_record.h"
#include "tracer/patch.h"
#include "tracer/record_layout.h"

struct site;

/* One piece of code that was emitted. */
struct emission {
    struct site *site;
    unsigned kinds; /* enum site_kind: what is looked at by it */
    uint64_t bias;
    struct record_layout layout;
    bool has_displaced, has_destination;
    uint64_t destination; /* process address */
    struct displaced displaced;
    bool is_blamed; /* its records lacked something: told once */
    enum emit_filter filter;
    struct agent_rule *rule; /* owned; NULL: none */
};

/* Of a site, for each enum patch_edge: the id of what is emitted there, or 0. */
struct emission_ids {
    uint32_t ids[3];
};

/* Shared by a process and its forked children, which have the same code. */
struct emissions {
    struct emission **items;
    size_t count, room;
    uint32_t base;               /* a record's id is this, and its emission's index, and 1 */
    struct emission_ids **sites; /* what patch_site.user points to */
    size_t site_count, site_room;
    unsigned users;
};

struct jump_probes {
    struct patch_set *patches;
    struct agent *agent;
    struct emissions *emissions;
    bool is_active; /* code is patched */
};

#endif
