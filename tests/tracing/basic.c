/* Calls, a loop and a struct: what a trace of it must say is known. argv[1]: how often. */
#include <stdio.h>
#include <stdlib.h>

struct point {
    int x, y;
};

__attribute__((noinline)) int add(int a, int b) {
    int sum = a + b;
    return sum;
}

__attribute__((noinline)) int norm(const struct point *point) {
    if (point->x < 0)
        return -1;
    return add(point->x, point->y);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 3, sum = 0;
    for (int i = 0; i < count; i++) {
        struct point point = {i, 10};
        sum = add(sum, norm(&point));
    }
    printf("sum %d\n", sum);
    return 7;
}
