/* gdb_files: the files that a debugger asks for, out of the recording: what the program had mapped, under the
 * names by which it knew them, and what the kernel tells of a process. Nothing of this machine is shown. */
#ifndef REEL_REPLAY_GDB_FILES_H
#define REEL_REPLAY_GDB_FILES_H

#include "base/buffer.h"
#include "replay/travel.h"

#define GDB_FILES_MOST 64 /* open at a time */

struct gdb_file {
    bool open;
    int fd;             /* -1: it is in memory */
    struct buffer text; /* owned */
    uint64_t size;
};

struct gdb_files {
    struct travel *travel; /* not owned */
    struct gdb_file files[GDB_FILES_MOST];
};

void gdb_files_init(struct gdb_files *files, struct travel *travel);
void gdb_files_deinit(struct gdb_files *files);

/* A number from 0, or -errno. */
int gdb_files_open(struct gdb_files *files, const char *path);
/* 0 or -errno. */
int gdb_files_close(struct gdb_files *files, uint64_t number);
/* Bytes read, or -errno. */
int64_t gdb_files_read(struct gdb_files *files, uint64_t number, uint64_t offset, void *ret, size_t size);
/* -errno, or 0 and the size. */
int gdb_files_size(const struct gdb_files *files, uint64_t number, uint64_t *ret);

/* The program's own file, as it knew it; "" when that cannot be told. */
void gdb_files_program(struct travel *travel, char *ret, size_t size);
/* The auxiliary vector, found on the stack; nothing when it cannot be. */
void gdb_files_auxv(struct travel *travel, struct buffer *ret);
/* As /proc/PID/maps has it, with the recorded names. */
struct error *gdb_files_maps(struct travel *travel, struct buffer *ret);

#endif
