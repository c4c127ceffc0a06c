/* arena: memory that is given out piece by piece and freed all at once, for what lives as long as a module;
 * and arrays that grow. */
#ifndef REEL_DWARF_ARENA_H
#define REEL_DWARF_ARENA_H

#include <stddef.h>

struct arena_block;

/* A zeroed struct is an empty arena. */
struct arena {
    struct arena_block *blocks;
};

void arena_deinit(struct arena *arena);

/* Zeroed bytes, aligned for anything; NULL when memory is out. Never NULL for a size of 0. */
void *arena_alloc(struct arena *arena, size_t size);
/* A copy of count bytes. */
void *arena_copy(struct arena *arena, const void *bytes, size_t count);
/* A copy of text, as far as length, with a NUL. */
char *arena_string(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An array on the heap; a zeroed struct is empty. */
struct array {
    void *items;
    size_t count, room;
};

void array_deinit(struct array *array);
/* Append one item of so many bytes, zeroed, and return it; NULL when memory is out (the array stays as it
 * is). */
void *array_add(struct array *array, size_t item_size);

#endif
