#include "config/text_list.h"

#include <stdlib.h>
#include <string.h>

void text_list_deinit(struct text_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    memset(list, 0, sizeof(*list));
}

struct error *text_list_add(struct text_list *list, const char *text, size_t size) {
    char **items = reallocarray(list->items, list->count + 1, sizeof(*items));
    if (!items)
        return &error_no_memory;
    list->items = items;
    char *copy = strndup(text, size);
    if (!copy)
        return &error_no_memory;
    items[list->count++] = copy;
    return NULL;
}
