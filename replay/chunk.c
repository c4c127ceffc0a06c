#include "replay/chunk.h"

#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

/* The \r\n and the byte above 127 show a file that went through a text-mode copy, as in PNG. */
static const uint8_t file_magic[8] = {0x89, 'R', 'E', 'E', 'L', '\r', '\n', 0x1a};

#define CHUNK_MAGIC 0x4b484352u /* "RCHK" */

#define FILE_HEADER_SIZE  32u
#define CHUNK_HEADER_SIZE 48u

/* A chunk is written when this much is pending. */
#define CHUNK_RAW_SIZE (256u << 10)
#define CHUNK_RAW_MAX  (UINT64_C(4) << 30)
/* The largest record: its length takes up to 10 bytes of the chunk. */
#define RECORD_MAX (CHUNK_RAW_MAX - 16)

/* Buffers that one huge record has made larger than this are given back. */
#define BUFFER_KEEP (4u << 20)

/* A zstd block takes at least 4 bytes and yields at most 128 KiB. */
#define RATIO_MAX 32768u

/* What a chunk header says; hash is that of the payload. */
struct chunk_header {
    uint32_t sequence;
    uint64_t records, raw_size, stored_size, hash;
};

static const char *kind_name(uint32_t kind) {
    static const char *const names[] = {
        [CHUNK_FILE_LOG] = "log", [CHUNK_FILE_SNAPSHOT] = "snapshot", [CHUNK_FILE_MEMORY] = "memory image"};
    return kind >= CHUNK_FILE_LOG && kind <= CHUNK_FILE_MEMORY ? names[kind] : "file of an unknown kind";
}

char *chunk_file_label(int dirfd, const char *name) {
    char link[64], folder[4096], *label;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
    ssize_t size = dirfd == AT_FDCWD || name[0] == '/' ? -1 : readlink(link, folder, sizeof(folder));
    if (size <= 0 || size == sizeof(folder))
        return strdup(name);
    return asprintf(&label, "%.*s/%s", (int)size, folder, name) < 0 ? NULL : label;
}

struct error *size_budget_take(struct size_budget *budget, uint64_t size) {
    uint64_t used = budget->used;
    do {
        if (budget->limit && (used > budget->limit || size > budget->limit - used))
            return error_hint(
                error_new(ERROR_LIMIT, "recording: the limit of %" PRIu64 " bytes is reached", budget->limit),
                "what was recorded up to here is kept; --max-size sets the limit");
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used + size));
    return NULL;
}

/* ---- writer ---- */

/* What a thread compresses with, for all writers: a recording of many processes has many, most of them
 * short-lived, and the memory of these is dear to get. */
struct compressor {
    ZSTD_CCtx *zstd;
    struct buffer out; /* a chunk as it is written */
};

static struct compressor own_compressor; /* of the thread that calls */

/* Records, as they are compressed into one chunk. */
struct chunk_records {
    struct buffer raw;
    uint64_t count;
};

/* Raw bytes in the queue. Not more: memory that is touched for the first time costs more than to compress it
 * does, so buffers are to come back soon. */
#define QUEUE_MOST (8u << 20)

struct chunk_queue {
    struct worker *worker;
    struct compressor compressor; /* of its thread */
    pthread_mutex_t mutex;        /* guards what follows */
    struct chunk_job *spare;      /* done jobs, with their buffers */
};

struct chunk_job {
    struct worker_job job; /* the first member */
    struct chunk_writer *writer;
    struct chunk_records records;
    struct chunk_job *next; /* of the spare ones */
};

/* What is written by the queue's thread is its own as long as a job of the writer waits there: the caller
 * looks at it behind worker_wait() only, but for `failed`. */
struct chunk_writer {
    int fd;
    char *label; /* path, for messages */
    struct size_budget *budget;
    struct chunk_records pending;
    struct chunk_queue *queue; /* or NULL */
    uint64_t ticket;           /* of the last job there */
    uint64_t records;          /* records on disk */
    uint64_t bytes;            /* of the file: all whole chunks */
    uint32_t sequence;         /* of the last chunk written; the first is 1 */
    struct error *error;       /* the first failure; all later calls repeat it */
    atomic_bool failed;        /* there is one */
};

