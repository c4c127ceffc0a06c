/* Functions that the compiler puts into others, and parts that it puts aside (.cold). */
#include "say.h"

static inline __attribute__((always_inline)) int doubled(int x) {
    int local = x * 2;
    KEEP(local);
    EXPECT("assign doubled.local %d", local);
    return local;
}
__attribute__((cold, noinline)) static void complain(int x) {
    EXPECT("call complain x=%d", x);
    EXPECT("return complain");
}
CALLED int user(int x) {
    EXPECT("call user x=%d", x);
    int result = doubled(x) + doubled(x + 1);
    EXPECT("assign user.result %d", result);
    if (__builtin_expect(result > 100, 0)) {
        complain(result);
        result = doubled(-result);
        EXPECT("assign user.result %d", result);
        complain(result);
    }
    EXPECT("return user %d", result);
    return result;
}
CALLED int rare(int x) {
    EXPECT("call rare x=%d", x);
    if (__builtin_expect(x < 0, 0)) {
        complain(x);
        EXPECT("return rare -1");
        return -1;
    }
    EXPECT("return rare %d", x);
    return x;
}
int main(void) {
    EXPECT("call main");
#ifdef __OPTIMIZE__
    EXPECT("never doubled");
#endif
    user(1);
    user(60);
    rare(5);
    rare(-5);
    rare(6);
    EXPECT("return main 0");
    return 0;
}
