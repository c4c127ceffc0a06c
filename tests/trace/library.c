/* A library that is loaded later, with a constructor. */
/* library: library_part.c */
/* options: --module * --exclude-module *libc.so* --exclude-module ld-* --file *library*.c */
#include "say.h"

#include <dlfcn.h>

CALLED int before(int x) {
    EXPECT("call before x=%d", x);
    EXPECT("return before %d", x);
    return x;
}
int main(void) {
    before(1);
    void *library = dlopen("./library_part.so", RTLD_NOW);
    if (!library) {
        puts(dlerror());
        return 1;
    }
    int (*function)(int, const char *) = (int (*)(int, const char *))dlsym(library, "exported");
    function(5, "five");
    before(2);
    dlclose(library);
    before(3);
    library = dlopen("./library_part.so", RTLD_NOW);
    function = (int (*)(int, const char *))dlsym(library, "exported");
    function(6, "six");
    return 0;
}
