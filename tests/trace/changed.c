/* Static functions that optimisation may give other arguments and results: what is shown must still be true. */
#include "say.h"

static __attribute__((noinline)) int unused_result(int x, int unused, int y) {
    EXPECT("call unused_result x=%d unused=%d y=%d", x, unused, y);
    EXPECT("tail unused_result %d", x * y + 1);
    return x * y + 1;
}
static __attribute__((noinline)) int unused_argument(const char *text, int unused, long z) {
    EXPECT("call unused_argument text=\"%s\" z=%ld", text, z);
    EXPECT("return unused_argument %ld", z + text[0]);
    return (int)z + text[0];
}
static __attribute__((noinline)) int constant(int always, int x) {
    EXPECT("call constant always=%d x=%d", always, x);
    int result = x * always;
    EXPECT("return constant %d", result);
    return result;
}
struct pair {
    int a, b, c, d;
};
static __attribute__((noinline)) int by_pointer(const struct pair *pair, int *where) {
    EXPECT("call by_pointer");
    int result = pair->b + *where;
    EXPECT("return by_pointer %d", result);
    return result;
}
static __attribute__((noinline)) int partly(int x) {
    EXPECT("call partly x=%d", x);
    if (x < 1000) {
        EXPECT("return partly %d", x);
        return x;
    }
    for (int i = 0; i < 3; i++)
        puts("large");
    EXPECT("return partly %d", x / 2);
    return x / 2;
}

int main(int argc, char **argv) {
    struct pair pair = {1, 2, 3, 4};
    EXPECT("call main argc=%d", argc);
    for (int i = 0; i < 3; i++)
        unused_result(i, i * 5 + argc, i + 1);
    int total = 0;
    for (int i = 0; i < 3; i++)
        total += unused_argument(argv[0], i, i * 7) + constant(17, i) + by_pointer(&pair, &total) + partly(i * 600);
    EXPECT("return main %d", total & 1);
    return total & 1;
}