static struct error *error_copy(const struct error *err) {
    struct error *copy = error_new(err->code, "%s", err->message);
    if (copy == &error_no_memory)
        return copy;
    copy->errnum = err->errnum;
    return err->hint ? error_hint(copy, "%s", err->hint) : copy;
}

/* Remember the first failure and cut the file back to whole chunks. Owns err, returns it. */
static struct error *writer_fail(struct chunk_writer *writer, struct error *err) {
    if (!err || writer->error)
        return err;
    writer->error = error_copy(err);
    writer->failed = true;
    /* Should this fail too, the reader takes what is there for a chunk that was cut. */
    if (ftruncate(writer->fd, (off_t)writer->bytes))
        return err;
    return err;
}

/* One write(2), gone on with when the kernel took only a part. */
static struct error *write_all(struct chunk_writer *writer, const uint8_t *data, size_t size) {
    while (size) {
        ssize_t count = write(writer->fd, data, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            int errnum = count < 0 ? errno : EIO;
            struct error *err = error_system(errnum, "%s: cannot write", writer->label);
            if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
                error_hint(err, "what was recorded up to here is kept");
            return err;
        }
        data += count;
        size -= (size_t)count;
    }
    return NULL;
}

/* Count and write bytes that make the file longer; neither counted nor in the file when that fails. */
static struct error *writer_extend(struct chunk_writer *writer, const uint8_t *data, size_t size) {
    TRY(writer_fail(writer, size_budget_take(writer->budget, size)));
    struct error *err = write_all(writer, data, size);
    if (err) {
        writer->budget->used -= size;
        return writer_fail(writer, err);
    }
    writer->bytes += size;
    return NULL;
}

static struct error *compressor_init(struct compressor *compressor) {
    if (!compressor->zstd)
        compressor->zstd = ZSTD_createCCtx();
    if (!compressor->zstd ||
        ZSTD_isError(ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, 1)))
        return &error_no_memory;
    return NULL;
}

static struct error *write_file_header(struct chunk_writer *writer, enum chunk_file_kind kind) {
    uint8_t header[FILE_HEADER_SIZE];
    const uint32_t version = RECORDING_FORMAT_VERSION, file_kind = kind;
    const uint64_t features = RECORDING_FEATURES;
    memcpy(header, file_magic, 8);
    memcpy(header + 8, &version, 4);
    memcpy(header + 12, &file_kind, 4);
    memcpy(header + 16, &features, 8);
    uint64_t hash = XXH3_64bits(header, 24);
    memcpy(header + 24, &hash, 8);
    return writer_extend(writer, header, sizeof(header));
}

static void writer_destroy(struct chunk_writer *writer) {
    if (writer->fd >= 0)
        close(writer->fd);
    buffer_deinit(&writer->pending.raw);
    error_free(writer->error);
    free(writer->label);
    free(writer);
}

struct error *chunk_writer_create(int dirfd, const char *name, enum chunk_file_kind kind,
                                  struct size_budget *budget, struct chunk_writer **ret) {
    struct chunk_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return &error_no_memory;
    writer->fd = -1;
    writer->budget = budget;
    writer->label = chunk_file_label(dirfd, name);
    struct error *err = writer->label ? compressor_init(&own_compressor) : &error_no_memory;
    if (!err) {
        writer->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (writer->fd < 0)
            err = error_system(errno, "%s: cannot create", writer->label);
        else if ((err = write_file_header(writer, kind)))
            unlinkat(dirfd, name, 0);
    }
    if (err)
        writer_destroy(writer);
    else
        *ret = writer;
    return err;
}

static void encode_chunk_header(uint8_t ret[CHUNK_HEADER_SIZE], const struct chunk_header *header) {
    const uint32_t magic = CHUNK_MAGIC;
    memcpy(ret, &magic, 4);
    memcpy(ret + 4, &header->sequence, 4);
    memcpy(ret + 8, &header->records, 8);
    memcpy(ret + 16, &header->raw_size, 8);
    memcpy(ret + 24, &header->stored_size, 8);
    memcpy(ret + 32, &header->hash, 8);
    uint64_t hash = XXH3_64bits(ret, 40);
    memcpy(ret + 40, &hash, 8);
}

