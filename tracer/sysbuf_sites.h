/* sysbuf_sites: the patched call sites of one process, and the areas in which their slots are. */
#ifndef REEL_TRACER_SYSBUF_SITES_H
#define REEL_TRACER_SYSBUF_SITES_H

#include "tracer/maps.h"
#include "tracer/sysbuf.h"
#include "tracer/task.h"

#define SYSBUF_AREA_SIZE  SYSBUF_SLOTS_SIZE
#define SYSBUF_AREA_SLOTS (SYSBUF_AREA_SIZE / SYSBUF_SLOT_SIZE)
#define SYSBUF_AREAS_MOST 16

struct sysbuf_area {
    uint64_t start;
    bool used[SYSBUF_AREA_SLOTS];
};

struct sysbuf_sites {
    struct sysbuf_site *sites;
    size_t count, room;
    struct sysbuf_area *areas;
    size_t area_count;
};

void sysbuf_sites_deinit(struct sysbuf_sites *sites);

/* Slots can be there from now on. */
struct error *sysbuf_sites_add_area(struct sysbuf_sites *sites, uint64_t start);
/* Where an area for the site would do no harm: 0, nowhere. */
uint64_t sysbuf_sites_find_room(const struct maps *maps, const struct sysbuf_site *site);
/* A free slot that the site can reach; 0: there is none. */
uint64_t sysbuf_sites_find_slot(const struct sysbuf_sites *sites, const struct sysbuf_site *site);

/* Is there a site whose syscall instruction has this address? */
bool sysbuf_sites_has(const struct sysbuf_sites *sites, uint64_t address);
/* Write the slot and the patch, and remember the site. */
struct error *sysbuf_sites_plant(struct sysbuf_sites *sites, struct task *task, struct sysbuf_site *site,
                                 uint64_t slot);
/* Make the code in [start, end) the program's own again, in a task that is a copy of the process; `forget`:
 * and it is not patched any more. What cannot be written is not there any more. */
void sysbuf_sites_restore(struct sysbuf_sites *sites, struct task *task, uint64_t start, uint64_t end,
                          bool forget);

/* The site of whose slot this is an address, or NULL. */
const struct sysbuf_site *sysbuf_sites_at(const struct sysbuf_sites *sites, uint64_t rip);
/* Is this code of ours: the blob, or an area? */
bool sysbuf_sites_hold(const struct sysbuf_sites *sites, uint64_t rip);
/* Where in a slot the program goes on from rip in the middle of a patch; 0: it is not there. */
uint64_t sysbuf_sites_moved(const struct sysbuf_sites *sites, uint64_t rip);
/* Do all of these bytes belong to what is ours; does one of them? */
bool sysbuf_sites_own(const struct sysbuf_sites *sites, uint64_t start, uint64_t end);
bool sysbuf_sites_touch(const struct sysbuf_sites *sites, uint64_t start, uint64_t size);

#endif
