/* store: the mapped files that a recording keeps, NAME.reel/files/N.
 *
 * A program maps parts of files; what it can see through those mappings is kept, at the same offsets, in a
 * sparse file: cloned (FICLONE) where the file system can and the whole file is wanted, else copied
 * (copy_file_range, holes kept). Hard links are not used: a link follows later changes made in place. The
 * contents are guarded by a hash that does not see holes, so a recording can be copied by any tool. */
#ifndef REEL_REPLAY_STORE_H
#define REEL_REPLAY_STORE_H

#include "base/error.h"
#include "replay/chunk.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* One stored file, on the writing side. */
struct stored_file {
    uint32_t id; /* from 1 */
    /* what it was when it was copied: a file that has changed since gets a new id */
    dev_t device;
    ino_t inode;
    struct timespec mtime, ctime;
    uint64_t size; /* of the original, and of the stored file (its tail may be a hole) */
    char *path;    /* as the program knew it */
    struct {
        uint64_t start, end;
    } * ranges; /* copied so far, sorted, disjoint, page aligned */
    size_t range_count;
    bool forgotten;  /* see file_store_forget() */
    uint32_t domain; /* that it was stored for first */
    bool shared; /* another one knows it, too: it must not grow, or the hash in the other's log is wrong */
    bool hashed;
    uint64_t hash;       /* when hashed */
    uint32_t generation; /* counts how often it has grown, from 1 */
};

struct file_store {
    int filesfd; /* not owned */
    struct size_budget *budget;
    struct stored_file **files;
    size_t count;
    uint32_t domain; /* set by the user: on whose behalf files are added */
};

void file_store_init(struct file_store *store, int filesfd, struct size_budget *budget);
void file_store_deinit(struct file_store *store);

/* Make sure that bytes [offset, offset + size) of the file open at fd (readable or not: it is reopened
 * through /proc/self/fd) are in the store. *ret is owned by the store. *ret_changed says whether anything was
 * copied now, so that a new EVENT_FILE with the new hash must be logged. A file that another domain knows
 * does not grow: what more is wanted of it becomes a new one. Disk full and limits as ERROR_SYSTEM /
 * ERROR_LIMIT; a file that is partly copied then does not matter, no event refers to it. */
struct error *file_store_add(struct file_store *store, int fd, const char *path, uint64_t offset,
                             uint64_t size, struct stored_file **ret, bool *ret_changed);

/* The file with this id, or NULL. */
struct stored_file *file_store_find(const struct file_store *store, uint32_t id);

/* File `id` was written to in ways that its time stamps need not show (through a mapping, on a file system
 * such as tmpfs): when it is added again it is a new one. */
void file_store_forget(struct file_store *store, uint32_t id);

/* The same as file_store_hash() of a file of this store, computed once. */
struct error *file_store_file_hash(struct file_store *store, struct stored_file *file, uint64_t *ret);

/* Hash of a stored file: XXH3 64 over (page index as u64, 4096 bytes, zero-filled at the end) of every 4 KiB
 * page that is not all zeros, then the file size as u64. Holes are skipped with SEEK_DATA. */
struct error *file_store_hash(int filesfd, uint32_t id, uint64_t *ret);

/* Open stored file `id` for reading after checking its size and hash. ERROR_NOT_FOUND, ERROR_BAD_DATA. */
struct error *file_store_open(int filesfd, uint32_t id, uint64_t size, uint64_t hash, int *ret_fd);

#endif