/* Compress these records and write them. */
static struct error *write_chunk(struct chunk_writer *writer, struct compressor *compressor,
                                 const struct chunk_records *records) {
    size_t room = ZSTD_compressBound(records->raw.size);
    buffer_clear(&compressor->out);
    uint8_t *chunk = buffer_reserve(&compressor->out, CHUNK_HEADER_SIZE + room);
    if (!chunk)
        return writer_fail(writer, &error_no_memory);
    size_t stored = ZSTD_compress2(compressor->zstd, chunk + CHUNK_HEADER_SIZE, room, records->raw.data,
                                   records->raw.size);
    if (ZSTD_isError(stored))
        return writer_fail(writer, error_new(ERROR_OTHER, "%s: cannot compress: %s", writer->label,
                                             ZSTD_getErrorName(stored)));
    struct chunk_header header = {.sequence = writer->sequence + 1,
                                  .records = records->count,
                                  .raw_size = records->raw.size,
                                  .stored_size = stored,
                                  .hash = XXH3_64bits(chunk + CHUNK_HEADER_SIZE, stored)};
    encode_chunk_header(chunk, &header);
    TRY(writer_extend(writer, chunk, CHUNK_HEADER_SIZE + stored));
    writer->sequence++;
    writer->records += records->count;
    if (compressor->out.room > BUFFER_KEEP)
        buffer_deinit(&compressor->out);
    return NULL;
}

/* The same of what is pending, here and now. */
static struct error *write_pending(struct chunk_writer *writer) {
    TRY(write_chunk(writer, &own_compressor, &writer->pending));
    writer->pending.count = 0;
    buffer_clear(&writer->pending.raw);
    if (writer->pending.raw.room > BUFFER_KEEP)
        buffer_deinit(&writer->pending.raw);
    return NULL;
}

/* ---- the queue ---- */

static void free_job(struct chunk_job *job) {
    buffer_deinit(&job->records.raw);
    free(job);
}

/* Keep it for the next one. */
static void spare_job(struct chunk_queue *queue, struct chunk_job *job) {
    if (job->records.raw.room > BUFFER_KEEP) {
        free_job(job);
        return;
    }
    buffer_clear(&job->records.raw);
    pthread_mutex_lock(&queue->mutex);
    job->next = queue->spare;
    queue->spare = job;
    pthread_mutex_unlock(&queue->mutex);
}

/* With a buffer that may have room already. */
static struct chunk_job *take_job(struct chunk_queue *queue) {
    pthread_mutex_lock(&queue->mutex);
    struct chunk_job *job = queue->spare;
    if (job)
        queue->spare = job->next;
    pthread_mutex_unlock(&queue->mutex);
    return job ? job : calloc(1, sizeof(*job));
}

/* On the queue's thread. What fails is told at the writer's next call. */
static void run_job(struct worker_job *worker_job) {
    struct chunk_job *job = (struct chunk_job *)worker_job;
    struct chunk_queue *queue = job->writer->queue;
    if (!job->writer->error)
        error_free(write_chunk(job->writer, &queue->compressor, &job->records));
    spare_job(queue, job);
}

/* Leave what is pending to the queue. */
static struct error *queue_pending(struct chunk_writer *writer) {
    struct chunk_job *job = take_job(writer->queue);
    if (!job) {
        worker_wait(writer->queue->worker, writer->ticket);
        return writer_fail(writer, &error_no_memory);
    }
    struct buffer empty = job->records.raw;
    job->job = (struct worker_job){.run = run_job, .weight = writer->pending.raw.room};
    job->writer = writer;
    job->records = writer->pending;
    writer->pending = (struct chunk_records){.raw = empty};
    writer->ticket = worker_put(writer->queue->worker, &job->job);
    return NULL;
}

/* Until it stands in the file. */
static void await_queue(struct chunk_writer *writer) {
    if (writer->queue)
        worker_wait(writer->queue->worker, writer->ticket);
}

struct error *chunk_queue_create(const cpu_set_t *processors, struct chunk_queue **ret) {
    struct chunk_queue *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return &error_no_memory;
    pthread_mutex_init(&queue->mutex, NULL);
    struct error *err = compressor_init(&queue->compressor);
    if (!err)
        err = worker_create(QUEUE_MOST, processors, &queue->worker);
    if (err)
        chunk_queue_destroy(queue);
    else
        *ret = queue;
    return err;
}

