#include "tracer/sysbuf_sites.h"

#include <stdlib.h>
#include <string.h>

void sysbuf_sites_deinit(struct sysbuf_sites *sites) {
    free(sites->sites);
    free(sites->areas);
    memset(sites, 0, sizeof(*sites));
}

/* ---- areas ---- */

struct error *sysbuf_sites_add_area(struct sysbuf_sites *sites, uint64_t start) {
    struct sysbuf_area *areas = reallocarray(sites->areas, sites->area_count + 1, sizeof(*areas));
    if (!areas)
        return &error_no_memory;
    sites->areas = areas;
    areas[sites->area_count++] = (struct sysbuf_area){.start = start};
    return NULL;
}

/* The gap next to the site whose upper end is no stack, and whose lower end no heap: those grow. Some of a
 * large gap is left above it, for what the kernel maps next. */
uint64_t sysbuf_sites_find_room(const struct maps *maps, const struct sysbuf_site *site) {
    enum { SPARE = 0x100000, REACH = 0x70000000 };
    uint64_t best = 0, best_distance = REACH;
    for (size_t i = 1; i < maps->count; i++) {
        const struct mapping *below = &maps->mappings[i - 1], *above = &maps->mappings[i];
        uint64_t gap = above->start - below->end, start = above->start - SYSBUF_AREA_SIZE;
        if (gap < SYSBUF_AREA_SIZE || strcmp(above->name, "[stack]") == 0 ||
            strcmp(above->name, "[heap]") == 0 || (strcmp(below->name, "[heap]") == 0 && gap < REACH))
            continue;
        if (gap >= 4 * SPARE)
            start -= SPARE;
        uint64_t distance = start > site->address ? start - site->address : site->address - start;
        if (distance < best_distance) {
            best = start;
            best_distance = distance;
        }
    }
    return best;
}

uint64_t sysbuf_sites_find_slot(const struct sysbuf_sites *sites, const struct sysbuf_site *site) {
    for (size_t i = 0; i < sites->area_count; i++)
        for (size_t k = 0; k < SYSBUF_AREA_SLOTS; k++) {
            uint64_t slot = sites->areas[i].start + k * SYSBUF_SLOT_SIZE;
            if (!sites->areas[i].used[k] && sysbuf_site_fits(site, slot))
                return slot;
        }
    return 0;
}

static void note_used(struct sysbuf_sites *sites, uint64_t slot) {
    for (size_t i = 0; i < sites->area_count; i++)
        if (slot - sites->areas[i].start < SYSBUF_AREA_SIZE)
            sites->areas[i].used[(slot - sites->areas[i].start) / SYSBUF_SLOT_SIZE] = true;
}

/* ---- sites ---- */

bool sysbuf_sites_has(const struct sysbuf_sites *sites, uint64_t address) {
    for (size_t i = 0; i < sites->count; i++)
        if (sites->sites[i].address == address)
            return true;
    return false;
}

struct error *sysbuf_sites_plant(struct sysbuf_sites *sites, struct task *task, struct sysbuf_site *site,
                                 uint64_t slot) {
    uint8_t code[SYSBUF_SLOT_SIZE];
    if (sites->count == sites->room) {
        size_t room = sites->room ? sites->room * 2 : 32;
        struct sysbuf_site *more = reallocarray(sites->sites, room, sizeof(*more));
        if (!more)
            return &error_no_memory;
        sites->sites = more;
        sites->room = room;
    }
    TRY(sysbuf_site_build(site, slot, code));
    TRY(task_write(task, slot, code, sizeof(code)));
    note_used(sites, slot);
    sites->sites[sites->count++] = *site;
    return task_write(task, site->start, site->patch, site->length);
}

static void restore(struct task *task, const struct sysbuf_site *site) {
    uint8_t now[WINDOW_BYTES];
    if (task_read(task, site->start, now, site->length) == site->length &&
        memcmp(now, site->patch, site->length) == 0)
        error_free(task_write(task, site->start, site->original, site->length));
}

/* A slot stays what it is: somebody may stand in it. */
void sysbuf_sites_restore(struct sysbuf_sites *sites, struct task *task, uint64_t start, uint64_t end,
                          bool forget) {
    for (size_t i = sites->count; i-- > 0;) {
        const struct sysbuf_site *site = &sites->sites[i];
        if (site->start >= end || site->start + site->length <= start)
            continue;
        restore(task, site);
        if (forget)
            sites->sites[i] = sites->sites[--sites->count];
    }
}

/* ---- places ---- */

const struct sysbuf_site *sysbuf_sites_at(const struct sysbuf_sites *sites, uint64_t rip) {
    for (size_t i = 0; i < sites->count; i++)
        if (rip - sites->sites[i].slot < SYSBUF_SLOT_SIZE)
            return &sites->sites[i];
    return NULL;
}

bool sysbuf_sites_hold(const struct sysbuf_sites *sites, uint64_t rip) {
    for (size_t i = 0; i < sites->area_count; i++)
        if (rip - sites->areas[i].start < SYSBUF_AREA_SIZE)
            return true;
    return rip - SYSBUF_CODE < SYSBUF_CODE_SIZE;
}

uint64_t sysbuf_sites_moved(const struct sysbuf_sites *sites, uint64_t rip) {
    for (size_t i = 0; i < sites->count; i++)
        if (rip - sites->sites[i].start < sites->sites[i].length)
            return sysbuf_site_moved(&sites->sites[i], rip);
    return 0;
}

bool sysbuf_sites_own(const struct sysbuf_sites *sites, uint64_t start, uint64_t end) {
    if (start >= SYSBUF_START && end <= SYSBUF_END)
        return true;
    for (size_t i = 0; i < sites->area_count; i++)
        if (start >= sites->areas[i].start && end <= sites->areas[i].start + SYSBUF_AREA_SIZE)
            return true;
    return false;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

bool sysbuf_sites_touch(const struct sysbuf_sites *sites, uint64_t start, uint64_t size) {
    if (overlap(start, size, SYSBUF_START, SYSBUF_END - SYSBUF_START))
        return true;
    for (size_t i = 0; i < sites->area_count; i++)
        if (overlap(start, size, sites->areas[i].start, SYSBUF_AREA_SIZE))
            return true;
    return false;
}
