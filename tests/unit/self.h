/* self: what the tests of the system call table share: addresses, and a reader of this process. */
#ifndef REEL_TESTS_SELF_H
#define REEL_TESTS_SELF_H

#include "base/memory.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* An argument of a system call. */
#define A(value) ((uint64_t)(value))

static inline uint64_t address(const void *pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

/* Reads this process, without faulting: the kernel copies. */
static inline size_t read_self(void *context, uint64_t from, void *ret, size_t size) {
    (void)context;
    size_t done = 0;
    while (done < size) {
        size_t step = 4096 - (from + done) % 4096;
        step = step < size - done ? step : size - done;
        struct iovec local = {(uint8_t *)ret + done, step};
        struct iovec remote = {(void *)(uintptr_t)(from + done), step};
        if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)step)
            break;
        done += step;
    }
    return done;
}

static const struct memory_reader self = {read_self, NULL};

#endif