void chunk_queue_destroy(struct chunk_queue *queue) {
    if (!queue)
        return;
    worker_destroy(queue->worker);
    while (queue->spare) {
        struct chunk_job *job = queue->spare;
        queue->spare = job->next;
        free_job(job);
    }
    pthread_mutex_destroy(&queue->mutex);
    ZSTD_freeCCtx(queue->compressor.zstd);
    buffer_deinit(&queue->compressor.out);
    free(queue);
}

void chunk_writer_use_queue(struct chunk_writer *writer, struct chunk_queue *queue) {
    writer->queue = queue;
}

/* ---- writing ---- */

struct error *chunk_writer_flush(struct chunk_writer *writer) {
    await_queue(writer);
    if (writer->error)
        return error_copy(writer->error);
    return writer->pending.count ? write_pending(writer) : NULL;
}

struct error *chunk_writer_push(struct chunk_writer *writer) {
    if (writer->failed || !writer->queue)
        return chunk_writer_flush(writer);
    return writer->pending.count ? queue_pending(writer) : NULL;
}

struct error *chunk_writer_append(struct chunk_writer *writer, const void *record, size_t size) {
    struct chunk_records *pending = &writer->pending;
    /* A large record gets a chunk of its own. */
    if (writer->failed || (pending->count && size >= CHUNK_RAW_SIZE))
        TRY(chunk_writer_push(writer));
    if (size > RECORD_MAX) {
        await_queue(writer);
        return writer_fail(writer, error_new(ERROR_UNSUPPORTED, "%s: a record of %zu bytes is too large",
                                             writer->label, size));
    }
    buffer_put_blob(&pending->raw, record, size);
    struct error *err = buffer_check(&pending->raw);
    if (err) {
        await_queue(writer);
        return writer_fail(writer, err);
    }
    pending->count++;
    return pending->raw.size >= CHUNK_RAW_SIZE ? chunk_writer_push(writer) : NULL;
}

bool chunk_writer_pending(const struct chunk_writer *writer) {
    return writer->pending.count != 0;
}

uint64_t chunk_writer_records(struct chunk_writer *writer) {
    await_queue(writer);
    return writer->records;
}

uint64_t chunk_writer_bytes(struct chunk_writer *writer) {
    await_queue(writer);
    return writer->bytes;
}

struct error *chunk_writer_close(struct chunk_writer *writer) {
    if (!writer)
        return NULL;
    struct error *err = chunk_writer_flush(writer);
    /* Network file systems report a full disk here. */
    if (close(writer->fd) && !err)
        err = error_system(errno, "%s: cannot write", writer->label);
    writer->fd = -1;
    writer_destroy(writer);
    return err;
}

/* ---- reader ---- */

struct chunk_reader {
    int fd;
    char *label; /* path, for messages */
    ZSTD_DCtx *zstd;
    bool empty;            /* the file had no bytes at all */
    bool cut;              /* the end that was reached is in the middle of a chunk */
    uint64_t offset;       /* of the next chunk */
    uint64_t chunk_at;     /* offset of the chunk that is being read, for messages */
    uint32_t sequence;     /* of the chunk that is being read; 0 before the first */
    uint64_t records_left; /* in this chunk */
    struct buffer stored, raw;
    struct cursor cursor; /* over raw */
};

/* pread(2) until size bytes or the end of the file; *ret is how many there were. */
static struct error *read_at(const struct chunk_reader *reader, void *data, size_t size, uint64_t offset,
                             size_t *ret) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(reader->fd, (uint8_t *)data + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_system(errno, "%s: cannot read", reader->label);
        if (!count)
            break;
        done += (size_t)count;
    }
    *ret = done;
    return NULL;
}

