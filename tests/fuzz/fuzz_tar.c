/* fuzz_tar: any bytes at all given to the reader of archives, as they are and in a frame of zstd. What it
 * gives is never more than an entry says.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files, the same ones every time: fuzz_tar SEED ROUNDS FILE... */
#include "replay/tar.h"
#include "tests/fuzz/smoke.h"

#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

static void read_all(const void *data, size_t size) {
    struct tar_reader *reader;
    struct tar_entry entry;
    bool more = true;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0,
            "no memory file");
    struct error *err = tar_reader_create(fd, "fuzz", &reader);
    require(!err, "a file that cannot be read");
    for (uint64_t entries = 0; !err && more; entries++) {
        uint8_t bytes[4096];
        uint64_t sum = 0;
        size_t got = 1;
        err = tar_reader_next(reader, &entry, &more);
        while (!err && more && got) {
            err = tar_reader_get(reader, bytes, sizeof(bytes), &got);
            sum += err ? 0 : got;
        }
        require(err || !more || sum == entry.size, "a file of another size");
        require(strnlen(entry.name, sizeof(entry.name)) < sizeof(entry.name), "a name without an end");
    }
    error_free(err);
    tar_reader_destroy(reader);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t packed[1 << 18];
    read_all(data, size);
    size_t result = size < sizeof(packed) / 2 ? ZSTD_compress(packed, sizeof(packed), data, size, 1) : 0;
    if (result && !ZSTD_isError(result))
        read_all(packed, result);
    return 0;
}

#ifdef FUZZ_SMOKE

#define SEED_MAX (1 << 16)

/* Fields of headers: digits, and what is none. */
static void mutate_once(uint8_t *data, size_t size) {
    size_t block = next_random() % (size / 512 + 1) * 512, at = block + next_random() % 512;
    static const char pieces[] = "01237 9-\x80\xff\0ustar/.5xLKg";
    if (at >= size || next_random() % 8 == 0)
        at = next_random() % size;
    data[at] = (uint8_t)pieces[next_random() % sizeof(pieces)];
}

static void run(const uint8_t *seed, size_t size, unsigned long rounds) {
    smoke_mutations(seed, size, rounds, mutate_once);
}

int main(int argc, char **argv) {
    return smoke_main(argc, argv, SEED_MAX, run);
}

#endif
