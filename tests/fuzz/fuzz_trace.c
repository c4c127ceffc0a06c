/* fuzz_trace: any bytes at all given to the reader of traces, and what it makes of them to the summary.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files, the same ones every time: fuzz_trace SEED ROUNDS FILE... */
#include "trace/summary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trace_reader *reader;
    struct summary *summary;
    struct buffer text = {0};
    const struct summary_options options = {.name = "fuzz"};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    if (trace_reader_open_fd(fd, "fuzz", &reader) || summary_create(&summary))
        abort();
    error_free(summary_read(summary, reader));
    summary_print(summary, &options, &text);
    summary_print_json(summary, &options, &text);
    buffer_deinit(&text);
    summary_destroy(summary);
    trace_reader_close(reader);
    return 0;
}

#ifdef FUZZ_SMOKE

#include <stdio.h>

#define SEED_MAX (1 << 16)

static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Pieces of JSON, and bytes that are none. */
static void mutate_once(uint8_t *data, size_t size) {
    static const char pieces[] = "{}[]\",:\\u0-1e9.tfn \n\x80\xc3\xff";
    size_t at = next_random() % size, from = next_random() % size, width = next_random() % 64;
    if (next_random() & 1) {
        data[at] = (uint8_t)pieces[next_random() % sizeof(pieces)];
        return;
    }
    if (width > size - at)
        width = size - at;
    if (width > size - from)
        width = size - from;
    memmove(data + at, data + from, width);
}

static void run_mutation(const uint8_t *seed, size_t size) {
    if (next_random() % 4 == 0)
        size = next_random() % (size + 1);
    uint8_t *data = malloc(size ? size : 1); /* exactly as big, so that ASAN sees a read beyond */
    if (!data)
        return;
    memcpy(data, seed, size);
    for (uint64_t count = next_random() % 8; size && count; count--)
        mutate_once(data, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int run_file(const char *name, unsigned long rounds) {
    FILE *file = fopen(name, "rb");
    uint8_t *seed = malloc(SEED_MAX);
    if (!file || !seed) {
        perror(name);
        if (file)
            fclose(file);
        free(seed);
        return 1;
    }
    size_t size = fread(seed, 1, SEED_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(seed, size);
    for (unsigned long i = 0; i < rounds; i++)
        run_mutation(seed, size);
    free(seed);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: %s SEED ROUNDS FILE...\n", argv[0]);
        return 2;
    }
    state = strtoull(argv[1], NULL, 0) | 1; /* xorshift stands still at 0 */
    int failed = 0;
    for (int i = 3; i < argc; i++)
        failed |= run_file(argv[i], strtoul(argv[2], NULL, 0));
    return failed;
}

#endif
