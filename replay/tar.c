#include "replay/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define BLOCK 512u
#define LEVEL 6 /* what matters most is compressed already */

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], kind, link[100], magic[6],
        version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "header");

static const uint8_t zeros[BLOCK];

static uint64_t padding(uint64_t size) {
    return (BLOCK - size % BLOCK) % BLOCK;
}

/* The sum of all bytes, those of the checksum taken as blanks. */
static unsigned checksum_of(const struct header *header) {
    const uint8_t *bytes = (const uint8_t *)header;
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        size_t at = i - offsetof(struct header, checksum);
        sum += at < sizeof(header->checksum) ? ' ' : bytes[i];
    }
    return sum;
}

/* ---- writing ---- */

struct tar_writer {
    int fd;
    const char *what;
    ZSTD_CCtx *zstd; /* NULL: gzip */
    z_stream gzip;
    uint64_t left; /* bytes of the current file */
    uint64_t pad;
    size_t room;
    uint8_t out[];
};

static bool begin_zstd(struct tar_writer *writer) {
    if (!(writer->zstd = ZSTD_createCCtx()))
        return false;
    ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
    return true;
}

static bool begin_gzip(struct tar_writer *writer) {
    enum { GZIP = 16, MEMORY = 8 }; /* zlib.h: deflateInit2() */
    return deflateInit2(&writer->gzip, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP, MEMORY, Z_DEFAULT_STRATEGY) ==
           Z_OK;
}

struct error *tar_writer_create(int fd, const char *what, enum tar_compression how, struct tar_writer **ret) {
    size_t room = ZSTD_CStreamOutSize();
    struct tar_writer *writer = calloc(1, sizeof(*writer) + room);
    if (!writer)
        return &error_no_memory;
    *writer = (struct tar_writer){.fd = fd, .what = what, .room = room};
    if (how == TAR_ZSTD ? !begin_zstd(writer) : !begin_gzip(writer)) {
        free(writer);
        return &error_no_memory;
    }
    *ret = writer;
    return NULL;
}

void tar_writer_destroy(struct tar_writer *writer) {
    if (writer && writer->zstd)
        ZSTD_freeCCtx(writer->zstd);
    else if (writer)
        deflateEnd(&writer->gzip);
    free(writer);
}

static struct error *flush(const struct tar_writer *writer, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t done = write(writer->fd, writer->out + at, size - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_system(errno, "%s", writer->what);
        at += (size_t)done;
    }
    return NULL;
}

/* size: less than 4 GiB. */
static struct error *deflate_bytes(struct tar_writer *writer, const void *bytes, size_t size, bool ends) {
    int result;
    writer->gzip.next_in = (Bytef *)(uintptr_t)bytes;
    writer->gzip.avail_in = (uInt)size;
    do {
        writer->gzip.next_out = writer->out;
        writer->gzip.avail_out = (uInt)writer->room;
        result = deflate(&writer->gzip, ends ? Z_FINISH : Z_NO_FLUSH);
        TRY(flush(writer, writer->room - writer->gzip.avail_out));
    } while (ends ? result != Z_STREAM_END : writer->gzip.avail_in > 0);
    return NULL;
}

static struct error *compress_bytes(struct tar_writer *writer, const void *bytes, size_t size, bool ends) {
    const ZSTD_EndDirective how = ends ? ZSTD_e_end : ZSTD_e_continue;
    if (!writer->zstd)
        return deflate_bytes(writer, bytes, size, ends);
    ZSTD_inBuffer in = {bytes, size, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {writer->out, writer->room, 0};
        left = ZSTD_compressStream2(writer->zstd, &out, &in, how);
        if (ZSTD_isError(left))
            return error_new(ERROR_OTHER, "%s: %s", writer->what, ZSTD_getErrorName(left));
        TRY(flush(writer, out.pos));
    } while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return NULL;
}

/* Into a field of the header: octal digits and a NUL, or base 256. */
static void put_number(char *field, size_t size, uint64_t value) {
    if (size < 12 || value < UINT64_C(1) << 33) {
        snprintf(field, size, "%0*llo", (int)size - 1, (unsigned long long)value);
        return;
    }
    memset(field, 0, size);
    field[0] = (char)0x80;
    for (size_t i = 0; i < sizeof(value); i++)
        field[size - 1 - i] = (char)(value >> 8 * i);
}

/* A name of more than 100 bytes is split at a slash. */
static bool put_name(struct header *header, const char *name) {
    size_t size = strlen(name), at = 0;
    if (size > sizeof(header->name)) {
        at = size - sizeof(header->name) - 1;
        while (name[at] && name[at] != '/')
            at++;
        if (!name[at] || at > sizeof(header->prefix) || !name[at + 1])
            return false;
        memcpy(header->prefix, name, at++);
    }
    memcpy(header->name, name + at, size - at);
    return true;
}

