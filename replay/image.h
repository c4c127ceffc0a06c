/* image: all writable memory of a process at one instant, for comparing: the end of a recording with the end
 * of its replay
 * (--check-memory), a parent before with after its vfork child ran. */
#ifndef REEL_REPLAY_IMAGE_H
#define REEL_REPLAY_IMAGE_H

#include "replay/chunk.h"
#include "tracer/task.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

/* A writable mapping, or several that touch. */
struct image_region {
    uint64_t start, end;
    bool stack;    /* the main stack: its lower end is where it has grown to so far, the rest reads as zero */
    char name[64]; /* of the mapping, cut; for messages */
};

/* Bytes [address, address + size) that may be anything; all other bytes of the regions are zero. */
struct image_run {
    uint64_t address;
    size_t size;
    size_t offset; /* into bytes */
};

struct image {
    struct image_region *regions; /* sorted */
    size_t region_count, region_room;
    struct image_run *runs; /* sorted */
    size_t run_count, run_room;
    struct buffer bytes;
    struct user_regs_struct registers;
};

void image_deinit(struct image *image);

/* Take the image of a stopped process. [skip_start, skip_end) is left out (the puppet's stub page). */
struct error *image_take(struct task *task, uint64_t skip_start, uint64_t skip_end, struct image *ret);

/* A range of bytes that differs. */
typedef struct error *image_difference(void *context, uint64_t address, uint64_t size);

/* Call report for every word (8 bytes) that differs between a and b, neighbours joined; regions that are in
 * one only count as zero in the other. */
struct error *image_compare(const struct image *a, const struct image *b, image_difference *report,
                            void *context);

/* ERROR_DIVERGED when the two have different regions (but for the lower end of the stack) or a word of memory
 * that differs: the message names the first, and how many there are. */
struct error *image_check(const struct image *recorded, const struct image *replayed);

struct error *image_write(const struct image *image, int dirfd, const char *name, struct size_budget *budget);
struct error *image_read(int dirfd, const char *name, struct image *ret);

#endif