/* The version is looked at before the hash: a later version may have another header behind it. */
static struct error *check_file_header(const struct chunk_reader *reader, enum chunk_file_kind kind) {
    uint8_t bytes[FILE_HEADER_SIZE];
    size_t size = 0;
    TRY(read_at(reader, bytes, sizeof(bytes), 0, &size));
    struct cursor cursor;
    cursor_init(&cursor, bytes, size, reader->label);
    const void *magic = cursor_bytes(&cursor, sizeof(file_magic));
    if (!magic || memcmp(magic, file_magic, sizeof(file_magic)) != 0)
        return error_new(ERROR_BAD_DATA, "%s: not a file of a recording", reader->label);
    uint32_t version = cursor_u32(&cursor), found_kind = cursor_u32(&cursor);
    uint64_t unknown = cursor_u64(&cursor) & ~RECORDING_FEATURES, hash = cursor_u64(&cursor);
    if (version > RECORDING_FORMAT_VERSION)
        return error_hint(error_new(ERROR_UNSUPPORTED, "%s: format version %u is newer than this reel",
                                    reader->label, version),
                          "it reads versions up to %d; use the reel that made the recording",
                          RECORDING_FORMAT_VERSION);
    TRY(cursor_check(&cursor));
    if (!version || hash != XXH3_64bits(bytes, FILE_HEADER_SIZE - sizeof(hash)))
        return error_new(ERROR_BAD_DATA, "%s: damaged file header", reader->label);
    if (unknown)
        return error_hint(error_new(ERROR_UNSUPPORTED,
                                    "%s: needs features 0x%llx that this reel does not know", reader->label,
                                    (unsigned long long)unknown),
                          "use the reel that made the recording");
    if (found_kind != kind)
        return error_new(ERROR_BAD_DATA, "%s: is a %s and not a %s", reader->label, kind_name(found_kind),
                         kind_name(kind));
    return NULL;
}

static struct error *open_file(struct chunk_reader *reader, int dirfd, const char *name,
                               enum chunk_file_kind kind) {
    reader->label = chunk_file_label(dirfd, name);
    reader->zstd = ZSTD_createDCtx();
    if (!reader->label || !reader->zstd)
        return &error_no_memory;
    /* O_NONBLOCK: a FIFO in a hostile recording shall not hang us. */
    reader->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (reader->fd < 0 && errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, "%s: does not exist", reader->label);
    struct stat status;
    if (reader->fd < 0 || fstat(reader->fd, &status))
        return error_system(errno, "%s: cannot open", reader->label);
    if (!S_ISREG(status.st_mode))
        return error_new(ERROR_BAD_DATA, "%s: not a regular file", reader->label);
    reader->empty = status.st_size == 0;
    return reader->empty ? NULL : check_file_header(reader, kind);
}

struct error *chunk_reader_open(int dirfd, const char *name, enum chunk_file_kind kind,
                                struct chunk_reader **ret) {
    struct chunk_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return &error_no_memory;
    reader->fd = -1;
    struct error *err = open_file(reader, dirfd, name, kind);
    if (!err)
        err = chunk_reader_rewind(reader);
    if (err)
        chunk_reader_close(reader);
    else
        *ret = reader;
    return err;
}

static struct error *damaged(const struct chunk_reader *reader, const char *why) {
    return error_new(ERROR_BAD_DATA, "%s: damaged chunk at byte %" PRIu64 ": %s", reader->label,
                     reader->chunk_at, why);
}

/* Sizes are believed, and memory is allocated, only after the header's own hash matched. */
static struct error *decode_chunk_header(const struct chunk_reader *reader, const uint8_t *bytes,
                                         struct chunk_header *ret) {
    struct cursor cursor;
    cursor_init(&cursor, bytes, CHUNK_HEADER_SIZE, reader->label);
    uint32_t magic = cursor_u32(&cursor);
    struct chunk_header header = {.sequence = cursor_u32(&cursor)};
    header.records = cursor_u64(&cursor);
    header.raw_size = cursor_u64(&cursor);
    header.stored_size = cursor_u64(&cursor);
    header.hash = cursor_u64(&cursor);
    if (magic != CHUNK_MAGIC || cursor_u64(&cursor) != XXH3_64bits(bytes, 40))
        return damaged(reader, "bad header");
    if (header.sequence != reader->sequence + 1)
        return damaged(reader, "not the chunk that belongs here");
    /* Every record takes a byte at least. */
    if (!header.records || !header.stored_size || header.records > header.raw_size ||
        header.raw_size > CHUNK_RAW_MAX || header.stored_size > ZSTD_compressBound(header.raw_size) ||
        header.raw_size / RATIO_MAX > header.stored_size)
        return damaged(reader, "impossible sizes");
    *ret = header;
    return NULL;
}

