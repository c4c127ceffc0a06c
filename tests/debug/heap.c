/* A list whose pointer is overwritten long before it is followed: an overflow of the buffer beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    char name[16];
    struct item *next;
    int value;
};

static struct item *items;

static void add(const char *name, int value) {
    struct item *item = calloc(1, sizeof(*item));
    strncpy(item->name, name, sizeof(item->name) - 1);
    item->value = value;
    item->next = items;
    items = item;
}

static void rename_item(struct item *item, const char *name) {
    for (size_t i = 0; i <= strlen(name); i++)
        item->name[i] = name[i]; /* the bug */
}

static int work(int rounds) {
    volatile int sum = 0;
    for (int i = 0; i < rounds; i++)
        sum += i % 7;
    return sum;
}

static int total(void) {
    int sum = 0;
    for (struct item *item = items; item; item = item->next)
        sum += item->value;
    return sum;
}

int main(void) {
    add("one", 1);
    add("two", 2);
    add("three", 3);
    printf("%d\n", total());
    rename_item(items, "a name that is too long");
    printf("%d\n", work(300000));
    fflush(stdout);
    printf("%d\n", total()); /* it crashes here */
    return 0;
}
