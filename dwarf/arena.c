#include "dwarf/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (64 * 1024)
#define ALIGNMENT  16

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) char bytes[];
};

void arena_deinit(struct arena *arena) {
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

static struct arena_block *add_block(struct arena *arena, size_t size) {
    struct arena_block *block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    if (arena->blocks && size > BLOCK_SIZE) { /* what is left in the first block stays in use */
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size)
        block =
            add_block(arena, size > BLOCK_SIZE / 4 ? (size > BLOCK_SIZE ? size : BLOCK_SIZE) : BLOCK_SIZE);
    if (!block)
        return NULL;
    void *bytes = block->bytes + block->used;
    block->used += size;
    return bytes;
}

void *arena_copy(struct arena *arena, const void *bytes, size_t count) {
    void *copy = arena_alloc(arena, count);
    if (copy && count)
        memcpy(copy, bytes, count);
    return copy;
}

char *arena_string(struct arena *arena, const char *text, size_t length) {
    char *copy = arena_alloc(arena, length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    char *copy = arena_string(arena, text, (size_t)length);
    free(text);
    return copy;
}

void array_deinit(struct array *array) {
    free(array->items);
    memset(array, 0, sizeof(*array));
}

void *array_add(struct array *array, size_t item_size) {
    if (array->count == array->room) {
        size_t room = array->room ? array->room * 2 : 16;
        void *grown = realloc(array->items, room * item_size);
        if (!grown)
            return NULL;
        array->items = grown;
        array->room = room;
    }
    void *item = (char *)array->items + array->count++ * item_size;
    memset(item, 0, item_size);
    return item;
}
