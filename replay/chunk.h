/* chunk: the container of logs and snapshots: a file of checksummed, zstd-compressed chunks.
 *
 * A file is a header (magic, kind, format version, feature mask) and chunks; each chunk is a header (magic,
 * sequence number, sizes, number of records, XXH3 of header and payload) and a zstd frame that holds whole
 * records; a record is a varint length and its bytes. A chunk is written with one write(2): a writer that is
 * killed leaves whole chunks and at most one short one. reel-recording(5) documents the bytes. */
#ifndef REEL_REPLAY_CHUNK_H
#define REEL_REPLAY_CHUNK_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

enum chunk_file_kind { CHUNK_FILE_LOG = 1, CHUNK_FILE_SNAPSHOT, CHUNK_FILE_MEMORY };

#define RECORDING_FORMAT_VERSION 1
/* Bits that a reader must know to read the file; unknown bits are refused. */
#define FEATURE_PROCESSES                                                                                    \
    1ull                      /* more than one process; a snapshot says whose it is and where the heap ends */
#define FEATURE_THREADS 2ull  /* events of threads, and of calls that block */
#define FEATURE_POINTS  4ull  /* signals may be at arbitrary points; what calls write is hashed */
#define FEATURE_JOINED  8ull  /* several processes in one log */
#define FEATURE_FILTERS 16ull /* calls may be answered by seccomp filters, and the vdso's by reel */
#define RECORDING_FEATURES                                                                                   \
    (FEATURE_PROCESSES | FEATURE_THREADS | FEATURE_POINTS | FEATURE_JOINED | FEATURE_FILTERS)

/* Bytes of a recording are counted here and refused beyond the limit (--max-size): shared by all writers of
 * one recording. */
struct size_budget {
    _Atomic uint64_t used; /* by whatever thread */
    uint64_t limit;        /* bytes, 0: none */
};

/* Count size bytes. ERROR_LIMIT when that would pass the limit (nothing is counted then). */
struct error *size_budget_take(struct size_budget *budget, uint64_t size);

/* "PATH-OF-DIRFD/name" (just name for AT_FDCWD or where the path is not known) to put into messages: a fresh
 * string, NULL when memory is out. */
char *chunk_file_label(int dirfd, const char *name);

struct chunk_writer;

/* Create file `name` (mode 0600, must not exist) in directory dirfd. budget is not owned and outlives the
 * writer. */
struct error *chunk_writer_create(int dirfd, const char *name, enum chunk_file_kind kind,
                                  struct size_budget *budget, struct chunk_writer **ret);

/* Writes the chunks of logs on a thread of its own, so that the program does not wait for their compression.
 * At most 8 MiB wait there for their turn; who has more has to wait as well. One thread calls all functions
 * of a queue and of its writers. */
struct chunk_queue;

/* processors: where its thread may run. */
struct error *chunk_queue_create(const cpu_set_t *processors, struct chunk_queue **ret);
/* All its writers are closed. NULL is fine. */
void chunk_queue_destroy(struct chunk_queue *queue);
/* The writer leaves full chunks to this queue from now on; what fails there is told by one of the later
 * calls. */
void chunk_writer_use_queue(struct chunk_writer *writer, struct chunk_queue *queue);

/* Append one record (copied). May write a chunk. After an error (disk full, limit) the writer is failed:
 * every whole chunk written before is kept, the file is cut back to the last whole one, and all later calls
 * return an error again. */
struct error *chunk_writer_append(struct chunk_writer *writer, const void *record, size_t size);

/* Write what is pending as a chunk, however small. Nothing pending: nothing happens. */
struct error *chunk_writer_flush(struct chunk_writer *writer);

/* The same, but by the queue if there is one, soon. */
struct error *chunk_writer_push(struct chunk_writer *writer);

/* Is anything pending that neither is written nor waits in the queue? */
bool chunk_writer_pending(const struct chunk_writer *writer);

/* Records that are in whole chunks on disk, and the bytes of the file. Both wait for the queue. */
uint64_t chunk_writer_records(struct chunk_writer *writer);
uint64_t chunk_writer_bytes(struct chunk_writer *writer);

/* Flush and close, free; NULL is fine. The error is that of the flush (the writer is freed anyway). */
struct error *chunk_writer_close(struct chunk_writer *writer);

struct chunk_reader;

/* Open file `name` in dirfd for reading. ERROR_NOT_FOUND when it is not there, ERROR_BAD_DATA when it is no
 * such file, ERROR_UNSUPPORTED when a newer reel wrote it. */
struct error *chunk_reader_open(int dirfd, const char *name, enum chunk_file_kind kind,
                                struct chunk_reader **ret);

/* The next record: *ret points to its bytes, valid until the next call; NULL at the end. A short last chunk
 * is an end too (chunk_reader_cut() then says true); a chunk that is damaged is ERROR_BAD_DATA naming file
 * and offset. An empty file is what a recorder leaves that was killed at once: it opens, and its end is cut.
 */
struct error *chunk_reader_next(struct chunk_reader *reader, const uint8_t **ret, size_t *ret_size);

/* Did the file end in the middle of a chunk? Meaningful after the end was reached. */
bool chunk_reader_cut(const struct chunk_reader *reader);

/* Go back to the first record. */
struct error *chunk_reader_rewind(struct chunk_reader *reader);

void chunk_reader_close(struct chunk_reader *reader);

#endif
