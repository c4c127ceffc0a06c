/* Fuzzes what reads a recording: chunk files with the events in them, snapshots, images, single events,
 * recording.json.
 *
 * An input is a file as it stands in a recording: it begins with the magic of a chunk file, with '{', or it
 * is one encoded event. With libFuzzer (clang -fsanitize=fuzzer,address) the mutator below repairs checksums,
 * else nothing would get behind them. With -DFUZZ_SMOKE there is a main() that needs no libFuzzer:
 *
 *     fuzz_recording SEED ROUNDS [FILE...]
 *
 * mutates the files, and examples of its own, in the same way on every run. */
#include "replay/chunk.h"
#include "replay/event.h"
#include "replay/image.h"
#include "replay/point.h"
#include "replay/recording.h"
#include "replay/snapshot.h"
#include "tests/fuzz/smoke.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define FILE_HEADER  ((size_t)32)
#define CHUNK_HEADER ((size_t)48)

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

/* ---- the targets ---- */

/* A point that was accepted can be had. */
static void try_point(const struct event *event) {
    static struct point point;
    struct cursor cursor;
    if (event->kind != EVENT_SIGNAL || event->signal.place != SIGNAL_AT_POINT)
        return;
    cursor_init(&cursor, event->signal.point, event->signal.point_size, "point");
    require(!point_decode(&cursor, &point), "a point cannot be read again");
    require(point.word_count <= POINT_WORDS_MAX && point.range_count <= POINT_RANGES_MAX,
            "a point is too large");
}

/* What was accepted must survive being written and read again. */
static void try_event(const uint8_t *data, size_t size) {
    struct effect *effects = NULL;
    size_t room = 0;
    struct buffer first = {0}, second = {0};
    struct event event;
    struct cursor cursor;
    cursor_init(&cursor, data, size, "event");
    struct error *err = event_decode(&cursor, &effects, &room, &event);
    if (!err) {
        try_point(&event);
        event_encode(&event, &first);
        cursor_init(&cursor, first.data, first.size, "event");
        require(!event_decode(&cursor, &effects, &room, &event), "an event cannot be read again");
        event_encode(&event, &second);
        require(first.size == second.size && !memcmp(first.data, second.data, first.size),
                "an event changed");
    }
    error_free(err);
    free(effects);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static size_t records_seen; /* so that the smoke test knows that it reached the depths */

static void try_snapshot(const char *path) {
    struct snapshot *snapshot = malloc(sizeof(*snapshot));
    require(snapshot, "out of memory");
    struct error *err = snapshot_read(AT_FDCWD, path, NULL, NULL, snapshot);
    if (!err)
        snapshot_deinit(snapshot);
    error_free(err);
    free(snapshot);
}

static void try_image(const char *path) {
    struct image image;
    struct error *err = image_read(AT_FDCWD, path, &image);
    if (!err) {
        error_free(image_check(&image, &image));
        image_deinit(&image);
    }
    error_free(err);
}

static void try_chunk_file(const uint8_t *data, size_t size) {
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "no memfd");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    for (enum chunk_file_kind kind = CHUNK_FILE_LOG; kind <= CHUNK_FILE_MEMORY; kind++) {
        struct chunk_reader *reader;
        const uint8_t *record = NULL;
        size_t record_size = 0;
        struct error *err = chunk_reader_open(AT_FDCWD, path, kind, &reader);
        if (err) {
            error_free(err);
            continue;
        }
        while (!(err = chunk_reader_next(reader, &record, &record_size)) && record) {
            records_seen++;
            try_event(record, record_size);
        }
        error_free(err);
        chunk_reader_close(reader);
    }
    try_snapshot(path);
    try_image(path);
    close(fd);
}

static size_t infos_seen;

static void try_info(const uint8_t *data, size_t size) {
    struct recording_info info, again;
    struct buffer text = {0};
    struct error *err = recording_info_parse(data, size, "recording.json", &info);
    if (!err) {
        infos_seen++;
        if (!(err = recording_info_format(&info, &text))) {
            require(!recording_info_parse(text.data, text.size, "again", &again),
                    "an info cannot be read again");
            recording_info_deinit(&again);
        }
        recording_info_deinit(&info);
    }
    error_free(err);
    buffer_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size && data[0] == 0x89)
        try_chunk_file(data, size);
    else if (size && data[0] == '{')
        try_info(data, size);
    else
        try_event(data, size);
    return 0;
}

/* ---- right checksums around wrong contents ---- */

static void put_hash(uint8_t *at, const void *data, size_t size) {
    uint64_t hash = XXH3_64bits(data, size);
    memcpy(at, &hash, sizeof(hash));
}

