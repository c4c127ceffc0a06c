/* text_list: a growing array of strings, all of which it owns. */
#ifndef REEL_CONFIG_TEXT_LIST_H
#define REEL_CONFIG_TEXT_LIST_H

#include "base/error.h"

#include <stddef.h>

/* A zeroed struct is an empty list. */
struct text_list {
    char **items; /* NUL-terminated each */
    size_t count;
};

void text_list_deinit(struct text_list *list);

/* Append a copy of the first size bytes of text. */
struct error *text_list_add(struct text_list *list, const char *text, size_t size);

#endif
