/* snapshot: a process at one instant, and how it is written to and read from `N.snapshot`.
 *
 * A snapshot refers to files of the store for what is mapped from files, and holds the contents of pages that
 * the process has of its own. Writer and reader stand in snapshot.c. reel-recording(5) documents the bytes.
 */
#ifndef REEL_REPLAY_SNAPSHOT_H
#define REEL_REPLAY_SNAPSHOT_H

#include "replay/chunk.h"
#include "replay/recording.h"
#include "replay/store.h"
#include "tracer/maps.h"
#include "tracer/task.h"

#include <stdbool.h>
#include <stdint.h>

struct snapshot_mapping {
    uint64_t start, end;
    int protection;
    bool shared;
    bool stack;      /* the main stack: grows down to end - stack_limit */
    uint32_t file;   /* id in the store, 0: anonymous */
    uint64_t offset; /* into the file */
};

struct snapshot_file {
    uint32_t id;
    uint64_t size, hash;
    char *path; /* owned */
};

struct snapshot {
    int32_t tid;
    struct user_regs_struct registers;
    uint8_t *xstate; /* owned: too large for a small stack */
    size_t xstate_size;
    uint64_t brk_start;               /* where the heap begins (mm->start_brk) */
    uint64_t stack_limit;             /* RLIMIT_STACK, bytes */
    uint64_t brk_end;                 /* where the heap ends; 0: it has none yet */
    uint64_t entry;                   /* AT_ENTRY of the program; 0: not told */
    struct recording_process process; /* whose it is, as far as known by then; domain 0: not told */
    struct snapshot_mapping *mappings;
    size_t mapping_count;
    struct snapshot_file *files;
    size_t file_count;
};

void snapshot_deinit(struct snapshot *snapshot);
struct error *snapshot_add_mapping(struct snapshot *snapshot, const struct snapshot_mapping *mapping);
/* path is copied. A file that is listed already is updated. */
struct error *snapshot_add_file(struct snapshot *snapshot, uint32_t id, uint64_t size, uint64_t hash,
                                const char *path);

/* Fill registers, xstate, brk_start and stack_limit from a stopped task. */
struct error *snapshot_take_task(struct snapshot *snapshot, struct task *task);

/* Write the snapshot, and of each mapping the pages that the task has of its own (of anonymous shared memory:
 * all), as they are now. */
struct error *snapshot_write(const struct snapshot *snapshot, struct task *task, int dirfd, const char *name,
                             struct size_budget *budget);

/* Read whose snapshot it is, and no more. ERROR_NOT_FOUND, ERROR_BAD_DATA. */
struct error *snapshot_read_process(int dirfd, const char *name, struct recording_process *ret);

/* Read a snapshot. For each run of pages `page` is called, after everything else has been read: ret is then
 * complete. The values are checked for sense (aligned, ordered, disjoint, in user space). */
typedef struct error *snapshot_pages(void *context, const struct snapshot *snapshot, uint64_t address,
                                     const void *bytes, size_t size);
struct error *snapshot_read(int dirfd, const char *name, snapshot_pages *pages, void *context,
                            struct snapshot *ret);

#endif
