/* Loads and unloads a library argv[2] times and calls it each time. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 1, sum = 0;
    for (int i = 0; i < count; i++) {
        void *library = dlopen(argv[1], RTLD_NOW);
        int (*plugin)(int) = NULL;
        if (library)
            *(void **)&plugin = dlsym(library, "plugin_work");
        if (!plugin)
            return 1;
        sum += plugin(i);
        dlclose(library);
    }
    printf("sum %d\n", sum);
    return 0;
}