struct error *tar_writer_begin(struct tar_writer *writer, const char *name, unsigned mode, uint64_t size,
                               time_t mtime) {
    struct header header = {.kind = '0', .magic = "ustar", .version = "00"};
    if (!put_name(&header, name))
        return error_new(ERROR_UNSUPPORTED, "%s: the name %s is too long", writer->what, name);
    put_number(header.mode, sizeof(header.mode), mode);
    put_number(header.uid, sizeof(header.uid), 0);
    put_number(header.gid, sizeof(header.gid), 0);
    put_number(header.size, sizeof(header.size), size);
    put_number(header.mtime, sizeof(header.mtime), mtime > 0 ? (uint64_t)mtime : 0);
    snprintf(header.checksum, sizeof(header.checksum), "%06o", checksum_of(&header));
    header.checksum[7] = ' ';
    writer->left = size;
    writer->pad = padding(size);
    return compress_bytes(writer, &header, sizeof(header), false);
}

struct error *tar_writer_put(struct tar_writer *writer, const void *bytes, size_t size) {
    if (size > writer->left)
        return error_new(ERROR_OTHER, "%s: a file has grown", writer->what);
    writer->left -= size;
    TRY(compress_bytes(writer, bytes, size, false));
    return writer->left ? NULL : compress_bytes(writer, zeros, (size_t)writer->pad, false);
}

struct error *tar_writer_file(struct tar_writer *writer, int fd, const char *name, unsigned mode,
                              uint64_t *ret_size) {
    enum { PIECE = 1 << 16 };
    uint8_t bytes[PIECE];
    struct stat info;
    if (fstat(fd, &info))
        return error_system(errno, "%s", name);
    if (!S_ISREG(info.st_mode))
        return error_new(ERROR_BAD_DATA, "%s: it is no file", name);
    TRY(tar_writer_begin(writer, name, mode, (uint64_t)info.st_size, info.st_mtim.tv_sec));
    for (off_t at = 0; at < info.st_size;) {
        size_t want = info.st_size - at < PIECE ? (size_t)(info.st_size - at) : PIECE;
        ssize_t got = pread(fd, bytes, want, at);
        if (got < 0)
            return error_system(errno, "%s", name);
        if (got == 0)
            return error_new(ERROR_BAD_DATA, "%s: it has become shorter", name);
        TRY(tar_writer_put(writer, bytes, (size_t)got));
        at += got;
    }
    if (ret_size)
        *ret_size = (uint64_t)info.st_size;
    return NULL;
}

struct error *tar_writer_finish(struct tar_writer *writer) {
    TRY(compress_bytes(writer, zeros, BLOCK, false));
    return compress_bytes(writer, zeros, BLOCK, true);
}

/* ---- reading ---- */

struct tar_reader {
    int fd;
    const char *what;
    ZSTD_DCtx *zstd; /* NULL: it is not compressed */
    ZSTD_inBuffer in;
    bool at_end;   /* of the file at fd */
    bool in_frame; /* a frame of zstd has begun and not ended */
    uint64_t left, pad;
    size_t room;
    uint8_t bytes[];
};

static struct error *damaged(const struct tar_reader *reader, const char *why) {
    return error_new(ERROR_BAD_DATA, "%s: it is damaged: %s", reader->what, why);
}

bool tar_is_compressed(const uint8_t *bytes, size_t size) {
    uint32_t magic;
    if (size < sizeof(magic))
        return false;
    memcpy(&magic, bytes, sizeof(magic));
    return magic == ZSTD_MAGICNUMBER;
}

/* More of the file, behind all that was used. */
static struct error *fill(struct tar_reader *reader) {
    ssize_t got;
    do
        got = read(reader->fd, reader->bytes, reader->room);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_system(errno, "%s", reader->what);
    reader->in = (ZSTD_inBuffer){reader->bytes, (size_t)got, 0};
    reader->at_end = got == 0;
    return NULL;
}

struct error *tar_reader_create(int fd, const char *what, struct tar_reader **ret) {
    size_t room = ZSTD_DStreamInSize();
    struct tar_reader *reader = calloc(1, sizeof(*reader) + room);
    if (!reader)
        return &error_no_memory;
    *reader = (struct tar_reader){.fd = fd, .what = what, .room = room};
    struct error *err = fill(reader);
    bool is_compressed = !err && tar_is_compressed(reader->bytes, reader->in.size);
    if (is_compressed && !(reader->zstd = ZSTD_createDCtx()))
        err = &error_no_memory;
    if (err)
        tar_reader_destroy(reader);
    else
        *ret = reader;
    return err;
}

void tar_reader_destroy(struct tar_reader *reader) {
    if (reader)
        ZSTD_freeDCtx(reader->zstd);
    free(reader);
}

