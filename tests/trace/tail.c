/* Functions that end with calls: jumps, when optimised. */
#include "say.h"

CALLED int last(int x) {
    EXPECT("call last x=%d", x);
    int result = x * 3;
    EXPECT("tail last %d", result);
    return result;
}
CALLED int middle(int x) {
    EXPECT("call middle x=%d", x);
    EXPECT("tail middle %d", (x + 1) * 3);
    return last(x + 1);
}
CALLED int first(int x) {
    EXPECT("call first x=%d", x);
    EXPECT("tail first %d", (x + 2) * 3);
    return middle(x + 1);
}
CALLED int by_pointer(int (*function)(int), int x) {
    EXPECT("call by_pointer x=%d", x);
    EXPECT("tail by_pointer %d", (x + 1) * 3);
    return function(x);
}
CALLED int either(int x) {
    EXPECT("call either x=%d", x);
    if (x > 3) {
        EXPECT("tail either %d", x * 3);
        return last(x);
    }
    EXPECT("tail either %d", x);
    return x;
}

CALLED int odd(unsigned n);
CALLED int even(unsigned n) {
    EXPECT("call even n=%u", n);
    EXPECT("tail even %d", n % 2 == 0);
    return n == 0 ? 1 : odd(n - 1);
}
CALLED int odd(unsigned n) {
    EXPECT("call odd n=%u", n);
    EXPECT("tail odd %d", n % 2 != 0);
    return n == 0 ? 0 : even(n - 1);
}

CALLED void to_library(const char *text) {
    EXPECT("call to_library text=\"%s\"", text);
    EXPECT("tail to_library");
    puts(text);
}

CALLED int caller(int x) {
    EXPECT("call caller x=%d", x);
    int result = first(x);
    result += by_pointer(middle, x);
    result += either(2) + either(5) + even(5);
    to_library("done");
    EXPECT("return caller %d", result);
    return result;
}

int main(void) {
    EXPECT("call main");
    caller(1);
    caller(2);
    EXPECT("return main 0");
    return 0;
}
