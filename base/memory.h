/* memory: how the layers above hand down an address space to code that knows no process. */
#ifndef REEL_BASE_MEMORY_H
#define REEL_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Reads the memory of a process, a core or a buffer. */
struct memory_reader {
    /* Copy up to size bytes from address on to ret; return how many could be read before the first byte that
     * could not (0 when the very first cannot). Never reports an error. */
    size_t (*read)(void *context, uint64_t address, void *ret, size_t size);
    void *context;
};

static inline size_t memory_read(const struct memory_reader *memory, uint64_t address, void *ret,
                                 size_t size) {
    return memory->read(memory->context, address, ret, size);
}

/* Read a whole object or nothing; true on success. */
static inline int memory_read_exact(const struct memory_reader *memory, uint64_t address, void *ret,
                                    size_t size) {
    return memory_read(memory, address, ret, size) == size;
}

#endif
