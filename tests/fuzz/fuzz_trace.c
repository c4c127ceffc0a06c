/* fuzz_trace: any bytes at all given to the reader of traces, and what it makes of them to the summary.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files, the same ones every time: fuzz_trace SEED ROUNDS FILE... */
#include "tests/fuzz/smoke.h"
#include "trace/json.h"
#include "trace/summary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is taken whole is what would be copied. */
static void try_whole(int fd) {
    struct json whole, copied;
    struct buffer copy = {0};
    const char *text;
    size_t size;
    require(!json_init(&whole, fd, "fuzz", TRACE_NESTING_MAX, TRACE_EVENT_MAX) &&
                !json_init(&copied, fd, "fuzz", TRACE_NESTING_MAX, TRACE_EVENT_MAX),
            "out of memory");
    if (json_take_whole(&whole, &text, &size)) {
        lseek(fd, 0, SEEK_SET);
        json_copy(&copied, &copy);
        require(!json_failed(&copied) && whole.at == copied.at, "a value is taken that cannot be copied");
        require(size == copy.size && !memcmp(text, copy.data, size), "a value is taken as another one");
    }
    buffer_deinit(&copy);
    json_deinit(&whole);
    json_deinit(&copied);
    lseek(fd, 0, SEEK_SET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trace_reader *reader;
    struct summary *summary;
    struct buffer text = {0};
    const struct summary_options options = {.name = "fuzz"};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    try_whole(fd);
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

#define SEED_MAX (1 << 16)

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

static void run(const uint8_t *seed, size_t size, unsigned long rounds) {
    smoke_mutations(seed, size, rounds, mutate_once);
}

int main(int argc, char **argv) {
    return smoke_main(argc, argv, SEED_MAX, run);
}

#endif