static struct error *take(struct tar_reader *reader, ZSTD_outBuffer *out) {
    if (!reader->zstd) {
        size_t there = reader->in.size - reader->in.pos, wanted = out->size - out->pos;
        size_t part = there < wanted ? there : wanted;
        memcpy((uint8_t *)out->dst + out->pos, (const uint8_t *)reader->in.src + reader->in.pos, part);
        reader->in.pos += part;
        out->pos += part;
        return NULL;
    }
    size_t used = reader->in.pos, made = out->pos;
    size_t result = ZSTD_decompressStream(reader->zstd, out, &reader->in);
    if (reader->in.pos > used || out->pos > made) /* without a byte it asks for another frame */
        reader->in_frame = result != 0;
    return ZSTD_isError(result) ? damaged(reader, ZSTD_getErrorName(result)) : NULL;
}

/* Exactly so many bytes of the archive; *ret_end: it has ended before the first. */
static struct error *read_exact(struct tar_reader *reader, void *ret, size_t size, bool *ret_end) {
    ZSTD_outBuffer out = {ret, size, 0};
    *ret_end = false;
    while (out.pos < size) {
        size_t before = out.pos;
        TRY(take(reader, &out));
        if (out.pos > before || reader->in.pos < reader->in.size)
            continue;
        TRY(fill(reader));
        if (!reader->at_end)
            continue;
        *ret_end = out.pos == 0 && !reader->in_frame;
        return *ret_end ? NULL : damaged(reader, "it is cut short");
    }
    return NULL;
}

static struct error *skip(struct tar_reader *reader, uint64_t size) {
    uint8_t block[4096];
    while (size) {
        size_t part = size < sizeof(block) ? (size_t)size : sizeof(block);
        bool end;
        TRY(read_exact(reader, block, part, &end));
        if (end)
            return damaged(reader, "it is cut short");
        size -= part;
    }
    return NULL;
}

static bool get_number(const char *field, size_t size, uint64_t *ret) {
    uint64_t value = 0;
    size_t at = 0;
    if ((uint8_t)field[0] == 0x80) {
        for (at = 1; at < size; at++) {
            if (value >> 55)
                return false;
            value = value << 8 | (uint8_t)field[at];
        }
        *ret = value;
        return true;
    }
    while (at < size && field[at] == ' ')
        at++;
    for (; at < size && field[at] >= '0' && field[at] <= '7'; at++)
        value = value << 3 | (uint64_t)(field[at] - '0');
    *ret = value;
    return at == size || !field[at] || field[at] == ' ';
}

static struct error *parse(const struct tar_reader *reader, const struct header *header,
                           struct tar_entry *ret) {
    uint64_t sum;
    if (memcmp(header->magic, "ustar", 5) != 0 ||
        !get_number(header->checksum, sizeof(header->checksum), &sum) || sum != checksum_of(header))
        return error_new(ERROR_BAD_DATA, "%s: it is no archive", reader->what);
    if (!get_number(header->size, sizeof(header->size), &ret->size) || ret->size > INT64_MAX)
        return damaged(reader, "a size is none");
    bool has_prefix = header->prefix[0] && header->magic[5] == 0; /* GNU tar has something else there */
    snprintf(ret->name, sizeof(ret->name), "%.155s%s%.100s", has_prefix ? header->prefix : "",
             has_prefix ? "/" : "", header->name);
    ret->kind = header->kind ? header->kind : '0';
    return NULL;
}

/* A block of zeros ends it; what is behind that says nothing, but has to be sound. */
static struct error *read_to_end(struct tar_reader *reader) {
    for (bool end = false; !end;) {
        uint8_t block[BLOCK];
        TRY(read_exact(reader, block, sizeof(block), &end));
    }
    return NULL;
}

struct error *tar_reader_next(struct tar_reader *reader, struct tar_entry *ret, bool *ret_more) {
    enum { PAX = 'x', PAX_GLOBAL = 'g' };
    struct header header = {0};
    bool end;
    *ret_more = false;
    do {
        TRY(skip(reader, reader->left + reader->pad));
        reader->left = reader->pad = 0;
        TRY(read_exact(reader, &header, sizeof(header), &end));
        if (end)
            return damaged(reader, "it is cut short");
        if (!memcmp(&header, zeros, sizeof(header)))
            return read_to_end(reader);
        TRY(parse(reader, &header, ret));
        reader->left = ret->size;
        reader->pad = padding(ret->size);
    } while (ret->kind == PAX || ret->kind == PAX_GLOBAL);
    *ret_more = true;
    return NULL;
}

struct error *tar_reader_get(struct tar_reader *reader, void *ret, size_t size, size_t *ret_size) {
    bool end;
    *ret_size = size < reader->left ? size : (size_t)reader->left;
    if (!*ret_size)
        return NULL;
    TRY(read_exact(reader, ret, *ret_size, &end));
    reader->left -= *ret_size;
    return end ? damaged(reader, "it is cut short") : NULL;
}