static void repair_chunk_file(uint8_t *data, size_t size) {
    if (size < FILE_HEADER)
        return;
    put_hash(data + 24, data, 24);
    for (size_t at = FILE_HEADER; size - at >= CHUNK_HEADER;) {
        uint64_t stored;
        memcpy(&stored, data + at + 24, sizeof(stored));
        if (stored <= size - at - CHUNK_HEADER)
            put_hash(data + at + 32, data + at + CHUNK_HEADER, stored);
        put_hash(data + at + 40, data + at, 40);
        if (stored > size - at - CHUNK_HEADER)
            return;
        at += CHUNK_HEADER + stored;
    }
}

static void repair_info(uint8_t *data, size_t size) {
    static const char key[] = "\"checksum\":\t\"";
    char digits[17];
    uint8_t *found = NULL, *at = data;
    while ((at = memmem(at, size - (size_t)(at - data), key, sizeof(key) - 1)))
        found = at += sizeof(key) - 1;
    if (!found || size - (size_t)(found - data) < 17)
        return;
    memset(found, '0', 16);
    snprintf(digits, sizeof(digits), "%016" PRIx64, (uint64_t)XXH3_64bits(data, size));
    memcpy(found, digits, 16);
}

static void repair(uint8_t *data, size_t size) {
    if (size && data[0] == 0x89)
        repair_chunk_file(data, size);
    else if (size && data[0] == '{')
        repair_info(data, size);
}

#ifndef FUZZ_SMOKE

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, room);
    if (seed % 8)
        repair(data, size);
    return size;
}

#else

/* ---- the smoke test ---- */

static size_t below(size_t end) {
    return end ? (size_t)((next_random() >> 16) % end) : 0;
}

/* A few changes of the kinds that find bugs: bits, edge values, removed and repeated pieces, another length.
 */
static void mutate(struct buffer *input) {
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, '"', '{', '['};
    for (size_t count = 1 + below(4); count && input->size; count--) {
        size_t at = below(input->size), length = 1 + below(input->size - at < 16 ? input->size - at : 16);
        switch (below(6)) {
        case 0:
            input->data[at] ^= (uint8_t)(1 << below(8));
            break;
        case 1:
            input->data[at] = edges[below(sizeof(edges))];
            break;
        case 2:
            memset(input->data + at, edges[below(sizeof(edges))], length);
            break;
        case 3:
            memmove(input->data + at, input->data + at + length, input->size - at - length);
            input->size -= length;
            break;
        case 4:
            if (!buffer_reserve(input, length))
                return;
            memmove(input->data + at + length, input->data + at, input->size - at);
            input->size += length;
            break;
        default:
            input->size = below(8) ? input->size : at;
        }
    }
}

/* Unpack the first chunk, mutate its records, and pack them again: the only way behind zstd. */
static void mutate_records(struct buffer *input) {
    struct buffer raw = {0}, output = {0};
    if (input->size <= FILE_HEADER + CHUNK_HEADER)
        return;
    const uint8_t *frame = input->data + FILE_HEADER + CHUNK_HEADER;
    size_t left = input->size - FILE_HEADER - CHUNK_HEADER,
           stored = ZSTD_findFrameCompressedSize(frame, left);
    unsigned long long raw_size = ZSTD_getFrameContentSize(frame, left);
    if (ZSTD_isError(stored) || raw_size > (1u << 24) || !buffer_reserve(&raw, raw_size + 1) ||
        ZSTD_decompress(raw.data, raw_size, frame, stored) != raw_size)
        goto out;
    raw.size = raw_size;
    mutate(&raw);
    size_t room = ZSTD_compressBound(raw.size);
    buffer_put(&output, input->data, FILE_HEADER + CHUNK_HEADER);
    uint8_t *packed = buffer_reserve(&output, room);
    size_t packed_size = packed ? ZSTD_compress(packed, room, raw.data, raw.size, 1) : 0;
    const uint64_t sizes[2] = {raw.size, packed_size};
    if (ZSTD_isError(packed_size))
        goto out;
    memcpy(output.data + FILE_HEADER + 16, sizes, sizeof(sizes));
    output.size += packed_size;
    buffer_clear(input);
    buffer_put(input, output.data, output.size);
out:
    buffer_deinit(&raw);
    buffer_deinit(&output);
}

/* An event of each kind, the effects that there are. */
/* The point of a signal, encoded. */
static const struct buffer *example_point(void) {
    static struct buffer bytes;
    static struct point point = {.xstate_size = 64, .word_count = 3, .range_count = 1, .elapsed = 1000};
    point.ranges[0] = (struct point_range){0x7ffe00001000, 4096};
    for (size_t i = 0; i < point.word_count; i++)
        point.words[i] = (struct point_word){0x7ffe00001000 + 8 * i, 77 + i};
    buffer_clear(&bytes);
    point_encode(&point, &bytes);
    return &bytes;
}

