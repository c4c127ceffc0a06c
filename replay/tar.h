/* tar: archives of plain files (POSIX.1-2017, pax, "ustar Interchange Format"), compressed with zstd (RFC
 * 8878) when written, and perhaps when read. Written are names of up to 255 bytes and files of any size (in
 * base 256, as GNU tar does, from 8 GiB on). Read is what is written here and what tar programs make of such
 * files: other kinds of entries are told of, not understood; pax headers are left out. */
#ifndef REEL_REPLAY_TAR_H
#define REEL_REPLAY_TAR_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TAR_NAME_MOST 256 /* with its NUL */

/* ---- writing ---- */

struct tar_writer;

enum tar_compression { TAR_ZSTD, TAR_GZIP };

/* To the file open at fd, which stays the caller's; `what` names it in errors, and must outlive the writer.
 */
struct error *tar_writer_create(int fd, const char *what, enum tar_compression how, struct tar_writer **ret);
/* Begin a file of `size` bytes, which tar_writer_put() then gets. ERROR_UNSUPPORTED: its name is too long.
 * mode: permissions. */
struct error *tar_writer_begin(struct tar_writer *writer, const char *name, unsigned mode, uint64_t size,
                               time_t mtime);
struct error *tar_writer_put(struct tar_writer *writer, const void *bytes, size_t size);
/* A whole file, of the bytes that the one open at fd has. `name` is for errors as well. ERROR_BAD_DATA: it is
 * no plain file, or becomes shorter meanwhile. *ret_size (may be NULL): its bytes. */
struct error *tar_writer_file(struct tar_writer *writer, int fd, const char *name, unsigned mode,
                              uint64_t *ret_size);
/* All files are whole: the archive ends here. */
struct error *tar_writer_finish(struct tar_writer *writer);
void tar_writer_destroy(struct tar_writer *writer); /* NULL is fine */

/* ---- reading ---- */

/* Do these first bytes of a file say that it is compressed with zstd? */
bool tar_is_compressed(const uint8_t *bytes, size_t size);

struct tar_reader;

struct tar_entry {
    char name[TAR_NAME_MOST];
    char kind; /* '0': a file, '5': a folder; others as in the header */
    uint64_t size;
};

struct error *tar_reader_create(int fd, const char *what, struct tar_reader **ret);
/* The next entry; what is left of the one before is skipped. False in *ret_more: there is none.
 * ERROR_BAD_DATA: it is damaged, or no archive. */
struct error *tar_reader_next(struct tar_reader *reader, struct tar_entry *ret, bool *ret_more);
/* Bytes of the current file, as many as there are left up to `size`: 0 at its end. */
struct error *tar_reader_get(struct tar_reader *reader, void *ret, size_t size, size_t *ret_size);
void tar_reader_destroy(struct tar_reader *reader); /* NULL is fine */

#endif