/* Check the payload in reader->stored and decompress it into reader->raw. */
static struct error *unpack_chunk(struct chunk_reader *reader, const struct chunk_header *header) {
    const uint8_t *stored = reader->stored.data;
    if (XXH3_64bits(stored, header->stored_size) != header->hash)
        return damaged(reader, "bad checksum");
    if (ZSTD_getFrameContentSize(stored, header->stored_size) != header->raw_size ||
        ZSTD_findFrameCompressedSize(stored, header->stored_size) != header->stored_size)
        return damaged(reader, "sizes disagree");
    buffer_clear(&reader->raw);
    uint8_t *raw = buffer_reserve(&reader->raw, header->raw_size);
    if (!raw)
        return &error_no_memory;
    size_t size = ZSTD_decompressDCtx(reader->zstd, raw, header->raw_size, stored, header->stored_size);
    if (size != header->raw_size)
        return damaged(reader, ZSTD_isError(size) ? ZSTD_getErrorName(size) : "sizes disagree");
    reader->raw.size = size;
    return NULL;
}

/* Read the next chunk; *ret_end is true when there is no whole one. */
static struct error *load_chunk(struct chunk_reader *reader, bool *ret_end) {
    uint8_t bytes[CHUNK_HEADER_SIZE];
    size_t size = 0;
    reader->chunk_at = reader->offset;
    TRY(read_at(reader, bytes, sizeof(bytes), reader->offset, &size));
    reader->cut = reader->empty || (size > 0 && size < sizeof(bytes));
    *ret_end = reader->empty || size < sizeof(bytes);
    if (*ret_end)
        return NULL;

    struct chunk_header header = {0};
    TRY(decode_chunk_header(reader, bytes, &header));
    struct stat status;
    if (fstat(reader->fd, &status))
        return error_system(errno, "%s: cannot read", reader->label);
    uint64_t payload = reader->offset + CHUNK_HEADER_SIZE;
    *ret_end = reader->cut =
        (uint64_t)status.st_size < payload || status.st_size - payload < header.stored_size;
    if (*ret_end)
        return NULL;
    buffer_clear(&reader->stored);
    uint8_t *stored = buffer_reserve(&reader->stored, header.stored_size);
    if (!stored)
        return &error_no_memory;
    TRY(read_at(reader, stored, header.stored_size, payload, &size));
    *ret_end = reader->cut = size < header.stored_size;
    if (*ret_end)
        return NULL;
    TRY(unpack_chunk(reader, &header));
    cursor_init(&reader->cursor, reader->raw.data, reader->raw.size, reader->label);
    reader->records_left = header.records;
    reader->sequence = header.sequence;
    reader->offset = payload + header.stored_size;
    return NULL;
}

struct error *chunk_reader_next(struct chunk_reader *reader, const uint8_t **ret, size_t *ret_size) {
    if (!reader->records_left) {
        if (cursor_left(&reader->cursor))
            return damaged(reader, "bytes behind its last record");
        bool end;
        TRY(load_chunk(reader, &end));
        if (end) {
            *ret = NULL;
            *ret_size = 0;
            return NULL;
        }
    }
    size_t size;
    const uint8_t *record = cursor_blob(&reader->cursor, &size);
    if (!record)
        return damaged(reader, "a record runs over its end");
    reader->records_left--;
    *ret = record;
    *ret_size = size;
    return NULL;
}

bool chunk_reader_cut(const struct chunk_reader *reader) {
    return reader->cut;
}

struct error *chunk_reader_rewind(struct chunk_reader *reader) {
    reader->offset = FILE_HEADER_SIZE;
    reader->sequence = 0;
    reader->records_left = 0;
    reader->cut = false;
    cursor_init(&reader->cursor, NULL, 0, reader->label);
    return NULL;
}

void chunk_reader_close(struct chunk_reader *reader) {
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    ZSTD_freeDCtx(reader->zstd);
    buffer_deinit(&reader->stored);
    buffer_deinit(&reader->raw);
    free(reader->label);
    free(reader);
}
