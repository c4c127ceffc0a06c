/* What every victim shares: a check that ends the program with 99, a printed call, a hash, random bytes. */
#ifndef VICTIM_H
#define VICTIM_H
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What must hold natively as well as under reel. */
#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #cond, errno);                             \
            exit(99);                                                                                        \
        }                                                                                                    \
    } while (0)

/* A call whose result is whatever it is on this machine: printed, never judged. */
#define SHOW(expr)                                                                                           \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long show_result = (long)(expr);                                                                     \
        int show_errno = errno;                                                                              \
        printf("%s = %ld errno %d\n", #expr, show_result, show_errno);                                       \
    } while (0)

__attribute__((unused)) static uint64_t hash_bytes(const void *start, size_t length) {
    const unsigned char *bytes = (const unsigned char *)start;
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    return hash;
}

__attribute__((unused)) static void fill_random(void *start, size_t length) {
    unsigned char *bytes = (unsigned char *)start;
    while (length > 0) {
        ssize_t got = getrandom(bytes, length, 0);
        CHECK(got > 0);
        bytes += got;
        length -= (size_t)got;
    }
}

/* An address that is never mapped, hidden from the compiler's warnings. */
__attribute__((unused, noinline)) static void *bad_address(void) {
    uintptr_t at = 16;
    __asm__ volatile("" : "+r"(at));
    return (void *)at;
}

/* A new file of `length` random bytes, open for reading and writing. */
__attribute__((unused)) static int random_file(const char *path, size_t length) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    unsigned char chunk[4096];
    while (length > 0) {
        size_t step = length < sizeof chunk ? length : sizeof chunk;
        fill_random(chunk, step);
        CHECK(write(fd, chunk, step) == (ssize_t)step);
        length -= step;
    }
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}
#endif
