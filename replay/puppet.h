/* puppet: the process in which a recording runs again.
 *
 * It starts as a fork of reel, loses its whole address space but for one stub page (a syscall instruction
 * through which the replayer makes it map memory), and is given the memory and registers of a snapshot. None
 * of the program's system calls is executed in it: it runs under PTRACE_SYSEMU. It shares reel's descriptor
 * table (CLONE_FILES), so that what reel has open can be mapped.
 *
 * Nothing of the host is within its reach: no call but the replayer's own memory calls is ever made. */
#ifndef REEL_REPLAY_PUPPET_H
#define REEL_REPLAY_PUPPET_H

#include "replay/snapshot.h"
#include "replay/store.h"
#include "tracer/task.h"

#include <stdbool.h>

/* The stub page. The recorder refuses programs that map it. */
#define PUPPET_STUB      0x20000ull
#define PUPPET_STUB_SIZE 4096ull

/* A stored file that is open for mapping. */
struct puppet_file {
    uint32_t id;
    int fd;   /* the stored file, read-only; -1 not opened yet */
    int copy; /* a memfd with a copy of it, for shared mappings and files that change; -1 until one is wanted
               */
    uint64_t size;
    bool changes;
};

/* A System V segment: memory that all processes which attach it share. */
struct puppet_segment {
    uint64_t id; /* as recorded */
    int fd;      /* a memfd */
    uint64_t size;
};

/* What the processes of a recorded domain map in common, each of them a puppet. */
struct puppet_files {
    size_t users; /* puppets */
    struct puppet_file *list;
    size_t count;
    struct puppet_segment *segments;
    size_t segment_count;
};

struct puppet {
    struct task *task;   /* the one that acts: memory is reached, and calls are made, through it */
    struct task **tasks; /* all that live, owned; the first one ends last */
    size_t task_count, task_room;
    bool alive;
    int filesfd; /* of the recording; not owned */
    struct puppet_files *files;
    uint64_t entry;                  /* AT_ENTRY of the program, 0: not told */
    uint64_t brk_start, brk_end;     /* of the heap; the end is page aligned */
    uint64_t stack_start, stack_end; /* as mapped: as far down as the stack may grow */
};

/* Make an empty puppet. filesfd is the recording's folder of files. */
struct error *puppet_create(struct puppet *puppet, int filesfd);

/* Make an empty puppet that shares files, and segments, with another one. */
struct error *puppet_create_beside(struct puppet *puppet, const struct puppet *other);

/* Another process with a copy of the puppet's memory, but for what the puppet has mapped shared, which the
 * two then share. It has one thread, with the registers of puppet->task, and is destroyed by itself. */
struct error *puppet_split(struct puppet *puppet, struct puppet *ret);

/* Kill it and release everything; fine on a zeroed struct or one that is dead. */
void puppet_destroy(struct puppet *puppet);

/* Give it memory and registers of the snapshot `name` in dirfd; *ret_tid is the recorded tid. Once per
 * puppet. */
struct error *puppet_load(struct puppet *puppet, int dirfd, const char *name, int32_t *ret_tid);

/* One more thread of the puppet, made by puppet->task, with its registers and all signals unblocked; it
 * stands still. Owned by the puppet. */
struct error *puppet_add_task(struct puppet *puppet, struct task **ret);
/* The thread ends, unless it is the first one, which just stays where it is. It must not be puppet->task. */
struct error *puppet_end_task(struct puppet *puppet, struct task *task);
/* A frozen twin of the puppet as it is now: a process with a copy of its memory and the same registers, which
 * executes nothing. It shares the puppet's files. *ret is a task of its own, ended with puppet_end_twin().
 * ERROR_UNSUPPORTED: some of the memory is shared, and no copy would be made. */
struct error *puppet_fork(struct puppet *puppet, struct task *ret);
/* Make a twin of the twin the puppet, with this one thread; the process that was it ends. */
struct error *puppet_return_to(struct puppet *puppet, struct task *twin);
void puppet_end_twin(struct task *twin);

/* A file of the store, with the size that it has at the recording's end; the tape has checked it. A file that
 * `changes` while it is mapped (events write to it) is mapped from a copy in memory, by shared and private
 * mappings alike, so that all of them follow. To be told before puppet_load(); files that only the snapshot
 * lists are added by it. */
struct error *puppet_add_file(struct puppet *puppet, uint32_t id, uint64_t size, bool changes);

/* Memory calls in the puppet, at the given addresses. file 0 is anonymous memory. Sizes are rounded up to
 * pages. */
struct error *puppet_map(struct puppet *puppet, uint64_t address, uint64_t size, int protection, bool shared,
                         uint32_t file, uint64_t offset);
/* Map the System V segment `id`, which has contents already when the puppet, or one that it shares files
 * with, has mapped it before. */
struct error *puppet_attach(struct puppet *puppet, uint64_t id, uint64_t address, uint64_t size);
struct error *puppet_unmap(struct puppet *puppet, uint64_t address, uint64_t size);
/* Write to its memory, but never to the stub. */
struct error *puppet_write(struct puppet *puppet, uint64_t address, const void *bytes, size_t size);
/* Execute a memory call on [args[0], args[0] + args[1]) as it is, and fail when its result is not `expected`.
 */
struct error *puppet_call(struct puppet *puppet, long number, const uint64_t args[6], int64_t expected);
/* The heap now ends at `end` (any address). */
struct error *puppet_set_brk(struct puppet *puppet, uint64_t end);
/* The stack may now grow to `limit` bytes; it has grown down to `grown` already. */
struct error *puppet_set_stack_limit(struct puppet *puppet, uint64_t limit, uint64_t grown);

/* Write to, or resize, the copy of a file that changes. */
struct error *puppet_file_write(struct puppet *puppet, uint32_t file, uint64_t offset, const void *bytes,
                                size_t size);
struct error *puppet_file_resize(struct puppet *puppet, uint32_t file, uint64_t size);

/* The stored file that a mapping of the puppet shows; 0: none. */
struct mapping;
uint32_t puppet_file_of(const struct puppet *puppet, const struct mapping *mapping);

#endif
