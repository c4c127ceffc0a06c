#include "../say.h"

static CALLED int internal(int x) {
    EXPECT("call internal x=%d", x);
    EXPECT("return internal %d", x + 1);
    return x + 1;
}
__attribute__((constructor)) static void prepare(void) {
    EXPECT("call prepare");
    internal(0);
    EXPECT("return prepare");
}
int exported(int x, const char *name) {
    EXPECT("call exported x=%d name=\"%s\"", x, name);
    int result = internal(x);
    EXPECT("return exported %d", result);
    return result;
}
