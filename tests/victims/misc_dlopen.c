/* A library loaded, called and unloaded while running lands at the recorded address. */
/* expect: exit 0 */
#include "victim.h"
#include <dlfcn.h>

int main(void) {
    for (int i = 0; i < 3; i++) {
        void *library = dlopen("libm.so.6", i == 1 ? RTLD_NOW : RTLD_LAZY);
        CHECK(library != NULL);
        double (*power)(double, double);
        *(void **)&power = dlsym(library, "pow");
        CHECK(power != NULL);
        unsigned char seed;
        fill_random(&seed, 1);
        Dl_info info;
        CHECK(dladdr((void *)(uintptr_t)power, &info) != 0);
        printf("pow %p in %s at %p: %.17g\n", (void *)(uintptr_t)power, info.dli_fname, info.dli_fbase,
               power(1.0 + seed / 256.0, 2.5));
        CHECK(dlclose(library) == 0);
    }
    void *none = dlopen("libnone-such.so", RTLD_NOW);
    printf("%p %s\n", none, dlerror());
    return 0;
}
