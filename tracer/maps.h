/* maps: the memory mappings of a process, as /proc/PID/maps tells them (proc(5)). */
#ifndef REEL_TRACER_MAPS_H
#define REEL_TRACER_MAPS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
    uint64_t start, end; /* [start, end), page aligned */
    int protection;      /* PROT_READ | PROT_WRITE | PROT_EXEC */
    bool shared;
    uint64_t offset; /* into the file */
    dev_t device;
    ino_t inode; /* 0: no file */
    char *name;  /* path, "[stack]", or "" */
};

struct maps {
    struct mapping *mappings; /* sorted by address */
    size_t count, room;
};

/* Read the mappings of a process; ret is initialised by this and released with maps_deinit(). */
struct error *maps_read(pid_t pid, struct maps *ret);
/* The same for a task that is stopped under ptrace by this thread. TASK_GONE when it has been killed
 * meanwhile: of a process that dies the file holds a part of the mappings, or none. */
struct error *maps_read_stopped(pid_t tid, struct maps *ret);
void maps_deinit(struct maps *maps);

/* The mapping that holds address, or NULL. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);

/* Take [address, address + size), and the rest of the words of 8 bytes that it touches, out of the list. */
struct error *maps_cut(struct maps *maps, uint64_t address, uint64_t size);

/* Kernel pages that a process cannot be given: [vvar], [vvar_vclock], [vsyscall]. */
bool mapping_is_kernel_data(const struct mapping *mapping);

/* Open the file behind a mapping for reading: a descriptor, or -1. */
int mapping_open(pid_t pid, const struct mapping *mapping);

/* Which pages of [start, start + count * 4096) the process has of its own: private pages that were written,
 * and pages of anonymous memory. Sets ret[i] for each page. Source: Documentation/admin-guide/mm/pagemap.rst.
 */
struct error *maps_own_pages(pid_t pid, uint64_t start, size_t count, bool *ret);

#endif
