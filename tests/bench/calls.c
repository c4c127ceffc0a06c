/* calls COUNT: so many calls of a function with arguments, variables and a condition. */
#include <stdlib.h>

static volatile int sink;

__attribute__((noinline)) static int total(int price, int count) {
    int sum = price * count;
    int rebate = 0;
    if (count > 5)
        rebate = sum / 10;
    return sum - rebate;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    for (int i = 0; i < count; i++)
        sink = total(i, i % 10);
    return 0;
}
