#include "../say.h"

int exported(int x) {
    static __thread int zero;
    static __thread struct {
        int a, b;
    } pair = {3, 4};
    EXPECT("call exported x=%d", x);
    zero += x;
    EXPECT("assign exported.zero %d", zero);
    pair.b += zero;
    EXPECT("assign exported.pair {\"a\": 3, \"b\": %d}", pair.b);
    EXPECT("return exported %d", pair.b);
    return pair.b;
}