static void add_examples(struct buffer seeds[2], struct chunk_writer *log) {
    static const uint8_t registers[sizeof(struct user_regs_struct)] = {1, 2, 3};
    const struct effect effects[] = {
        {EFFECT_MEMORY, 0x7ffe00001000, 0, 5, "hello"},
        {EFFECT_FILE, 4096, 1, 3, "abc"},
        {EFFECT_FILE_SIZE, 70000, 1, 0, NULL},
        {EFFECT_REGISTERS, 0, 0, sizeof(registers), registers},
        {EFFECT_XSTATE, 0, 0, 64, registers},
        {EFFECT_PATCH, 0x401000, 0, 1, "\xcc"},
        {EFFECT_MAP_FILE, 0, 2, 0, NULL},
        {EFFECT_SHOW, 0, 0, 3, "out"},
    };
    for (enum event_kind kind = EVENT_SYSCALL; kind < EVENT_KIND_END; kind++) {
        struct event event = {.kind = kind, .tid = 4711, .effect_count = 8, .effects = effects};
        if (kind == EVENT_SIGNAL) {
            event.signal.signo = 11;
            event.signal.place = SIGNAL_AT_POINT;
            event.signal.point = example_point()->data;
            event.signal.point_size = (uint32_t)example_point()->size;
            event.signal.outcome = SIGNAL_HANDLED;
        }
        if (kind == EVENT_FILE) {
            event.file.file = 1;
            event.file.path = "/lib/x.so";
            event.file.path_size = 9;
        }
        if (kind == EVENT_EXIT)
            event.exit.how = EXIT_STATUS;
        buffer_clear(&seeds[0]);
        event_encode(&event, &seeds[0]);
        require(!chunk_writer_append(log, seeds[0].data, seeds[0].size), "cannot write an example");
    }
}

/* seeds: an event, a log in two chunks, a recording.json. */
static void make_seeds(struct buffer seeds[3]) {
    char folder[] = "/tmp/reel-fuzz-XXXXXX", path[64];
    struct size_budget budget = {0};
    struct chunk_writer *log;
    struct recording_info info;
    require(mkdtemp(folder) != NULL, "no folder");
    snprintf(path, sizeof(path), "%s/log", folder);
    require(!chunk_writer_create(AT_FDCWD, path, CHUNK_FILE_LOG, &budget, &log), "cannot write an example");
    add_examples(seeds, log);
    require(!chunk_writer_flush(log), "cannot write an example");
    add_examples(seeds, log);
    require(!chunk_writer_close(log), "cannot write an example");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, buffer_reserve(&seeds[1], 1 << 16), 1 << 16);
    require(size > 0, "cannot read the example");
    seeds[1].size = (size_t)size;
    close(fd);
    unlink(path);
    rmdir(folder);

    char *argv[] = {(char[]){"prog"}, (char[]){"\xff"}, NULL};
    require(!recording_info_from_host(&info), "no info");
    info.argv = argv;
    require(!recording_info_format(&info, &seeds[2]), "no info");
    info.argv = NULL;
    recording_info_deinit(&info);
}

static void read_seed(const char *path, struct buffer *ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    require(fd >= 0, path);
    for (ssize_t size = 1; size > 0; ret->size += (size_t)size) {
        void *place = buffer_reserve(ret, 1 << 16);
        size = place ? read(fd, place, 1 << 16) : 0;
        require(size >= 0, path);
    }
    close(fd);
}

static void run(const struct buffer *seeds, size_t count, uint64_t rounds) {
    struct buffer input = {0};
    for (size_t i = 0; i < count; i++)
        LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size);
    require(records_seen >= 16 && infos_seen >= 1, "the examples cannot be read");
    size_t records = records_seen, infos = infos_seen;
    for (uint64_t round = 0; round < rounds; round++) {
        const struct buffer *seed = &seeds[round % count];
        buffer_clear(&input);
        buffer_put(&input, seed->data, seed->size);
        if (seed->size && seed->data[0] == 0x89 && below(2))
            mutate_records(&input);
        else
            mutate(&input);
        if (below(8) && !input.failed)
            repair(input.data, input.size);
        require(!input.failed, "out of memory");
        uint8_t *exact = smoke_copy(input.data, input.size);
        LLVMFuzzerTestOneInput(exact, input.size);
        free(exact);
    }
    printf("fuzz_recording: %" PRIu64 " rounds, %zu records and %zu infos accepted\n", rounds,
           records_seen - records, infos_seen - infos);
    buffer_deinit(&input);
}

int main(int argc, char **argv) {
    struct buffer seeds[64] = {0};
    size_t count = 3;
    unsigned long rounds;
    if (!smoke_begin(argc, argv, 0, &rounds) || argc > 60)
        return 2;
    make_seeds(seeds);
    for (int i = 3; i < argc; i++)
        read_seed(argv[i], &seeds[count++]);
    run(seeds, count, rounds);
    for (size_t i = 0; i < count; i++)
        buffer_deinit(&seeds[i]);
    return 0;
}

#endif
