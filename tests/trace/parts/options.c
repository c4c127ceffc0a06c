/* What the tests of reel trace's options trace. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct item {
    const char *name;
    int count;
};

int inner(int n) {
    int doubled = n * 2;
    return doubled;
}
int parse_item(struct item *item, int n) {
    item->count = inner(n);
    if (item->count > 4)
        item->count = 4;
    return item->count;
}
int deep(int n) {
    return n ? deep(n - 1) + 1 : 0;
}

int main(void) {
    struct item item = {"a name that is longer than twenty characters", 0};
    int total = 0;
    for (int i = 0; i < 6; i++)
        total += parse_item(&item, i);
    total += deep(5);
    write(1, "out\n", 4);
    return total;
}
